"""What start.py puts in front of the database: who gets the snapshot there, and who the database, with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
import trustme

from kamailio.gate import AwayError, Database, Gate
from kamailio.snapshot import Part, Snapshot
from sandbox.acl import Acl

ROWS = b"192.0.2.1\t0\t0\tmain|A\\\\B\\tC\t0\t\\N\n192.0.2.2\t0\t0\t\t0\t\\N\n"
HOSTS = Part(
    ("key_name", "key_type", "value_type", "key_value", "expires", "cidr"),
    (1043, 23, 23, 1043, 23, 650),
    zlib.compress(ROWS),
)
DEDICATED = Part(HOSTS.columns[:-1], HOSTS.types[:-1], zlib.compress(b"loaded\t0\t0\tloaded\t0\n"))
SNAPSHOT = Snapshot(1_000, 2_000, {"acl_hosts": HOSTS, "dedicated": DEDICATED})
OURS, NOBODYS = os.getpid(), 0


def environment(acl: Acl, folder: Path, mode: str) -> dict[str, str]:
    (folder / "ca.pem").write_text(acl.database.authority)
    place = acl.database
    return {
        "WARP_ACL_DB_URL": f"postgres://{place.user}:{place.password}@{place.host}:{place.port}/{place.name}",
        "PGSSLMODE": mode,
        "PGSSLROOTCERT": str(folder / "ca.pem"),
    }


def of(known: dict[str, str]) -> Database:
    database = Database.read(known)
    assert database
    return database


@contextlib.contextmanager
def gate(database: Database, main: int, snapshot: Snapshot | None = SNAPSHOT) -> Iterator[str]:
    """Its conninfo, without user and password."""
    # psycopg knows no abstract socket, and pytest's folders can be too long for the name of one.
    place, ready, loop = tempfile.mkdtemp(prefix="warp-"), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        it = Gate(database, snapshot)
        it.main.set_result(main)
        async with await asyncio.start_unix_server(it.serve, f"{place}/.s.PGSQL.5432"):
            ready.set()
            await asyncio.Event().wait()

    task = loop.create_task(serve())
    thread = threading.Thread(target=_run, args=(loop, task))
    thread.start()
    assert ready.wait(30)
    try:
        yield f"host={place} port=5432 dbname={database.name}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        shutil.rmtree(place)


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)


def asked(conninfo: str, query: LiteralString) -> list[tuple[object, ...]] | None:
    """By the simple protocol, as Kamailio asks; None when the connection is closed instead."""
    with psycopg.connect(f"{conninfo} user=anybody", autocommit=True) as connection:
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("SET bytea_output=escape")
        try:
            return cursor.execute(query).fetchall()
        except psycopg.OperationalError:
            assert connection.closed
            return None


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_others_are_connected_to_the_database_over_tls(acl: Acl, tmp_path: Path, mode: str) -> None:
    database = of(environment(acl, tmp_path, mode))
    asyncio.run(database.check())
    with gate(database, NOBODYS) as conninfo:
        with psycopg.connect(f"{conninfo} user={acl.database.user} password={acl.database.password}") as connection:
            rows = connection.execute("SELECT key_name FROM acl_hosts").fetchall()
        assert ("127.0.0.2",) in rows
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{conninfo} user={acl.database.user} password=other")


@pytest.mark.parametrize(("mode", "reason"), [("verify-ca", "CERTIFICATE_VERIFY_FAILED"), ("require", "")])
def test_another_authority_is_no_database_where_it_is_checked(acl: Acl, tmp_path: Path, mode: str, reason: str) -> None:
    known = environment(acl, tmp_path, mode)
    if reason:
        (tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
        with pytest.raises(AwayError, match=reason):
            asyncio.run(of(known).check())
    else:
        (tmp_path / "ca.pem").unlink()
        asyncio.run(of(known).check())


def test_a_refusal_is_an_answer(acl: Acl, tmp_path: Path) -> None:
    """Kamailio says then what is wrong: a snapshot would hide it."""
    known = environment(acl, tmp_path, "require")
    asyncio.run(of(known | {"WARP_ACL_DB_URL": known["WARP_ACL_DB_URL"].replace("/warp", "/nothing")}).check())


def test_only_the_main_process_is_given_the_snapshot(acl: Acl, tmp_path: Path) -> None:
    away = of(environment(acl, tmp_path, "require") | {"WARP_ACL_DB_URL": "postgres://r:p@127.0.0.1:1/warp"})
    hosts: LiteralString = "select key_name,key_type,value_type,key_value from acl_hosts  order by key_name"
    with gate(away, OURS) as conninfo:
        assert asked(conninfo, hosts) == [("192.0.2.1", 0, 0, "main|A\\B\tC"), ("192.0.2.2", 0, 0, "")]
        assert asked(conninfo, "select cidr,key_name from acl_hosts") == [(None, "192.0.2.1"), (None, "192.0.2.2")]
        assert asked(conninfo, "select key_name,value_type,key_value from dedicated") == [
            ("loaded", 0, "loaded"), ("taken", 1, "1000"), ("until", 1, "2000"),
        ]  # fmt: skip
        assert asked(conninfo, "select key_name from acl_hosts; drop table x") is None
    with gate(away, OURS, None) as conninfo:
        assert asked(conninfo, hosts) == []
        assert asked(conninfo, "select table_version from version where table_name='address'") == [(6,)]
        assert asked(conninfo, "select table_version from version where table_name='other'") == []
    with gate(away, NOBODYS) as conninfo:
        assert asked(conninfo, hosts) is None


def test_the_main_process_is_given_the_snapshot_also_when_the_database_is_back(acl: Acl, tmp_path: Path) -> None:
    """All of it or nothing of it: the rows that limit it are in one table."""
    with gate(of(environment(acl, tmp_path, "require")), OURS) as conninfo:
        assert asked(conninfo, "select key_value from acl_hosts") == [("main|A\\B\tC",), ("",)]
