"""One source address, two trunks: the three cases of docs/trunk-acl.md, "One address, two trunks"."""

from __future__ import annotations

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


def test_a_digest_trunk_beside_an_ip_trunk_takes_no_address_from_it(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "office", SHARED), trunk(FIRST, "road", auth_type="DIGEST")])
    assert counts_for(acl, "34.1.2.7") == [f"office|{FIRST}"]
    # Its own ranges never match, and hold nothing back from the other one's.
    acl.reconcile([trunk(FIRST, "office", SHARED), trunk(FIRST, "road", "34.1.2.0/24", auth_type="DIGEST")])
    assert counts_for(acl, "34.1.2.7") == [f"office|{FIRST}"]
    assert counts_for(acl, "34.1.2.8") == []
    with pytest.raises(psycopg.errors.ExclusionViolation):
        acl.add_entry(acl.add_trunk(SECOND), "34.1.2.8/32", SECOND)
