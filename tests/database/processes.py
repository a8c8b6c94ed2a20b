"""Runs of the program as processes of their own, which can be killed; module level, so that they can be started."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psycopg

from components.trunk_acl import entries, migrator
from components.trunk_acl.lock import Connection
from components.trunk_acl.provider import TrunkAclProvider
from refusal import Refusal
from tests.database.servers import PASSWORD, USER, wishes

# A server process that has everything imported: a run begins in hundredths of a second, and shares nothing with pytest.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

REFUSED, BROKEN = 3, 4
Work = Callable[[Connection, Any], object]


def migrate(connection: Connection, _: object) -> object:
    return migrator.migrate(connection, wishes())


def reconcile(connection: Connection, customers: Mapping[str, str]) -> object:
    """As the provider does it: under the lock, with whatever is wrong told in one error."""
    return migrator.migrate(connection, wishes(), lambda: _reconcile(connection, customers))


def _reconcile(connection: Connection, customers: Mapping[str, str]) -> None:
    entries.reconcile(connection, "warp-edge", customers, {})


def worked(port: int, database: str, work: Work, argument: object, pipe: Pipe) -> None:
    """Do the work through a plain relay; says how it ended, unless it is killed."""
    try:
        with psycopg.connect(
            host="127.0.0.1", port=port, dbname=database, user=USER, password=PASSWORD, sslmode="disable",
            autocommit=True, connect_timeout=10,
        ) as connection:  # fmt: skip
            work(connection, argument)
        pipe.send("done")
    except Refusal as error:
        pipe.send(f"refused: {error}")
    except BaseException:
        pipe.send(f"broken: {traceback.format_exc()}")


def applied(props: Mapping[str, Any], barrier: Any, pipe: Pipe) -> None:
    """One `pulumi up`, at the same moment as others."""
    try:
        barrier.wait(60)
        pipe.send(TrunkAclProvider().create(dict(props)).outs)
    except BaseException:
        pipe.send(traceback.format_exc())


def start(target: Callable[..., None], *arguments: Any) -> tuple[Any, Pipe]:
    """A process and the end of a pipe that its last argument, the other end, speaks into."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def said(process: Any, pipe: Pipe, seconds: float = 60) -> Any:
    """What it said at its end; None when it was killed."""
    try:
        return pipe.recv() if pipe.poll(seconds) else "broken: no end"
    except EOFError:
        return None
    finally:
        process.join(seconds)
        pipe.close()


def all_of(target: Callable[..., None], arguments: Sequence[Sequence[Any]]) -> list[Any]:
    """What each said, all at work at the same time."""
    running = [start(target, *each) for each in arguments]
    return [said(process, pipe) for process, pipe in running]
