"""A read replica's PostgreSQL: a real standby that replicates its primary, is read-only, and can be promoted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local_cloud.postgres import PostgresError, PostgresServer
from local_cloud.postgres.postmaster import wait_until
from local_cloud.postgres.replication import Source
from tests.local_cloud.test_postgres import (
    HOST,
    NEIGHBOUR,
    PASSWORD,
    ask,
    connect,
    free_port,
    installation,
    populate,
    production_only,
)

__all__ = ["installation"]  # a fixture: both kinds of PostgreSQL


@pytest.fixture
def owner(installation: str, tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "owner", HOST, free_port(), require_tls=True, flags={})
    server.start()
    populate(server)
    write(server, "CREATE TABLE calls (id int)")
    yield server
    server.destroy()


@pytest.fixture
def replica(owner: PostgresServer, tmp_path: Path) -> Iterator[PostgresServer]:
    server = of(owner, tmp_path)
    server.start()
    yield server
    server.destroy()


def of(owner: PostgresServer, folder: Path) -> PostgresServer:
    return PostgresServer(
        folder / "replica", NEIGHBOUR, owner.port, require_tls=True, flags={}, owner=folder / owner.data_dir.name
    )


def write(server: PostgresServer, statement: str) -> None:
    with connect(server) as connection:
        connection.execute(statement)


def calls(server: PostgresServer) -> list[int]:
    return [row[0] for row in ask(server, "SELECT id FROM calls ORDER BY id")]


def arrives(server: PostgresServer, *expected: int) -> bool:
    return wait_until(lambda: calls(server) == list(expected), 10)


def slots(server: PostgresServer) -> list[Any]:
    return ask(server, "SELECT slot_name FROM pg_replication_slots")


def crash(server: PostgresServer) -> None:
    pid = int((server.log_file.parent / "pgdata" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not server.running(), 10)


def test_a_replica_follows_refuses_to_write_and_comes_back_with_what_it_missed(
    owner: PostgresServer, replica: PostgresServer, tmp_path: Path
) -> None:
    assert replica.standby
    assert not owner.standby
    write(owner, "INSERT INTO calls VALUES (1)")
    assert arrives(replica, 1)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cannot execute INSERT in a read-only transaction"):
        write(replica, "INSERT INTO calls VALUES (2)")
    with pytest.raises(PostgresError, match="cannot execute CREATE ROLE in a read-only transaction"):
        replica.create_user("late", PASSWORD)
    assert replica.server_ca != owner.server_ca

    replica.stop()
    write(owner, "INSERT INTO calls VALUES (3)")
    again = of(owner, tmp_path)  # as in a restarted cloud
    again.start()
    assert arrives(again, 1, 3)
    crash(again)
    write(owner, "INSERT INTO calls VALUES (4)")
    again.start()
    assert arrives(again, 1, 3, 4)

    again.configure(require_tls=False, flags={"max_connections": "120"})
    assert ask(again, "SHOW max_connections", sslmode="disable") == [("120",)]
    write(owner, "INSERT INTO calls VALUES (5)")
    assert arrives(again, 1, 3, 4, 5)
    again.destroy()
    assert slots(owner) == [], "the primary keeps no WAL for a destroyed replica"


def test_a_promoted_replica_writes_and_its_owner_goes_its_own_way(
    owner: PostgresServer, replica: PostgresServer, tmp_path: Path
) -> None:
    write(owner, "INSERT INTO calls VALUES (1)")
    assert arrives(replica, 1)
    crash(owner)
    assert calls(replica) == [1], "reading needs no primary"
    replica.stop()
    replica.start()
    assert calls(replica) == [1], "nor does starting"
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        write(replica, "INSERT INTO calls VALUES (2)")

    replica.promote()
    write(replica, "INSERT INTO calls VALUES (2)")
    replica.create_user("late", PASSWORD)
    assert not replica.standby
    owner.start()
    write(owner, "INSERT INTO calls VALUES (9)")
    of(owner, tmp_path).promote()  # again, from another process
    replica.stop()
    replica.start()
    assert calls(replica) == [1, 2]
    assert calls(owner) == [1, 9]


@production_only
def test_the_owners_password_is_in_no_argument_and_in_no_setting(
    owner: PostgresServer, replica: PostgresServer, tmp_path: Path
) -> None:
    password = (tmp_path / "owner" / "superuser").read_text(encoding="utf-8")
    home = replica.log_file.parent
    settings = list((home / "pgdata").glob("*.conf"))
    assert settings
    assert not [path for path in (*settings, replica.log_file) if password in path.read_text(encoding="utf-8")]
    held = [path for path in home.rglob("*.pgpass") if password in path.read_text(encoding="utf-8")]
    assert [path.stat().st_mode & 0o777 for path in held] == [0o600]
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()]
    assert not [line for line in running if password.encode() in line]


@production_only
def test_a_copy_that_was_cut_off_is_made_again(
    owner: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = of(owner, tmp_path)
    whole = Source.clone

    def cut_off(source: Source, pg_basebackup: Path, target: Path) -> None:
        whole(source, pg_basebackup, target)
        raise PostgresError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(Source, "clone", cut_off)
        with pytest.raises(PostgresError, match="cut off"):
            server.start()
    server.start()
    write(owner, "INSERT INTO calls VALUES (1)")
    assert arrives(server, 1)
    server.destroy()


@production_only
def test_a_copy_needs_a_running_owner_and_postgresqls_own_program(
    owner: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = of(owner, tmp_path)
    owner.stop()
    with pytest.raises(PostgresError, match="No such file or directory"):
        server.start()
    owner.start()
    monkeypatch.setattr("local_cloud.postgres.binaries.Binaries.pg_basebackup", tmp_path / "none")
    with pytest.raises(PostgresError, match="install PostgreSQL's client programs"):
        server.start()
