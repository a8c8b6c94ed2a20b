"""One run at a time: a session advisory lock that says who holds it when it cannot be had."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from refusal import Refusal

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

KEY = 0x7761727061636C  # "warpacl"
POLL_SECONDS = 0.2


@contextmanager
def held(connection: Connection, seconds: float) -> Iterator[None]:
    """Hold the lock of this database's ACL schema; it ends with the session, also when this process is killed.

    Raises `Refusal` that names the holder after `seconds`. The connection must be in autocommit.
    """
    deadline = time.monotonic() + seconds
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (KEY,)).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise Refusal(
                f"another run works on the trunk ACL: {_holder(connection)}; waited {seconds:g} s",
                "let it end and run again; a holder that is dead: SELECT pg_terminate_backend(its process id)",
            )
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (KEY,))


def _holder(connection: Connection) -> str:
    # A bigint key shows as its halves (documentation of pg_locks); objsubid 1 says that it is one.
    row = connection.execute(
        """
        SELECT format('%%s as %%s from %%s, process %%s, since %%s',
            coalesce(nullif(application_name, ''), 'a session'), usename,
            coalesce(host(client_addr), 'the server itself'), pid, date_trunc('second', backend_start))
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = %s
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        (KEY,),
    ).fetchone()
    return str(row[0]) if row else "its session has just ended"
