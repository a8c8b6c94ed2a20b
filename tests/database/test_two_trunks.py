"""One source address, two trunks: the three cases of docs/trunk-acl.md, "One address, two trunks"."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from components.trunk_acl import dedicated
from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database
from tests.database.test_entries import trunk

FIRST, SECOND = CUSTOMERS[:2]
SHARED = "34.1.2.7/32"


def counts_for(acl: Database, address: str) -> list[str]:
    """`trunk|BAN` that the proxies get for a call from this address, by the longest prefix."""
    return acl.ask(
        "SELECT tag FROM kamailio.address WHERE grp = 1 AND set_masklen(ip_addr::inet, mask) >>= %s"
        " ORDER BY mask DESC LIMIT 1",
        address,
        user="warp_acl_reader",
    )


def by_destination(acl: Database, address: str) -> str | None:
    (ban,) = acl.ask("SELECT accounts.get_customer_by_dest_ip(%s)", address, user="warp_acl_reader")
    return ban if ban is None else str(ban)


def test_two_customers_behind_one_nat_address_are_told_apart_by_what_they_dial(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", SHARED)])
    with pytest.raises(psycopg.errors.ExclusionViolation, match="overlaps a range of another customer"):
        acl.add_entry(acl.add_trunk(SECOND), SHARED, SECOND)
    acl.do("DELETE FROM accounts.trunk_groups WHERE owner = 'portal'")
    acl.reconcile([trunk(FIRST, "main"), trunk(SECOND, "main")])
    with acl.connect() as connection:
        own = {
            "sip-a-ip": {"ban": FIRST, "address": "34.9.9.1", "service": "a"},
            "sip-b-ip": {"ban": SECOND, "address": "34.9.9.2", "service": "b"},
        }
        dedicated.reconcile(connection, "warp-edge", own)
    assert [by_destination(acl, each) for each in ("34.9.9.1", "34.9.9.2", "34.9.9.3")] == [FIRST, SECOND, None]
    assert acl.owner_of("34.1.2.7") is None


def test_a_pbx_with_two_trunks_counts_for_the_one_with_the_longest_prefix(acl: Database) -> None:
    with pytest.raises(Refusal, match="already exists"):
        acl.reconcile([trunk(FIRST, "retail", SHARED), trunk(FIRST, "wholesale", SHARED)])
    acl.reconcile([trunk(FIRST, "retail", SHARED), trunk(FIRST, "wholesale", "34.1.2.0/24")])
    assert counts_for(acl, "34.1.2.7") == [f"retail|{FIRST}"]
    assert counts_for(acl, "34.1.2.8") == [f"wholesale|{FIRST}"]
    acl.reconcile([trunk(FIRST, "retail", SHARED, active=False), trunk(FIRST, "wholesale", "34.1.2.0/24")])
    assert counts_for(acl, "34.1.2.7") == [f"wholesale|{FIRST}"]


def keys(acl: Database) -> dict[str, str]:
    """What the proxies get of dedicated addresses."""
    with acl.connect("warp_acl_reader") as connection:
        rows = connection.execute("SELECT key_name, key_value FROM kamailio.dedicated WHERE key_name <> 'loaded'")
        return dict(rows.fetchall())


def test_a_pbx_with_two_trunks_is_told_apart_by_what_it_dials(acl: Database) -> None:
    """Its address is an entry of one trunk; the dedicated address is the other one's."""
    retail, wholesale = trunk(FIRST, "retail", SHARED), trunk(FIRST, "wholesale")
    own = {"sip-a-ip": {"ban": FIRST, "address": "34.9.9.1", "service": "a", "trunk": "wholesale"}}
    acl.reconcile([retail, wholesale])
    with acl.connect() as connection:
        dedicated.reconcile(connection, "warp-edge", own)
        assert dedicated.read(connection, "warp-edge") == own
        assert dedicated.reconcile(connection, "warp-edge", own) == 0, "the same again writes nothing"
    assert counts_for(acl, "34.1.2.7") == [f"retail|{FIRST}"]
    assert keys(acl) == {"34.9.9.1": FIRST, "trunk:34.9.9.1": "wholesale"}
    assert acl.ask("SELECT dedicated FROM kamailio.acl_counts", user="warp_acl_reader") == [3]


@pytest.mark.parametrize("changed", [{"active": False}, {"auth_type": "DIGEST"}])
def test_an_address_of_a_trunk_lets_nobody_in_while_the_trunk_does_not(acl: Database, changed: dict[str, Any]) -> None:
    own = {"sip-a-ip": {"ban": FIRST, "address": "34.9.9.1", "service": "a", "trunk": "wholesale"}}
    acl.reconcile([trunk(FIRST, "wholesale")])
    with acl.connect() as connection, acl.connect() as listener:
        dedicated.reconcile(connection, "warp-edge", own)
        assert by_destination(acl, "34.9.9.1") == FIRST
        listener.execute("LISTEN trunk_acl")
        acl.reconcile([trunk(FIRST, "wholesale", **changed)])
        assert [each.payload for each in listener.notifies(timeout=60, stop_after=1)] == ["all"]
    assert by_destination(acl, "34.9.9.1") is None
    assert keys(acl) == {}


def test_a_dedicated_address_needs_a_trunk_of_its_customer(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main"), trunk(SECOND, "other")])
    own = {"sip-a-ip": {"ban": FIRST, "address": "34.9.9.1", "service": "a", "trunk": "other"}}
    words = r"sip-a-ip \(34\.9\.9\.1\), kept by warp-edge, is of trunk other, and BAN 100001 has no such trunk"
    with acl.connect() as connection:
        with pytest.raises(Refusal, match=words):
            dedicated.reconcile(connection, "warp-edge", own)
        own["sip-a-ip"]["trunk"] = "main"
        dedicated.reconcile(connection, "warp-edge", own)
        # The trunk leaves its file, and the address is still its: in one transaction, as an update does it.
        with pytest.raises(Refusal, match="is of trunk main"), connection.transaction():
            connection.execute("DELETE FROM accounts.trunk_groups WHERE name = 'main'")
            dedicated.reconcile(connection, "warp-edge", own)
        with connection.transaction():
            connection.execute("DELETE FROM accounts.trunk_groups WHERE name = 'main'")
            dedicated.reconcile(connection, "warp-edge", {})
    assert keys(acl) == {}


def test_a_digest_trunk_beside_an_ip_trunk_takes_no_address_from_it(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "office", SHARED), trunk(FIRST, "road", auth_type="DIGEST")])
    assert counts_for(acl, "34.1.2.7") == [f"office|{FIRST}"]
    # Its own ranges never match, and hold nothing back from the other one's.
    acl.reconcile([trunk(FIRST, "office", SHARED), trunk(FIRST, "road", "34.1.2.0/24", auth_type="DIGEST")])
    assert counts_for(acl, "34.1.2.7") == [f"office|{FIRST}"]
    assert counts_for(acl, "34.1.2.8") == []
    with pytest.raises(psycopg.errors.ExclusionViolation):
        acl.add_entry(acl.add_trunk(SECOND), "34.1.2.8/32", SECOND)
