"""The rows of dedicated addresses: written with the trunks in one transaction, beside the portal's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from benchmarks.trunk_texts import texts
from components.trunk_acl import dedicated, migrations
from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database, wishes
from tests.database.test_entries import trunk
from tests.database.test_provider import PROVIDER, Calls, props_of

FIRST, SECOND, THIRD = CUSTOMERS[:3]
ROWS = (
    "SELECT ban, host(address), gcp_address_name, gcp_service_name, active, owner"
    " FROM accounts.customer_dedicated_ips ORDER BY address"
)


def row(ban: str, address: str, service: str = "sip-acme-udp") -> dict[str, Any]:
    return {"ban": ban, "address": address, "service": service}


OWN = {"sip-acme-udp-ip": row(FIRST, "34.1.2.3"), "sip-beta-udp-ip": row(SECOND, "34.1.2.5", "sip-beta-udp")}


def reconcile(acl: Database, wanted: dedicated.Rows, owner: str = "warp-edge") -> int:
    with acl.connect() as connection:
        return dedicated.reconcile(connection, owner, wanted)


def rows(acl: Database, owner: str = "warp-edge") -> dict[str, dict[str, Any]]:
    with acl.connect() as connection:
        return dedicated.read(connection, owner)


def customer_at(acl: Database, address: str) -> Any:
    """As Kamailio asks."""
    (ban,) = acl.ask("SELECT accounts.get_customer_by_dest_ip(%s)", address, user="warp_acl_reader")
    return ban


def portals(acl: Database, ban: str, address: str) -> None:
    """A row of the portal's, at an address that another stack reserves for the customer."""
    acl.reserve(address, ban=ban)
    acl.do(
        "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
        f" VALUES ('{ban}', '{address}', 'by-hand', 'by-hand')",
        user="warp_acl_writer",
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def test_each_address_is_its_customers_with_the_names_at_the_cloud(acl: Database) -> None:
    assert reconcile(acl, OWN) == 2
    assert acl.ask(ROWS) == [
        (FIRST, "34.1.2.3", "sip-acme-udp-ip", "sip-acme-udp", True, "warp-edge"),
        (SECOND, "34.1.2.5", "sip-beta-udp-ip", "sip-beta-udp", True, "warp-edge"),
    ]
    assert (customer_at(acl, "34.1.2.3"), customer_at(acl, "34.1.2.5"), customer_at(acl, "34.1.2.4")) == (
        FIRST, SECOND, None,
    )  # fmt: skip
    assert rows(acl) == OWN


def test_the_same_again_writes_nothing_and_leaves_no_record(acl: Database) -> None:
    reconcile(acl, OWN)
    before = acl.ask("SELECT count(*) FROM accounts.trunk_acl_audit")
    assert reconcile(acl, OWN) == 0
    assert acl.ask("SELECT count(*) FROM accounts.trunk_acl_audit") == before


def test_what_differs_is_changed_and_what_is_not_wanted_goes(acl: Database) -> None:
    reconcile(acl, OWN)
    kept = acl.ask("SELECT id FROM accounts.customer_dedicated_ips WHERE address = '34.1.2.3'")
    wanted = {"sip-acme-udp-ip": row(THIRD, "34.1.2.3", "other"), "sip-new-udp-ip": row(FIRST, "34.1.2.9")}
    assert reconcile(acl, wanted) == 3
    assert rows(acl) == wanted
    assert acl.ask("SELECT id FROM accounts.customer_dedicated_ips WHERE address = '34.1.2.3'") == kept


def test_two_names_may_change_their_addresses_in_one_go(acl: Database) -> None:
    reconcile(acl, OWN)
    swapped = {"sip-acme-udp-ip": row(FIRST, "34.1.2.5"), "sip-beta-udp-ip": row(SECOND, "34.1.2.3", "sip-beta-udp")}
    reconcile(acl, swapped)
    assert rows(acl) == swapped


def test_rows_of_the_portal_are_neither_read_nor_touched(acl: Database) -> None:
    portals(acl, THIRD, "34.1.2.9")
    reconcile(acl, OWN)
    reconcile(acl, {})
    assert rows(acl) == {}
    assert customer_at(acl, "34.1.2.9") == THIRD


def test_an_address_that_the_portal_keeps_is_refused_with_the_reason_and_nothing_is_changed(acl: Database) -> None:
    portals(acl, THIRD, "34.1.2.5")
    before = acl.ask(ROWS)
    with pytest.raises(Refusal) as refused:
        reconcile(acl, OWN)
    assert str(refused.value) == (
        "dedicated address sip-beta-udp-ip (34.1.2.5) is in accounts.customer_dedicated_ips already: portal keeps it"
        f" for BAN {THIRD}\n  -> an address has one keeper: remove that row, or the customer from warp-edge:dedicated"
    )
    assert acl.ask(ROWS) == before


def test_a_customer_that_billing_does_not_know_is_named_with_its_address(acl: Database) -> None:
    with pytest.raises(Refusal, match="BAN 999999 of dedicated address sip-x-udp-ip\n  -> create the customer"):
        reconcile(acl, {**OWN, "sip-x-udp-ip": row("999999", "34.1.2.7")})
    assert acl.ask(ROWS) == []


def test_a_row_that_was_switched_off_by_hand_is_seen_and_switched_on_again(acl: Database) -> None:
    reconcile(acl, OWN)
    acl.do("UPDATE accounts.customer_dedicated_ips SET active = false WHERE address = '34.1.2.3'")
    assert rows(acl)["sip-acme-udp-ip"] == {**OWN["sip-acme-udp-ip"], "active": False}
    assert reconcile(acl, OWN) == 1
    assert customer_at(acl, "34.1.2.3") == FIRST


# --- only what is reserved --------------------------------------------------------------------------------------------

INSERT = "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name, active) VALUES"
LISTED = "SELECT host(address), ban, name, owner FROM trunk_acl.dedicated_addresses ORDER BY address"


def migrated_without_the_list(empty: Database, *rows: str) -> Database:
    """A database as it was before addresses were listed, with these rows; then migrated."""
    known = migrations.load()
    before = next(place for place, each in enumerate(known) if each.name == "dedicated_addresses")
    empty.migrate(wishes(known[:before]))
    empty.do("INSERT INTO accounts.customers (ban) SELECT (100001 + n)::text FROM generate_series(0, 9) AS n")
    for each in rows:
        empty.do(
            "INSERT INTO accounts.customer_dedicated_ips"
            f" (ban, address, gcp_address_name, gcp_service_name, active, owner) VALUES {each}"
        )
    empty.migrate()
    return empty


@pytest.mark.parametrize("active", ["true", "false"])
@pytest.mark.parametrize(
    ("ban", "address"),
    [
        (FIRST, "34.1.2.4"),  # such as the shared ingress: the edge's, but no customer's
        (FIRST, "0.0.0.0"), (FIRST, "127.0.0.1"), (FIRST, "10.1.2.3"), (FIRST, "::"), (FIRST, "2600:1900::1"),
        (SECOND, "34.1.2.3"),  # another customer's
    ],
)  # fmt: skip
def test_the_portal_cannot_take_an_address_that_is_not_reserved_for_its_customer(
    acl: Database, ban: str, address: str, active: str
) -> None:
    reconcile(acl, {"sip-acme-udp-ip": OWN["sip-acme-udp-ip"]})
    acl.do("DELETE FROM accounts.customer_dedicated_ips", user="warp_acl_writer")
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        acl.do(f"{INSERT} ('{ban}', '{address}', 'x', 'y', {active})", user="warp_acl_writer")
    assert refused.value.diag.message_primary == (
        f"address refused: {address} is not a dedicated address reserved for BAN {ban}"
    )
    acl.do(f"{INSERT} ('{FIRST}', '34.1.2.3', 'x', 'y', true)", user="warp_acl_writer")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=f"reserved for BAN {ban}"):
        acl.do(
            f"UPDATE accounts.customer_dedicated_ips SET address = '{address}', ban = '{ban}'", user="warp_acl_writer"
        )


def test_the_portal_sees_which_addresses_are_reserved(acl: Database) -> None:
    reconcile(acl, OWN)
    assert acl.ask(LISTED, user="warp_acl_writer") == [
        ("34.1.2.3", FIRST, "sip-acme-udp-ip", "warp-edge"),
        ("34.1.2.5", SECOND, "sip-beta-udp-ip", "warp-edge"),
    ]
    swapped = {"sip-acme-udp-ip": row(SECOND, "34.1.2.3"), "sip-new-udp-ip": row(FIRST, "34.1.2.9")}
    reconcile(acl, swapped)
    assert [each[:3] for each in acl.ask(LISTED)] == [
        ("34.1.2.3", SECOND, "sip-acme-udp-ip"),
        ("34.1.2.9", FIRST, "sip-new-udp-ip"),
    ]


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "0.0.0.0", "fd00::1", "224.0.0.1"])
def test_no_stack_reserves_an_address_that_is_not_global_unless_its_limits_allow_it(
    acl: Database, address: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=f"address refused: {address}/.* reserved: "):
        acl.reserve(address)
    acl.allow(f"{address}/{128 if ':' in address else 32}")
    acl.reserve(address)


def test_each_stack_lists_its_own(acl: Database) -> None:
    theirs = {"sip-gamma-udp-ip": row(THIRD, "34.1.3.1", "sip-gamma-udp")}
    reconcile(acl, theirs, "eu-edge")
    reconcile(acl, OWN)
    reconcile(acl, {})
    assert acl.ask(LISTED) == [("34.1.3.1", THIRD, "sip-gamma-udp-ip", "eu-edge")]
    assert customer_at(acl, "34.1.3.1") == THIRD
    acl.do("DELETE FROM accounts.customer_dedicated_ips")
    with pytest.raises(Refusal, match=r"trunkAcl\.owner eu-edge reserves it for BAN") as refused:
        reconcile(acl, {"sip-acme-udp-ip": row(FIRST, "34.1.3.1")})
    assert "DELETE FROM trunk_acl.dedicated_addresses WHERE owner = 'eu-edge'" in str(refused.value)


@pytest.mark.parametrize("active", ["true", "false"])
def test_a_customer_does_not_leave_while_the_portal_keeps_a_row_for_its_address(acl: Database, active: str) -> None:
    reconcile(acl, OWN)
    acl.do("DELETE FROM accounts.customer_dedicated_ips", user="warp_acl_writer")
    acl.do(f"{INSERT} ('{FIRST}', '34.1.2.3', 'x', 'y', {active})", user="warp_acl_writer")
    before = acl.ask(LISTED)
    for wanted in ({}, {"sip-acme-udp-ip": row(SECOND, "34.1.2.9")}):
        with pytest.raises(Refusal) as refused:
            reconcile(acl, wanted)
        assert str(refused.value) == (
            f"dedicated address sip-acme-udp-ip (34.1.2.3) of BAN {FIRST} drains, leaves or changes its customer, but"
            " portal keeps a row for it in accounts.customer_dedicated_ips\n  -> remove that row first: DELETE FROM"
            " accounts.customer_dedicated_ips WHERE address = '34.1.2.3'"
        )
        assert acl.ask(LISTED) == before
    acl.do("DELETE FROM accounts.customer_dedicated_ips WHERE address = '34.1.2.3'", user="warp_acl_writer")
    reconcile(acl, {})
    assert acl.ask(LISTED) == []


def test_a_row_that_the_portal_adds_just_then_holds_the_address(acl: Database) -> None:
    """Neither transaction sees the other: the constraint decides, and in the words of the database."""
    reconcile(acl, OWN)
    acl.do("DELETE FROM accounts.customer_dedicated_ips", user="warp_acl_writer")
    with acl.connect("warp_acl_writer") as portal, acl.connect() as stack:
        with portal.transaction():
            portal.execute(f"{INSERT} ('{FIRST}', '34.1.2.3', 'x', 'y', true)".encode())
            stack.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                dedicated.reconcile(stack, "warp-edge", {})
        with pytest.raises(Refusal, match="portal keeps a row"):
            dedicated.reconcile(stack, "warp-edge", {})


def test_rows_from_before_the_list_are_no_hindrance_to_the_migration_and_named_by_the_update(empty: Database) -> None:
    acl = migrated_without_the_list(
        empty,
        f"('{FIRST}', '34.1.2.3', 'sip-acme-udp-ip', 'sip-acme-udp', true, 'warp-edge')",
        f"('{THIRD}', '34.1.3.1', 'sip-gamma-udp-ip', 'sip-gamma-udp', true, 'eu-edge')",
        f"('{SECOND}', '34.1.2.4', 'sip-udp-ip', 'sip-udp', true, 'portal')",
        f"('{SECOND}', '127.0.0.1', 'x', 'y', false, 'portal')",
    )
    assert acl.drift() == []
    assert [each[0] for each in acl.ask(LISTED)] == ["34.1.2.3", "34.1.3.1"]
    props = props_of(acl, dedicated=OWN)
    with pytest.raises(Refusal) as refused:
        PROVIDER.create(props)
    assert "that drain: 34.1.2.4 (sip-udp-ip, BAN 100002, kept by portal). Trunks and" in str(refused.value)
    assert "SET active = false WHERE address IN ('34.1.2.4')" in str(refused.value)
    assert (acl.owner_of("34.1.0.9"), customer_at(acl, "34.1.2.5")) == (FIRST, SECOND), "a revocation would arrive too"
    acl.do(
        "UPDATE accounts.customer_dedicated_ips SET active = false WHERE address IN ('34.1.2.4')",
        user="warp_acl_writer",
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="address refused"):
        acl.do("UPDATE accounts.customer_dedicated_ips SET active = true", user="warp_acl_writer")
    PROVIDER.create(props)
    assert customer_at(acl, "34.1.2.4") is None
    assert customer_at(acl, "34.1.3.1") == THIRD


# --- as the engine calls it -------------------------------------------------------------------------------------------


def test_rows_come_change_and_go_with_the_resource(empty: Database) -> None:
    props = props_of(empty, dedicated=OWN)
    id_, outs = Calls.create(props)
    assert outs == {**props, "drift": []}
    assert Calls.read(id_, outs) == outs
    assert PROVIDER.diff(id_, outs, props).changes is False
    assert (empty.owner_of("34.1.0.9"), customer_at(empty, "34.1.2.5")) == (FIRST, SECOND)

    less = props_of(empty)  # the last dedicated customer has gone: the engine hands no such key on
    assert PROVIDER.diff(id_, outs, less).changes is True
    without = Calls.update(id_, outs, less)
    assert without == {**less, "drift": []}
    assert Calls.read(id_, without) == without
    assert customer_at(empty, "34.1.2.3") is None
    assert empty.owner_of("34.1.0.9") == FIRST


def test_a_stack_without_dedicated_customers_has_no_change_to_make(empty: Database) -> None:
    id_, outs = Calls.create(props_of(empty))
    assert "dedicated" not in outs
    assert Calls.read(id_, outs) == outs
    assert PROVIDER.diff(id_, outs, props_of(empty)).changes is False


@pytest.mark.parametrize(
    "by_hand",
    [
        "DELETE FROM accounts.customer_dedicated_ips WHERE address = '34.1.2.3'",
        "UPDATE accounts.customer_dedicated_ips SET active = false",
        "UPDATE accounts.customer_dedicated_ips SET gcp_service_name = 'other'",
        "WITH a (ban, address) AS (INSERT INTO trunk_acl.dedicated_addresses AS l (address, ban, name, owner)"
        " SELECT '34.9.9.9', ban, name, owner FROM trunk_acl.dedicated_addresses LIMIT 1 RETURNING l.ban, l.address)"
        " SELECT ban FROM a",
        "UPDATE trunk_acl.dedicated_addresses SET name = 'other'",
    ],
)
def test_what_was_changed_by_hand_is_a_change_and_is_put_back(empty: Database, by_hand: str) -> None:
    props = props_of(empty, dedicated=OWN)
    id_, outs = Calls.create(props)
    empty.do(by_hand)
    found = Calls.read(id_, outs)
    assert {name for name in found if found[name] != outs[name]} == {"dedicated"}
    assert PROVIDER.diff(id_, found, props).changes is True
    assert Calls.update(id_, found, props) == outs
    assert Calls.read(id_, outs) == outs


def test_a_refused_address_leaves_the_trunks_as_they_were(empty: Database) -> None:
    """One transaction: nobody sees new trunks beside old addresses."""
    props = props_of(empty)
    id_, outs = Calls.create(props)
    portals(empty, FIRST, "34.1.2.3")
    news = {**props, "trunks": texts([trunk(FIRST, "main", "34.2.0.0/24")]), "dedicated": OWN}
    with pytest.raises(Refusal, match="portal keeps it"):
        PROVIDER.update(id_, outs, news)
    assert (empty.owner_of("34.1.0.9"), empty.owner_of("34.2.0.9")) == (FIRST, None)


def test_addresses_are_written_where_the_portal_alone_keeps_trunks(empty: Database) -> None:
    props = {key: value for key, value in props_of(empty, dedicated=OWN, places={}).items() if key != "trunks"}
    id_, outs = Calls.create(props)
    assert customer_at(empty, "34.1.2.3") == FIRST
    assert Calls.read(id_, outs) == outs
