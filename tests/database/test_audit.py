"""Who changed which ACL entry when, and that nothing gets past the record."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.database.servers import CUSTOMERS, Database

FIRST, SECOND = CUSTOMERS[:2]


def trail(acl: Database, relation: str = "trunk_ips") -> list[Any]:
    return acl.ask(
        "SELECT operation, ban, before ->> 'cidr', after ->> 'cidr' FROM accounts.trunk_acl_audit"
        " WHERE relation = %s ORDER BY id",
        relation,
    )


def test_every_change_of_an_entry_is_recorded_with_the_row_before_and_after(acl: Database) -> None:
    trunk = acl.add_trunk(FIRST)
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.do(
        "UPDATE accounts.trunk_ips SET cidr = '34.1.3.0/24'",
        "DELETE FROM accounts.trunk_ips",
        user="warp_acl_writer",
    )
    assert trail(acl) == [
        ("INSERT", FIRST, None, "34.1.2.0/24"),
        ("UPDATE", FIRST, "34.1.2.0/24", "34.1.3.0/24"),
        ("DELETE", FIRST, "34.1.3.0/24", None),
    ]


def test_the_record_says_who_when_and_with_what(acl: Database) -> None:
    with acl.connect("warp_acl_writer", application_name="portal 7") as connection:
        (before,) = connection.execute("SELECT clock_timestamp()").fetchall()
        connection.execute(
            "INSERT INTO accounts.trunk_groups (ban, name, calls_per_second, concurrent_calls) VALUES (%s, 'a', 1, 1)",
            (FIRST,),
        )
        (after,) = connection.execute("SELECT clock_timestamp()").fetchall()
    (row,) = acl.ask("SELECT changed_by, application, changed_at FROM accounts.trunk_acl_audit")
    assert row[:2] == ("warp_acl_writer", "portal 7")
    assert before[0] <= row[2] <= after[0]


def test_whoever_takes_another_role_is_recorded_as_who_signed_in(acl: Database) -> None:
    with acl.connect() as connection:
        connection.execute("GRANT warp_acl_writer TO warp")
        try:
            connection.execute("SET ROLE warp_acl_writer")
            connection.execute(
                "INSERT INTO accounts.trunk_groups (ban, name, calls_per_second, concurrent_calls)"
                f" VALUES ('{FIRST}', 'a', 1, 1)"
            )
        finally:
            connection.execute("RESET ROLE")
            connection.execute("REVOKE warp_acl_writer FROM warp")
    assert acl.ask("SELECT changed_by FROM accounts.trunk_acl_audit") == ["warp"]


def test_trunks_and_dedicated_addresses_are_recorded_too(acl: Database) -> None:
    acl.add_trunk(FIRST)
    acl.reserve("34.9.9.9", ban=SECOND)
    acl.do(
        "UPDATE accounts.trunk_groups SET active = false",
        "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
        f" VALUES ('{SECOND}', '34.9.9.9', 'a', 's')",
        user="warp_acl_writer",
    )
    rows = acl.ask("SELECT relation, operation, ban FROM accounts.trunk_acl_audit ORDER BY id")
    assert rows == [
        ("trunk_groups", "INSERT", FIRST),
        ("trunk_groups", "UPDATE", FIRST),
        ("customer_dedicated_ips", "INSERT", SECOND),
    ]


def test_each_row_of_a_statement_is_recorded_and_rows_that_stay_are_not(acl: Database) -> None:
    trunk = acl.add_trunk(FIRST)
    for number in range(5):
        acl.add_entry(trunk, f"34.1.{number}.0/24", active=number < 2)
    acl.do("UPDATE accounts.trunk_ips SET active = false", user="warp_acl_writer")
    assert [row[0] for row in trail(acl)] == ["INSERT"] * 5 + ["UPDATE"] * 2


def test_a_change_of_a_row_s_key_is_no_way_round_the_record(acl: Database) -> None:
    """An identity that is always generated can still be updated to its default."""
    trunk = acl.add_trunk(FIRST)
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.do("UPDATE accounts.trunk_ips SET id = DEFAULT, cidr = '34.66.0.0/24'", user="warp_acl_writer")
    (row,) = acl.ask("SELECT cidr::text FROM accounts.trunk_ips")
    recorded = {range_ for _, _, *ranges in trail(acl)[1:] for range_ in ranges if range_}
    assert recorded == {"34.1.2.0/24", row}


def test_what_is_rolled_back_leaves_no_record(acl: Database) -> None:
    trunk = acl.add_trunk(FIRST)
    with acl.connect("warp_acl_writer", autocommit=False) as connection:
        connection.execute(
            f"INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) VALUES ({trunk}, '{FIRST}', '34.1.2.0/24')"
        )
        connection.rollback()
    assert trail(acl) == []


def test_a_record_cannot_be_written_by_calling_the_trigger_s_function(acl: Database) -> None:
    for function in ("audit_inserted", "audit_deleted", "audit_updated"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            acl.do(f"SELECT trunk_acl.{function}()", user="warp_acl_writer")
