"""The life of a PostgreSQL server: restarts, kills, what is left behind, and folders it cannot use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local_cloud.postgres import PostgresError, PostgresServer, binaries, destroy_all, postmaster
from local_cloud.postgres.account import Account, server_account
from local_cloud.postgres.binaries import Binaries
from tests.local_cloud.test_postgres import (
    HOST,
    NEIGHBOUR,
    ROOT,
    ask,
    connect,
    data_dir,
    free_port,
    installation,
    peopled,
    production_only,
    server,
    trust,
    without_system,
)

__all__ = ["data_dir", "installation", "peopled", "server"]  # fixtures


def test_data_and_authority_survive_restarts_by_another_object(peopled: PostgresServer, data_dir: Path) -> None:
    authority = peopled.server_ca
    with connect(peopled) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    peopled.stop()
    peopled.stop()
    assert not peopled.running()
    with pytest.raises(PostgresError, match="is not running; start it first"):
        peopled.users()
    again = PostgresServer(data_dir, NEIGHBOUR, free_port(), require_tls=True, flags={})
    again.start()
    again.start()
    try:
        assert ask(again, "SELECT answer FROM kept") == [(42,)]
        assert again.server_ca == authority
        root = trust(data_dir / "ca-for-test.pem", authority)
        assert ask(again, "SELECT 1", sslmode="verify-full", sslrootcert=root) == [(1,)]
    finally:
        again.stop()


def test_stopping_closes_open_connections_quietly(peopled: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    with connect(peopled) as connection:
        peopled.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert caplog.records == []


@production_only
def test_a_killed_server_whose_children_are_still_busy_is_recovered(peopled: PostgresServer) -> None:
    with connect(peopled) as connection:
        busy = threading.Thread(target=swallow, args=(connection, "SELECT count(*) FROM generate_series(1, 20000000)"))
        busy.start()
        wait_for(lambda: is_busy(peopled))
        kill(peopled)
        peopled.start()
        busy.join()
    assert peopled.users() == ["postgres", "warp"]


def swallow(connection: psycopg.Connection[Any], query: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(query.encode())


def kill(server: PostgresServer) -> None:
    lines = (server.log_file.parent / "pgdata" / "postmaster.pid").read_text(encoding="utf-8").split()
    os.kill(int(lines[0]), signal.SIGKILL)
    wait_for(lambda: not server.running())


def wait_for(moment: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not moment():
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.01)


def is_busy(server: PostgresServer) -> bool:
    with connect(server) as other:
        found = other.execute(
            "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1, %'"
            " AND pid <> pg_backend_pid()"
        ).fetchall()
    return bool(found)


def test_a_killed_server_is_recovered(peopled: PostgresServer) -> None:
    with connect(peopled) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    kill(peopled)
    peopled.start()
    assert ask(peopled, "SELECT answer FROM kept") == [(42,)]


@production_only
def test_a_stale_lock_file_with_a_reused_process_id_is_no_obstacle(peopled: PostgresServer) -> None:
    lock = peopled.log_file.parent / "pgdata" / "postmaster.pid"
    content = lock.read_text(encoding="utf-8")
    peopled.stop()
    account = server_account()
    with subprocess.Popen(["sleep", "60"], **account.of_child) as innocent:  # of the same user
        lock.write_text("\n".join([str(innocent.pid), *content.splitlines()[1:], ""]), encoding="utf-8")
        account.own(lock)
        assert not peopled.running()
        peopled.start()
        assert innocent.poll() is None
        innocent.kill()
    assert ask(peopled, "SELECT 1") == [(1,)]


def test_a_server_left_by_a_killed_cloud_is_taken_over(installation: str, data_dir: Path) -> None:
    port = free_port()
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from local_cloud.postgres import PostgresServer, binaries
if {installation!r} == "wheel":
    binaries.SERVER_BINARIES, binaries.shutil.which = (), lambda name: None
server = PostgresServer(Path({str(data_dir)!r}), {HOST!r}, {port}, require_tls=True, flags={{}})
server.start()
server.create_database("trunks", "UTF8", "C")
server.create_user("warp", "x")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    server = PostgresServer(data_dir, HOST, port, require_tls=True, flags={"max_connections": "31"})
    try:
        assert server.running()
        server.start()
        assert ask(server, "SHOW max_connections", password="x") == [("31",)]
    finally:
        server.destroy()
    assert not server.running()


@production_only
def test_servers_run_side_by_side_on_the_same_port(server: PostgresServer, tmp_path: Path) -> None:
    other = PostgresServer(tmp_path / "other", NEIGHBOUR, server.port, require_tls=True, flags={})
    try:
        other.start()
        other.create_user("elsewhere", "x")
        assert (server.users(), other.users()) == (["postgres"], ["elsewhere", "postgres"])
    finally:
        other.destroy()
    assert server.running()


@production_only
def test_destroy_leaves_nothing(peopled: PostgresServer, data_dir: Path) -> None:
    home, sockets = peopled.log_file.parent, socket_folder(peopled)
    peopled.destroy()
    assert [path for path in (data_dir, home, sockets) if path.exists()] == []
    assert not peopled.running()
    peopled.destroy()
    peopled.start()
    assert peopled.databases() == ["postgres"]


def socket_folder(server: PostgresServer) -> Path:
    lines = (server.log_file.parent / "pgdata" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    return Path(lines[4])


@production_only
def test_an_interrupted_initdb_is_started_again(installation: str, data_dir: Path) -> None:
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    try:
        left_over = server.log_file.parent / "init-crashed" / "pgdata"
        left_over.mkdir(parents=True)
        (left_over / "PG_VERSION").write_text("15\n", encoding="utf-8")
        server.start()
        assert server.databases() == ["postgres"]
        assert not left_over.exists()
    finally:
        server.destroy()


@production_only
def test_a_deep_folder_does_not_make_the_socket_path_too_long(installation: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        Path(top).chmod(0o755)  # accessible to the server's user: nothing else moves the data to a shorter path
        deep = Path(top, *["a-long-name-of-a-folder"] * 6)
        server = PostgresServer(deep, HOST, free_port(), require_tls=True, flags={})
        try:
            server.start()
            assert server.log_file.parent == deep / "server"
            assert len(f"{socket_folder(server)}/.s.PGSQL.{server.port}") <= 107
            assert server.users() == ["postgres"]
        finally:
            sockets = socket_folder(server)
            server.destroy()
        assert not sockets.exists()


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder that the server's user cannot access; only root runs the server as another user."""
    folder.mkdir(mode=0o700)
    if os.geteuid() != 0:
        monkeypatch.setattr(Account, "can_enter", lambda _, asked: folder not in (asked, *asked.parents))
    return folder


@production_only
def test_a_folder_the_server_s_user_cannot_reach_is_replaced(
    installation: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    instance = close(tmp_path / "closed", monkeypatch) / "instance"
    server = PostgresServer(instance, HOST, free_port(), require_tls=True, flags={})
    server.start()
    home = Path((instance / "location").read_text(encoding="utf-8").strip())
    assert home.is_dir()
    assert home.stat().st_mode & 0o077 == 0
    assert home.stat().st_uid == server_account().uid != 0
    server.stop()
    again = PostgresServer(instance, HOST, server.port, require_tls=True, flags={})
    again.start()
    assert again.log_file.parent == home
    again.destroy()
    assert not home.exists()
    assert not instance.exists()


@production_only
def test_all_data_of_a_cloud_can_be_destroyed_without_it(
    installation: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = close(tmp_path / "closed", monkeypatch)
    server = PostgresServer(folder / "running", HOST, free_port(), require_tls=True, flags={})
    try:
        server.start()  # and is left running, with its data outside
        home = server.log_file.parent
        foreign = tmp_path / "of-another-user"
        foreign.mkdir()
        for name, place in (("vanished", "/var/tmp/local-cloud-postgres-gone"), ("foreign", foreign)):
            (folder / name).mkdir()
            (folder / name / "location").write_text(f"{place}\n", encoding="utf-8")
        (folder / "inside" / "server" / "pgdata").mkdir(parents=True)
        destroy_all(folder)
        assert not server.running()
        assert [path for path in (folder, home) if path.exists()] == []
        assert foreign.exists()
        destroy_all(folder)
    finally:
        server.destroy()


def test_the_wheel_is_copied_where_the_server_s_user_cannot_run_it(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    without_system(monkeypatch)
    inspect = binaries.inspect

    def unreachable(folder: Path, account: Account) -> Binaries | None:
        return None if "site-packages" in folder.parts else inspect(folder, account)

    monkeypatch.setattr(binaries, "inspect", unreachable)
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    try:
        server.start()
        assert server.users() == ["postgres"]
    finally:
        server.destroy()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_named_and_nothing_stays_behind(installation: str, data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = PostgresServer(data_dir, HOST, port, require_tls=True, flags={})
        with pytest.raises(PostgresError, match=rf"PostgreSQL for {HOST}:{port} did not start: could not bind.*in use"):
            server.start()
        assert not server.running()
    server.start()
    server.destroy()


def test_a_server_that_does_not_come_up_is_given_up_with_the_name_of_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_dir: Path
) -> None:
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    (server.log_file.parent / "pgdata").mkdir()
    programs = server.log_file.parent / "bin"
    programs.mkdir()
    said = 'case "$*" in --version) echo "postgres (PostgreSQL) 15.0"; exit;; *" -C "*) exit;; esac'
    for name in ("postgres", "initdb"):
        (programs / name).write_text(f"#!/bin/sh\n{said}\nexec sleep 60\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    server_account().own(server.log_file.parent / "pgdata", programs)
    without_system(monkeypatch)
    monkeypatch.setattr(binaries, "SERVER_BINARIES", (str(programs).lstrip("/"),))
    monkeypatch.setattr(postmaster, "START_SECONDS", 0.5)
    begin = time.monotonic()
    with pytest.raises(
        PostgresError, match=rf"PostgreSQL for .* did not start: not ready within 0 s; .*see {server.log_file}"
    ):
        server.start()
    assert time.monotonic() - begin < 30
    assert not server.running()
    server.destroy()


@production_only
def test_data_of_a_version_that_is_gone_is_refused_with_the_remedy(server: PostgresServer) -> None:
    server.stop()
    (server.log_file.parent / "pgdata" / "PG_VERSION").write_text("9\n", encoding="utf-8")
    again = PostgresServer(server.data_dir, HOST, server.port, require_tls=True, flags={})
    with pytest.raises(PostgresError, match="created by PostgreSQL 9, which is no longer installed; install it again"):
        again.start()


def test_without_any_postgresql_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    without_system(monkeypatch)
    monkeypatch.setattr(binaries, "wheel_folder", lambda: None)
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    with pytest.raises(PostgresError, match="PostgreSQL 15 or newer not found; install it"):
        server.start()
    server.destroy()


def test_data_outside_that_vanished_is_refused_with_the_remedy(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "location").write_text("/var/tmp/local-cloud-postgres-gone\n", encoding="utf-8")
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    with pytest.raises(PostgresError, match=r"local-cloud-postgres-gone is missing .*start it again"):
        server.start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::1"])
def test_addresses_off_loopback_are_refused(host: str, data_dir: Path) -> None:
    with pytest.raises(PostgresError, match=f"{host} is not an address of 127.0.0.0/8"):
        PostgresServer(data_dir, host, 5432, require_tls=True, flags={})
