"""A stack's rows stay with it: under another owner's name, without trunk files, and while the portal writes, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from benchmarks.trunk_texts import texts
from components.trunk_acl import dedicated, entries, patience
from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database, Server
from tests.database.test_entries import rows, trunk
from tests.database.test_provider import PROVIDER, Calls, props_of

FIRST, SECOND, THIRD = CUSTOMERS[:3]
DEDICATED = {"sip-acme-udp-ip": {"ban": FIRST, "address": "34.9.9.9", "service": "sip-acme-udp"}}
OWNERS = """
SELECT owner, count(*) FROM (
    SELECT owner FROM accounts.trunk_groups UNION ALL SELECT owner FROM accounts.trunk_ips
    UNION ALL SELECT owner FROM accounts.customer_dedicated_ips
    UNION ALL SELECT owner FROM trunk_acl.dedicated_addresses
) AS rows GROUP BY owner ORDER BY owner
"""


def without(props: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in props.items() if name != key}


# --- the firewall admits only the customers of the files --------------------------------------------------------------

FILES_ONLY = {"filesOnly": True}


def test_rows_of_others_are_refused_where_the_firewall_admits_only_the_files(empty: Database) -> None:
    """After the files' own rows: a revocation does not wait until somebody has moved the portal's."""
    id_, outs = Calls.create(props_of(empty, **FILES_ONLY))
    portal = empty.add_trunk(FIRST, "portal")
    for range_ in ("34.8.0.0/24", "34.8.1.0/24"):
        empty.add_entry(portal, range_)
    empty.reconcile([trunk(FIRST, "other", "34.9.0.0/24")], owner="api")
    found = Calls.read(id_, outs)
    words = "api: 1 trunk, 1 entry; portal: 1 trunk, 2 entries"
    assert found["drift"] == [f"rows of others, whose callers the firewall drops: {words}"]
    assert PROVIDER.diff(id_, found, props_of(empty, **FILES_ONLY)).changes
    less = texts([trunk(FIRST, "main")])
    with pytest.raises(Refusal) as refused:
        Calls.update(id_, outs, props_of(empty, trunks=less, removals={"customers": 1, "percent": 100}, **FILES_ONLY))
    assert f"rows that are not in the trunk files: {words}; the firewall would drop" in str(refused.value)
    assert empty.owner_of("34.1.0.1") is None, "the entry that left the files is gone"
    assert empty.owner_of("34.8.0.1") == FIRST
    Calls.update(id_, outs, props_of(empty))


def test_an_entry_of_the_portal_in_a_trunk_of_the_files_is_a_row_of_others(empty: Database) -> None:
    id_, outs = Calls.create(props_of(empty, **FILES_ONLY))
    (main,) = empty.ask("SELECT id FROM accounts.trunk_groups WHERE name = 'main'")
    empty.add_entry(main, "34.8.0.0/24")
    with pytest.raises(Refusal, match="portal: 1 entry; the firewall"):
        Calls.update(id_, outs, props_of(empty, **FILES_ONLY))
    empty.do("DELETE FROM accounts.trunk_ips WHERE owner = 'portal'")
    assert Calls.read(id_, Calls.update(id_, outs, props_of(empty, **FILES_ONLY)))["drift"] == []


# --- another owner ----------------------------------------------------------------------------------------------------


def test_rows_follow_their_stack_to_another_owner(empty: Database) -> None:
    """Also those that the same update removes: under the old name they would let calls in for ever."""
    both = texts([trunk(FIRST, "main", "34.1.0.0/24"), trunk(SECOND, "main", "34.2.0.0/24", "34.2.1.0/24")])
    id_, outs = Calls.create(props_of(empty, trunks=both, dedicated=DEDICATED))
    empty.add_entry(empty.add_trunk(FIRST, "portal"), "34.8.0.0/24")
    kept = empty.ask("SELECT id FROM accounts.trunk_ips WHERE cidr = '34.1.0.0/24'")
    less = {**both, SECOND: texts([trunk(SECOND, "main", "34.2.0.0/24")])[SECOND]}
    news = props_of(empty, owner="eu-edge", trunks=less, dedicated=DEDICATED)
    updated = Calls.update(id_, outs, news)
    assert empty.ask(OWNERS) == [("eu-edge", 6), ("portal", 2)]
    assert [empty.owner_of(each) for each in ("34.1.0.1", "34.2.0.1", "34.2.1.1", "34.8.0.1")] == [
        FIRST, SECOND, None, FIRST,
    ]  # fmt: skip
    assert empty.ask("SELECT id FROM accounts.trunk_ips WHERE cidr = '34.1.0.0/24'") == kept
    assert Calls.read(id_, updated) == updated == {**news, "drift": []}
    Calls.update(id_, outs, news)  # the run that was killed before the engine noted the end, again
    assert empty.ask(OWNERS) == [("eu-edge", 6), ("portal", 2)]


def test_a_removal_that_hides_in_a_new_owner_needs_its_confirmation_all_the_same(empty: Database) -> None:
    id_, outs = Calls.create(props_of(empty))
    with pytest.raises(Refusal, match=f"entirely removed: BAN {FIRST}"):
        Calls.update(id_, outs, props_of(empty, owner="eu-edge", trunks={}))
    assert empty.ask(OWNERS) == [("warp-edge", 2)]
    assert empty.owner_of("34.1.0.1") == FIRST


def test_an_owner_that_another_stack_has_is_refused_with_both_counts(empty: Database) -> None:
    id_, outs = Calls.create(props_of(empty, dedicated=DEDICATED))
    empty.do(f"INSERT INTO accounts.customers (ban) VALUES ('{THIRD}')")
    empty.reconcile([trunk(THIRD, "main", "34.7.0.0/24", "34.7.1.0/24")], owner="eu-edge")
    before = empty.ask(OWNERS)
    with pytest.raises(Refusal) as refused:
        Calls.update(id_, outs, props_of(empty, owner="eu-edge", dedicated=DEDICATED))
    assert str(refused.value).startswith(
        "trunkAcl.owner changes from warp-edge to eu-edge, and both have rows in the database: warp-edge has 1 trunks,"
        " 1 entries, 1 dedicated addresses, 1 reserved addresses; eu-edge has 1 trunks, 2 entries, which this update"
        " would remove\n  -> choose an owner that no stack has, or keep warp-edge."
    )
    assert empty.ask(OWNERS) == before
    _, remedy = str(refused.value).split("give its rows back first: ")
    empty.do(*remedy.split("; "))
    assert empty.ask(OWNERS) == [("warp-edge", 7)]


def test_trunk_files_that_are_no_longer_configured_leave_no_rows_behind(empty: Database) -> None:
    props = props_of(empty)
    id_, outs = Calls.create(props)
    with pytest.raises(Refusal) as refused:
        Calls.update(id_, outs, without(props, "trunks"))
    assert str(refused.value).startswith(
        "trunkAcl.trunks is not set, but 1 trunks, 1 entries of trunk files are in the database (owner warp-edge)"
    )
    _, remedy = str(refused.value).split("from now on: ")
    empty.do(*remedy.split("; "))
    Calls.update(id_, outs, without(props, "trunks"))
    assert empty.owner_of("34.1.0.1") == FIRST


# --- deadlocks --------------------------------------------------------------------------------------------------------

GATE = 4711


def until(condition: Callable[[], bool]) -> None:
    """What another session does is seen in its own time; a minute is for machines that stand still."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@pytest.fixture
def deadlocking(server: Server, own: Database) -> Iterator[Database]:
    """The program looks for deadlocks at once, the portal never: the program is always the one that is rolled back.

    A statement that removes entries waits at a gate, with its locks.
    """
    with server.postgres._superuser(own.name) as superuser:
        superuser.execute(f"ALTER ROLE warp IN DATABASE {own.name} SET deadlock_timeout = '1ms'".encode())
        superuser.execute(f"ALTER ROLE warp_acl_writer IN DATABASE {own.name} SET deadlock_timeout = '1h'".encode())
    own.do(
        "CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END; $$",
        "CREATE TRIGGER zz_gate AFTER DELETE ON accounts.trunk_ips FOR EACH STATEMENT EXECUTE FUNCTION public.gate()",
    )
    yield own


def waiting(own: Database, user: str, kind: str) -> bool:
    return own.ask(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"
        " AND wait_event_type = 'Lock' AND wait_event = %s",
        user, kind,
    ) == [True]  # fmt: skip


def test_a_deadlock_with_the_portal_is_retried_as_a_whole(deadlocking: Database) -> None:
    own = deadlocking
    own.reconcile([trunk(FIRST, "main", "34.1.0.0/24", "34.1.1.0/24")])
    portals = own.add_trunk(FIRST, "portal")
    attempts = list[int]()

    def update() -> entries.Reconciled:
        attempts.append(1)
        # Removes 34.1.0.0/24, and adds a range that the portal's transaction adds as well.
        return own.reconcile([trunk(FIRST, "main", "34.1.1.0/24", "34.2.0.0/24")])

    done = list[object]()

    def updating() -> None:
        try:
            with own.connect() as session:
                done.append(patience.Patience(session, 600).run("the trunks", update))
        except Exception as error:  # for the test's own thread
            done.append(error)

    with own.connect() as gate, own.connect("warp_acl_writer") as portal:
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        with pytest.raises(psycopg.errors.RaiseException), portal.transaction():
            portal.execute(
                "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) VALUES (%s, %s, '34.2.0.0/24')",
                (portals, FIRST),
            )
            program = threading.Thread(target=updating)
            program.start()
            until(lambda: waiting(own, "warp", "advisory"))

            def switch_off() -> None:
                portal.execute("UPDATE accounts.trunk_ips SET active = false WHERE cidr = '34.1.0.0/24'")

            other = threading.Thread(target=switch_off)
            other.start()
            until(lambda: waiting(own, "warp_acl_writer", "transactionid"))
            # Now the program goes on to the range of the portal: each waits for the other.
            gate.execute("SELECT pg_advisory_unlock(%s)", (GATE,))
            other.join(60)
            assert not other.is_alive()
            portal.execute("DO $$ BEGIN RAISE EXCEPTION 'the portal thinks better of it'; END $$")
        program.join(60)
    assert done == [entries.Reconciled(added=1, changed=0, removed=1)]
    assert len(attempts) > 1
    assert rows(own) == texts([trunk(FIRST, "main", "34.1.1.0/24", "34.2.0.0/24")])


@pytest.mark.parametrize("error", patience.BUSY)
def test_the_provider_repeats_it_and_gives_up_in_words(
    empty: Database, monkeypatch: pytest.MonkeyPatch, error: type[psycopg.Error]
) -> None:
    props = props_of(empty)
    id_, outs = Calls.create(props)
    left = [3]
    reconcile = dedicated.reconcile

    def failing(*arguments: Any) -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise error("made up")
        return reconcile(*arguments)

    monkeypatch.setattr(dedicated, "reconcile", failing)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    news = props_of(empty, trunks=texts([trunk(FIRST, "main", "34.2.0.0/24")]))
    Calls.update(id_, outs, news)
    assert (left, empty.owner_of("34.2.0.1")) == ([-1], FIRST)
    left[0] = endless = 1_000_000
    with pytest.raises(Refusal, match=r"the database is busy: the trunks waited [\d.]+ s for locks"):
        PROVIDER.update(id_, news, props)
    assert left[0] < endless
    assert empty.owner_of("34.2.0.1") == FIRST
