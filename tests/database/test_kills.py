"""A run that is killed at any statement leaves the old state or the new one, and the next run finishes.

Killed in two ways: the program's process (SIGKILL), right after it has sent the statement and before it hears the
answer; and the server's process for it (pg_terminate_backend), right after it was given the statement.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from benchmarks.trunk_texts import Entry, Trunk, texts
from components.trunk_acl import catalogue, entries, migrations, migrator
from components.trunk_acl.lock import Connection
from tests.cases import PROFILE, THOROUGH
from tests.database import processes
from tests.database.killing_relay import KillingRelay
from tests.database.servers import CUSTOMERS, Database, Server, wishes

# A walk through all statements takes a process for each: on the other server it is for the nightly run.
KINDS = pytest.mark.parametrize(
    "server", ["production", "embedded"] if PROFILE == THOROUGH else ["production"], indirect=True, scope="session"
)
KNOWN = migrations.load()
# The next run comes to the next migration where this one came to the last: as many statements earlier as one has.
STEP_BACK = 10
NEVER = 1 << 30

# Clients only: a worker of autovacuum may be there, too.
OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


@dataclass
class Assassin:
    """Runs work on a database and kills it at one statement."""

    database: Database
    way: str
    killed_at: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.by_hand = self.database.connect(sslmode="disable", options="-c search_path=pg_catalog,pg_temp")

    def run(self, number: int, work: processes.Work, argument: object = None) -> tuple[KillingRelay, str | None]:
        """`number`: of the statement that it is killed at. The relay, and what the run said at its end."""
        server = self.database.server
        pid: list[int] = []

        def strike() -> None:
            if self.way == "process":
                while not pid:
                    time.sleep(0.001)
                os.kill(pid[0], signal.SIGKILL)
            else:
                self.by_hand.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}".encode())

        with KillingRelay(server.host, server.port, number, strike, deliver=self.way == "backend") as relay:
            process, pipe = processes.start(processes.worked, relay.port, self.database.name, work, argument)
            pid.append(process.pid)
            end = processes.said(process, pipe)
        if relay.struck:
            self.killed_at.add(relay.statements[-1])
        self._wait_until_the_server_has_noticed()
        return relay, end

    def _wait_until_the_server_has_noticed(self) -> None:
        deadline = time.monotonic() + 20
        while self.by_hand.execute(f"SELECT {OTHERS}".encode()).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def check(self, relay: KillingRelay, end: str | None) -> None:
        """Nobody was left with a traceback."""
        if not relay.struck:
            assert end == "done"
        elif self.way == "process":
            # Killed before it could say anything; or at the statement that is its last, and all was said.
            assert end in (None, "done")
        else:
            assert end is not None
            lost = ("refused: the connection to the database was lost: ", "refused: the database ended the session: ")
            assert end == "done" or end.startswith(lost), end


@pytest.fixture(params=["process", "backend"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True)
class State:
    """How far a database is: migrations applied, transactions before and with them, and the catalogue."""

    done: int
    steps: int
    definitions: dict[str, str]


def state(connection: Connection) -> State:
    """What is applied is in order and unedited, and the record of the catalogue agrees with it."""
    registry = migrator.applied(connection)
    now = catalogue.read(connection)
    recorded = catalogue.recorded(connection) if registry else {}
    done = len(registry)
    assert [(row.version, row.sha256) for row in registry] == [(each.version, each.sha256) for each in KNOWN[:done]]
    assert not done or catalogue.differences(recorded, now) == []
    # The table of customers, the registry and the roles (the server's: there is one from the first test on) come before
    # the migrations, each in a transaction of its own.
    before = connection.execute(
        "SELECT relname FROM pg_class WHERE relname IN ('customers', 'migrations')"
        " UNION ALL SELECT rolname FROM pg_roles WHERE rolname IN ('warp_acl_reader', 'warp_acl_writer')"
    ).rowcount
    return State(done, before + done, {name: thing.definition for name, thing in now.items()})


@pytest.fixture(scope="module")
def undisturbed(server: Server) -> Iterator[Callable[[int], dict[str, str]]]:
    """How many migrations -> the catalogue of a database that has had these, and no more, in peace."""
    found: dict[int, dict[str, str]] = {}

    def after(count: int) -> dict[str, str]:
        if count not in found:
            with server.empty() as database:
                database.migrate(wishes(KNOWN[:count]))
                with database.connect(options="-c search_path=pg_catalog,pg_temp") as connection:
                    found[count] = state(connection).definitions
        return found[count]

    yield after


@KINDS
def test_a_migrator_killed_at_any_statement_leaves_a_prefix_and_the_next_run_finishes(
    server: Server, empty: Database, way: str, undisturbed: Callable[[int], dict[str, str]]
) -> None:
    assassin = Assassin(empty, way)
    number, before = 1, state(assassin.by_hand)
    while True:
        relay, end = assassin.run(number, processes.migrate)
        assassin.check(relay, end)
        now = state(assassin.by_hand)
        assert before.done <= now.done <= before.done + 1
        assert before.steps <= now.steps <= before.steps + 1
        if now.done:
            assert now.definitions == undisturbed(now.done)
        if not relay.struck:
            break
        number = max(1, number - STEP_BACK) if now.steps > before.steps else number + 1
        before = now
    assert now.done == len(KNOWN)
    assert empty.drift() == []
    # The walk left no statement out: what a run sends that is left in peace, was all struck.
    with server.empty() as other:
        relay, end = Assassin(other, way).run(NEVER, processes.migrate)
    assert end == "done"
    assert set(relay.statements) - assassin.killed_at == set()


def trunk(ban: str, name: str, *ranges: str, calls: int = 100) -> Trunk:
    return Trunk(ban, name, "IP_ACL", 10, calls, True, tuple(Entry(ip_network(each)) for each in ranges))


OLD = [
    trunk(CUSTOMERS[0], "stays", "34.1.0.0/24", "34.1.1.0/24"),
    trunk(CUSTOMERS[0], "changes", "34.2.0.0/24", "34.2.1.0/24"),
    trunk(CUSTOMERS[1], "goes", "34.3.0.0/24"),
]
NEW = [
    trunk(CUSTOMERS[0], "stays", "34.1.0.0/24", "34.1.1.0/24"),
    trunk(CUSTOMERS[0], "changes", "34.2.0.0/24", "34.2.2.0/24", calls=200),
    trunk(CUSTOMERS[2], "comes", "34.3.0.0/24", "2600:1900::/48"),
]


@KINDS
def test_trunk_files_killed_at_any_statement_leave_the_old_rows_or_the_new_ones(own: Database, way: str) -> None:
    own.reconcile(OLD)
    old, new = texts(OLD), texts(NEW)
    assassin = Assassin(own, way)
    number, states = 1, list[str]()
    while True:
        relay, end = assassin.run(number, processes.reconcile, new)
        assassin.check(relay, end)
        rows = entries.read(assassin.by_hand, "warp-edge")
        assert rows in (old, new)
        states.append("old" if rows == old else "new")
        (removals,) = assassin.by_hand.execute(
            "SELECT count(*) FROM accounts.trunk_acl_audit WHERE operation = 'DELETE'"
        ).fetchall()
        assert removals == ((0,) if rows == old else (3,))
        if not relay.struck:
            break
        number += 1
    assert states == sorted(states, reverse=True), "what was new stays new"
    assert states.count("old") > 20
    # Every statement that a run of its own has, was among those that one was killed at.
    own.reconcile(OLD)
    relay, end = assassin.run(NEVER, processes.reconcile, new)
    assert end == "done"
    assert set(relay.statements) - assassin.killed_at == set()
