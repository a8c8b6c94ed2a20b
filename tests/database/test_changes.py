"""What is announced to reloaders: all that alters a decision, and nothing else; as a notification and in the log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from components.trunk_acl import applying
from kamailio.reloader import service
from kamailio.reloader.database import Changes, Listener, lease_of
from kamailio.reloader.environment import Settings
from kamailio.reloader.status import Status
from tests.database.servers import CUSTOMERS, READER_PASSWORD, Database

OTHER = CUSTOMERS[1]
DEDICATED = "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
ENTRIES = "UPDATE accounts.trunk_ips SET"
TRUNKS = "UPDATE accounts.trunk_groups SET"
ADDRESSES = "UPDATE accounts.customer_dedicated_ips SET"


class Hearing:
    """Both ways of hearing of changes."""

    def __init__(self, acl: Database, listening: object, log: Changes) -> None:
        self.acl, self._listening, self._log = acl, listening, log

    def of(self, *statements: str) -> list[str]:
        """Payloads of what the portal does; the same both ways."""
        self.acl.do(*statements, user="warp_acl_writer")
        return self.heard()

    def heard(self) -> list[str]:
        self.acl.do("NOTIFY trunk_acl, 'end'")
        notified = []
        for each in self._listening.notifies(timeout=20):  # type: ignore[attr-defined]
            if each.payload == "end":
                break
            notified.append(each.payload)
        else:
            pytest.fail("no notification came")
        assert sorted(self._log.new()) == sorted(notified)
        return notified


@pytest.fixture
def hearing(acl: Database) -> Iterator[Hearing]:
    """With a trunk of two entries, one of them switched off, and a dedicated address."""
    trunk = acl.add_trunk()
    acl.add_trunk(OTHER, "other")
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.add_entry(trunk, "34.1.3.1/32", active=False)
    acl.reserve("34.9.9.9", "34.9.9.8")
    acl.reserve("34.9.9.7", ban=OTHER)
    acl.do(f"{DEDICATED} VALUES ('{CUSTOMERS[0]}', '34.9.9.9', 'a', 's')")
    with contextlib.ExitStack() as stack:
        listening, reading = (stack.enter_context(acl.connect("warp_acl_reader")) for _ in range(2))
        listening.execute("LISTEN trunk_acl")
        yield Hearing(acl, listening, Changes(reading))


@pytest.mark.parametrize(
    "statement",
    [
        f"{ENTRIES} active = active",
        f"{ENTRIES} owner = 'somebody else'",
        f"{ENTRIES} active = true WHERE cidr = '34.7.7.0/24'",
        f"{ENTRIES} owner = 'x' WHERE NOT active",
        "DELETE FROM accounts.trunk_ips WHERE NOT active",
        "DELETE FROM accounts.trunk_ips WHERE cidr = '34.7.7.0/24'",
        f"{TRUNKS} calls_per_second = calls_per_second, concurrent_calls = concurrent_calls, owner = 'x'",
        f"{TRUNKS} auth_type = 'BOTH'",
        f"{TRUNKS} active = active",
        f"{TRUNKS} active = false WHERE name = 'no such trunk'",
        f"{ADDRESSES} active = true, gcp_service_name = 'other'",
        "DELETE FROM accounts.customer_dedicated_ips WHERE ban = 'nobody'",
    ],
)
def test_what_alters_no_decision_is_not_announced(hearing: Hearing, statement: str) -> None:
    assert hearing.of(statement) == []


@pytest.mark.parametrize(
    ("statement", "payloads"),
    [
        (f"{ENTRIES} active = NOT active", ["34.1.2.0/24 34.1.3.1/32"]),
        (f"{ENTRIES} active = false", ["34.1.2.0/24"]),
        (f"{ENTRIES} cidr = '34.1.2.0/25' WHERE active", ["34.1.2.0/24 34.1.2.0/25"]),
        ("DELETE FROM accounts.trunk_ips", ["34.1.2.0/24"]),
        (f"{TRUNKS} calls_per_second = 7, owner = 'x'", [f"limits main|{CUSTOMERS[0]} other|{OTHER}"]),
        (f"{TRUNKS} concurrent_calls = 70 WHERE name = 'main'", [f"limits main|{CUSTOMERS[0]}"]),
        (f"{TRUNKS} concurrent_calls = 70, active = false WHERE name = 'main'", ["all"]),
        ("DELETE FROM accounts.trunk_groups WHERE name = 'other'", [f"limits other|{OTHER}"]),
        (f"{TRUNKS} auth_type = 'DIGEST'", ["all"]),
        (f"{TRUNKS} active = false WHERE name = 'main'", ["all"]),
        (f"{TRUNKS} name = 'renamed' WHERE name = 'main'", ["all"]),
        (f"{ADDRESSES} active = false", ["dedicated"]),
        (f"{ADDRESSES} address = '34.9.9.7', ban = '{OTHER}'", ["dedicated"]),
        ("DELETE FROM accounts.customer_dedicated_ips", ["dedicated"]),
        (f"{DEDICATED} VALUES ('{CUSTOMERS[0]}', '34.9.9.8', 'a', 's')", ["dedicated"]),
    ],
)
def test_what_alters_a_decision_is_announced_as_narrowly_as_it_can_be(
    hearing: Hearing, statement: str, payloads: list[str]
) -> None:
    assert hearing.of(statement) == payloads


def test_an_entry_that_moves_to_another_trunk_of_its_customer_is_announced(hearing: Hearing) -> None:
    trunk = hearing.acl.add_trunk(name="second")
    assert hearing.heard() == [f"limits second|{CUSTOMERS[0]}"]
    assert hearing.of(f"{ENTRIES} trunk_group_id = {trunk} WHERE active") == ["34.1.2.0/24"]


def test_entries_go_singly_up_to_fifty(hearing: Hearing) -> None:
    insert = (
        "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr)"
        " SELECT trunk_group_id, ban, ('34.{}.' || n || '.0/24')::cidr"
        " FROM accounts.trunk_ips, generate_series(1, {}) AS n WHERE cidr = '34.1.2.0/24'"
    )
    (payload,) = hearing.of(insert.format(5, 50))
    assert len(payload.split()) == 50
    assert hearing.of(insert.format(6, 51)) == ["all"]


def test_limits_go_singly_up_to_fifty(hearing: Hearing) -> None:
    insert = (
        "INSERT INTO accounts.trunk_groups (ban, name, calls_per_second, concurrent_calls)"
        " SELECT ban, '{}' || n, 1, 1 FROM accounts.trunk_groups, generate_series(1, {}) AS n WHERE name = 'main'"
    )
    (payload,) = hearing.of(insert.format("a", 50))
    assert payload.startswith("limits ")
    assert len(payload.split()) == 51
    assert hearing.of(insert.format("b", 51)) == ["limits"]


def test_limits_are_a_view_for_kamailio(acl: Database) -> None:
    acl.do(f"{TRUNKS} calls_per_second = 7, concurrent_calls = 70 WHERE id = {acl.add_trunk(active=False)}")
    with acl.connect("warp_acl_reader") as reader:
        rows = reader.execute(
            "SELECT key_name, key_type, value_type, key_value, expires FROM kamailio.trunk_limits"
        ).fetchall()
    assert rows == [(f"main|{CUSTOMERS[0]}", 0, 0, "7|70", 0)]


def test_an_update_of_the_stack_that_changes_nothing_announces_nothing(hearing: Hearing) -> None:
    acl = hearing.acl
    acl.reconcile([], owner="warp-edge")
    acl.allow()
    acl.migrate()
    assert hearing.heard() == []


def test_what_is_rolled_back_is_not_announced(hearing: Hearing) -> None:
    with hearing.acl.connect("warp_acl_writer") as writer, writer.transaction(force_rollback=True):
        writer.execute("DELETE FROM accounts.trunk_ips")
    assert hearing.heard() == []


def test_the_log_misses_no_transaction_that_commits_after_a_later_one(hearing: Hearing) -> None:
    """Numbers and transactions are given out in another order than that of the commits."""
    with hearing.acl.connect("warp_acl_writer") as early, hearing.acl.connect("warp_acl_writer") as late:
        with early.transaction():
            early.execute("DELETE FROM accounts.trunk_ips")
            assert hearing.of(f"{ADDRESSES} active = false") == ["dedicated"]
            late.execute("UPDATE accounts.trunk_groups SET active = false WHERE name = 'other'")
            assert hearing.heard() == ["all"]
            assert hearing.heard() == []
        assert hearing.heard() == ["34.1.2.0/24"]
    assert hearing.heard() == []


def test_two_writers_do_not_wait_for_each_other(hearing: Hearing) -> None:
    """Not even in the isolation in which a row that both change fails the second."""
    with hearing.acl.connect("warp_acl_writer") as one, hearing.acl.connect("warp_acl_writer") as two:
        for connection, change in ((one, "DELETE FROM accounts.trunk_ips"), (two, f"{ADDRESSES} active = false")):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SET LOCAL statement_timeout = '20s'")
            connection.execute(change.encode())
        two.execute("COMMIT")
        one.execute("COMMIT")
    assert hearing.heard() == ["dedicated", "34.1.2.0/24"]


def test_an_update_of_the_stack_removes_what_is_older_than_a_day(mended: Database) -> None:
    mended.do(
        "INSERT INTO trunk_acl.changes (payload, changed_at) VALUES ('old', now() - interval '25 hours'),"
        " ('new', now() - interval '23 hours')"
    )
    with mended.connect() as connection:
        applying.forget_changes(connection)
    assert mended.ask("SELECT payload FROM trunk_acl.changes WHERE payload IN ('old', 'new')") == ["new"]


@pytest.fixture
def long_log(acl: Database) -> Iterator[Database]:
    """An entry, 6000 old rows in the log, and a next announcement that is a thousandth one."""
    acl.add_entry(acl.add_trunk(), "34.1.2.0/24")
    acl.do(
        "DELETE FROM trunk_acl.changes",
        "INSERT INTO trunk_acl.changes (payload, changed_at)"
        " SELECT 'old', now() - interval '25 hours' FROM generate_series(1, 6000)",
    )
    thousandth(acl)
    yield acl
    acl.do("DELETE FROM trunk_acl.changes")


def thousandth(acl: Database) -> None:
    acl.ask("SELECT setval('trunk_acl.changes_id_seq', max(id) / 1000 * 1000 + 999) FROM trunk_acl.changes")


def in_log(acl: Database) -> dict[str, int]:
    return dict(acl.ask("SELECT payload, count(*) FROM trunk_acl.changes GROUP BY payload"))


ALTERING = f"{ENTRIES} active = NOT active"


def test_the_log_is_short_also_where_the_stack_is_never_updated(long_log: Database) -> None:
    long_log.do(ALTERING, user="warp_acl_writer")
    assert in_log(long_log) == {"old": 1000, "34.1.2.0/24": 1}
    long_log.do(ALTERING, user="warp_acl_writer")
    assert in_log(long_log) == {"old": 1000, "34.1.2.0/24": 2}
    thousandth(long_log)
    long_log.do(ALTERING, user="warp_acl_writer")
    assert in_log(long_log) == {"34.1.2.0/24": 3}


def test_a_writer_waits_for_no_other_that_shortens_the_log(long_log: Database) -> None:
    with long_log.connect() as other, other.transaction(force_rollback=True):
        other.execute("DELETE FROM trunk_acl.changes WHERE id IN (SELECT min(id) FROM trunk_acl.changes)")
        with long_log.connect("warp_acl_writer", options="-c statement_timeout=20s") as writer:
            writer.execute(ALTERING.encode())
        assert in_log(long_log) == {"old": 1001, "34.1.2.0/24": 1}
        with long_log.connect(options="-c statement_timeout=20s") as update:
            applying.forget_changes(update)
    assert in_log(long_log) == {"old": 1, "34.1.2.0/24": 1}


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_shortening_the_log_fails_no_writer(long_log: Database, isolation: str) -> None:
    with long_log.connect("warp_acl_writer") as writer:
        writer.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        writer.execute("SELECT FROM accounts.trunk_ips")  # from here on it sees what is
        long_log.do("DELETE FROM trunk_acl.changes WHERE id % 2 = 0")
        writer.execute(ALTERING.encode())
        writer.execute("COMMIT")
    assert in_log(long_log) == {"old": 3000, "34.1.2.0/24": 1}


def test_a_promotion_is_seen_also_without_the_log(mended: Database) -> None:
    mended.do("DROP VIEW kamailio.changes")
    try:
        with mended.connect("warp_acl_reader") as connection:
            log = Changes(connection)
            log.standby = True  # as before it was promoted
            assert log.new() == []
            assert not log.standby
    finally:
        mended.migrate()


def test_a_schema_without_the_log_is_reported_once_and_is_no_outage(
    mended: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The reloader's image may be newer than the last update of the stack."""
    mended.do("DROP VIEW kamailio.changes")
    try:
        with mended.connect("warp_acl_reader") as connection:
            log = Changes(connection)
            assert (log.new(), log.new()) == ([], [])
        (line,) = caplog.messages
        assert "run `pulumi up` of the stack that owns the database" in line
    finally:
        mended.migrate()


def test_a_reloader_that_stands_by_keeps_nothing_of_what_is_announced(
    acl: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may stand by for months, and its memory is limited."""
    monkeypatch.setattr(service, "STAND_BY_SECONDS", 0.01)
    url = f"postgres://warp_acl_reader:{READER_PASSWORD}@{acl.server.host}:{acl.server.port}/{acl.name}"
    settings = Settings.read({"WARP_ACL_DB_URL": url, "WARP_ACL_RPC_TOKEN": "token", "WARP_ACL_PROXIES": "127.0.0.1"})
    heard: list[str] = []
    with contextlib.closing(Listener(url, 1)) as leading, contextlib.closing(Listener(url, 1)) as standing_by:
        assert leading.take(lease_of(settings.token))
        payloads = standing_by.payloads

        def listened(seconds: float) -> Iterator[str]:
            for payload in payloads(seconds):
                heard.append(payload)
                yield payload

        monkeypatch.setattr(standing_by, "payloads", listened)
        acl.do("NOTIFY trunk_acl, 'all'")
        end = time.monotonic() + 30
        assert not service.Service(settings, Status())._lead(standing_by, lambda: not heard and time.monotonic() < end)
    assert heard == ["all"]
