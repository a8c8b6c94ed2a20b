"""What the database itself refuses as a row, and the words it does it in."""

from __future__ import annotations

import random
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import psycopg
import pytest

from components.trunk_acl import entries
from components.trunk_acl.ranges import of_network
from components.trunk_acl.special_purpose import Fitness, blocks
from refusal import Refusal
from settings.trunk_acl import Limits
from tests.database.servers import CUSTOMERS, Database, Server

FIRST, SECOND = CUSTOMERS[:2]
GROUP = "INSERT INTO accounts.trunk_groups (ban, name, auth_type, calls_per_second, concurrent_calls) VALUES"
DEDICATED = "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name) VALUES"


@pytest.fixture
def trunk(acl: Database) -> int:
    return acl.add_trunk(FIRST)


# --- ranges -----------------------------------------------------------------------------------------------------------

# The blocks of RFC 6890 (its tables 1 to 27) and of the two IANA registries that go on from it.
SPECIAL_PURPOSE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.0.0/29", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "192.0.0.170/32",
    "::1/128", "::/128", "64:ff9b::/96", "::ffff:0:0/96", "100::/64", "2001::/23", "2001::/32", "2001:2::/48",
    "2001:db8::/32", "2001:10::/28", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "100:0:0:1::/64",
    "2620:4f:8000::/48", "2002::/16", "fc00::/7", "fe80::/10", "64:ff9b:1::/48", "3fff::/20", "5f00::/16",
    # Multicast has registries of its own (RFC 5771, RFC 4291).
    "224.0.0.0/4", "ff00::/8",
)  # fmt: skip


def test_a_range_of_a_special_purpose_block_is_refused_with_its_name(acl: Database, trunk: int) -> None:
    insert = "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) VALUES (%s, %s, %s)"
    with acl.connect("warp_acl_writer") as connection:
        for block in map(ip_network, SPECIAL_PURPOSE):
            inside = block if block.prefixlen >= 40 else ip_network((block[-1], block.max_prefixlen))
            with pytest.raises(psycopg.errors.CheckViolation) as refused:
                connection.execute(insert, (trunk, FIRST, str(inside)))
            words = str(refused.value.diag.message_primary)
            assert re.fullmatch(r"range refused: \S+ is in \S+, reserved: .* \(RFC \d+\)", words), block


def test_a_range_around_a_special_purpose_block_is_refused(acl: Database, trunk: int) -> None:
    with pytest.raises(
        psycopg.errors.CheckViolation,
        match=r"192\.88\.98\.0/23 contains 192\.88\.99\.0/24, reserved: 6to4 relay anycast",
    ):
        acl.add_entry(trunk, "192.88.98.0/23")


NEIGHBOURS = (
    "11.0.0.0/24", "9.255.255.0/24", "172.32.0.0/24", "192.167.255.255/32", "100.128.0.0/24", "203.0.112.0/24",
    "203.0.114.0/24", "223.255.255.0/24", "2001:200::/48", "2003::/48", "fbff:ffff:ffff::/48",
)  # fmt: skip


def test_the_ranges_beside_special_purpose_blocks_are_accepted(acl: Database, trunk: int) -> None:
    for neighbour in NEIGHBOURS:
        acl.add_entry(trunk, neighbour)
    assert acl.ask("SELECT count(*) FROM accounts.trunk_ips") == [len(NEIGHBOURS)]


def test_no_address_that_python_knows_as_not_global_is_accepted(acl: Database) -> None:
    """Python's own table of the IANA registries, asked at random and at the edges of every block."""
    chance = random.Random(6890)
    numbers = [chance.getrandbits(32) for _ in range(20_000)]
    addresses = {ip_address(number) for number in numbers} | {
        ip_address(chance.getrandbits(128) & ~(1 << 127)) for _ in range(20_000)
    }
    for block in map(ip_network, SPECIAL_PURPOSE):
        first, last = int(block[0]), int(block[-1])
        kind = type(block[0])
        edges = {first - 1, first, last, last + 1, *(chance.randint(first, last) for _ in range(50))}
        addresses |= {kind(number) for number in edges if 0 <= number < 2**block.max_prefixlen}
    with acl.connect() as connection:
        rows = connection.execute(
            "SELECT host(address), trunk_acl.unfit(address::cidr) IS NULL FROM unnest(%s::inet[]) AS address",
            ([str(address) for address in addresses],),
        ).fetchall()
    accepted = {ip_address(text) for text, fit in rows if fit}
    assert len(rows) == len(addresses)
    assert [address for address in accepted if not address.is_global or address.is_multicast] == []
    assert len(accepted) > 20_000


def test_ranges_wider_than_the_limit_are_refused(acl: Database, trunk: int) -> None:
    for wide, limit in (("34.0.0.0/19", 20), ("34.0.0.0/8", 20), ("2600:1900::/39", 40), ("2600::/12", 40)):
        with pytest.raises(psycopg.errors.CheckViolation, match=f"range refused: {wide} is wider than /{limit}"):
            acl.add_entry(trunk, wide)
    acl.add_entry(trunk, "34.0.0.0/20")
    acl.add_entry(trunk, "2600:1900::/40")


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_the_whole_internet_is_nobody_s(acl: Database, trunk: int, everything: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="is wider than"):
        acl.add_entry(trunk, everything)


def test_the_limit_is_a_setting(acl: Database, trunk: int) -> None:
    acl.allow(widest=(24, 48))
    with pytest.raises(psycopg.errors.CheckViolation, match=r"34\.0\.0\.0/23 is wider than /24"):
        acl.add_entry(trunk, "34.0.0.0/23")
    acl.allow(widest=(16, 48))
    acl.add_entry(trunk, "34.0.0.0/16")


def test_a_refusal_names_the_customer(acl: Database, trunk: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        acl.add_entry(trunk, "10.1.2.0/24")
    assert refused.value.diag.message_detail == f"BAN {FIRST}"


def test_reserved_ranges_are_accepted_only_inside_what_is_allowed(acl: Database, trunk: int) -> None:
    acl.allow("127.0.0.0/8", "::1/128")
    acl.add_entry(trunk, "127.0.1.0/24")
    acl.add_entry(trunk, "::1/128")
    for still_reserved in ("10.0.0.0/24", "fe80::1/128"):
        with pytest.raises(psycopg.errors.CheckViolation, match="reserved"):
            acl.add_entry(trunk, still_reserved)


def test_an_entry_in_a_block_that_was_reserved_later_can_be_switched_off(acl: Database, trunk: int) -> None:
    """As 192.31.196.0/24 by migration 0008; and nothing else can be done with it."""
    acl.allow("192.31.196.0/24")
    acl.add_entry(trunk, "192.31.196.7/32")
    acl.do("DELETE FROM trunk_acl.allowed_ranges")
    update = "UPDATE accounts.trunk_ips SET {}"
    refused = ("active = active", "cidr = '192.31.196.8/32'", "active = false, cidr = '192.31.196.8/32'")
    for change in refused:
        with pytest.raises(psycopg.errors.CheckViolation, match="AS112 anycast"):
            acl.do(update.format(change), user="warp_acl_writer")
    acl.do(update.format("active = false"), user="warp_acl_writer")
    acl.do(update.format("owner = 'x'"), user="warp_acl_writer")
    with pytest.raises(psycopg.errors.CheckViolation, match="AS112 anycast"):
        acl.do(update.format("active = true"), user="warp_acl_writer")


def test_limits_that_an_entry_would_break_are_refused_and_change_nothing(acl: Database, trunk: int) -> None:
    acl.allow("127.0.0.0/8")
    acl.add_entry(trunk, "127.0.1.0/24")
    for allowed, widest, reason in (
        (("10.0.0.0/8",), (20, 40), r"BAN 100001, 127\.0\.1\.0/24 is in 127\.0\.0\.0/8, reserved: loopback"),
        (("127.0.0.0/8", "10.0.0.0/8"), (25, 40), r"BAN 100001, 127\.0\.1\.0/24 is wider than /25"),
    ):
        with pytest.raises(Refusal, match=rf"would refuse an entry that is there: {reason}"):
            acl.allow(*allowed, widest=widest)
        with acl.connect() as connection:
            assert entries.limits(connection) == (20, 40, ["127.0.0.0/8"])
    acl.do("DELETE FROM accounts.trunk_ips")
    acl.allow("10.0.0.0/8", widest=(25, 40))
    with acl.connect() as connection:
        assert entries.limits(connection) == (25, 40, ["10.0.0.0/8"])


def test_limits_that_somebody_deleted_come_back(own: Database) -> None:
    own.do("DELETE FROM trunk_acl.limits")
    own.allow(widest=(24, 48))
    with own.connect() as connection:
        assert entries.limits(connection) == (24, 48, [])


def test_host_bits_are_refused_with_a_message_that_says_so(acl: Database, trunk: int) -> None:
    for text in ("34.1.2.3/24", "2600:1900::1/64"):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="invalid cidr value") as refused:
            acl.add_entry(trunk, text)
        assert refused.value.diag.message_detail == "Value has bits set to right of mask."


def test_an_update_is_refused_as_an_insert_is(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24")
    for wrong in ("10.0.0.0/24", "34.0.0.0/9"):
        with pytest.raises(psycopg.errors.CheckViolation, match="range refused"):
            acl.do(f"UPDATE accounts.trunk_ips SET cidr = '{wrong}'", user="warp_acl_writer")
    assert acl.ask("SELECT cidr::text FROM accounts.trunk_ips") == ["34.1.2.0/24"]


def test_one_unfit_entry_of_many_refuses_them_all(acl: Database, trunk: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=r"10\.0\.0\.0/24"):
        acl.do(
            "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr)"
            f" VALUES ({trunk}, '{FIRST}', '34.1.2.0/24'), ({trunk}, '{FIRST}', '10.0.0.0/24')",
            user="warp_acl_writer",
        )
    assert acl.ask("SELECT count(*) FROM accounts.trunk_ips") == [0]


# --- one range, one customer ------------------------------------------------------------------------------------------

OVERLAPS = [
    ("34.1.2.0/24", "34.1.2.0/25"), ("34.1.2.0/25", "34.1.2.0/24"), ("34.1.2.0/24", "34.1.2.255/32"),
    ("2600:1900::/48", "2600:1900:0:1::/64"), ("2600:1900::1/128", "2600:1900::/48"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), OVERLAPS)
def test_two_customers_cannot_own_overlapping_ranges(acl: Database, trunk: int, first: str, second: str) -> None:
    acl.add_entry(trunk, first)
    other = acl.add_trunk(SECOND)
    with pytest.raises(psycopg.errors.ExclusionViolation) as refused:
        acl.add_entry(other, second, SECOND)
    assert refused.value.diag.constraint_name == "trunk_ips_one_customer"
    # By a transaction that did not see the first, or another writer than the portal.
    with pytest.raises(psycopg.errors.ExclusionViolation, match='"trunk_ips_one_customer"'):
        acl.do(
            "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr, owner)"
            f" VALUES ({other}, '{SECOND}', '{second}', 'x')"
        )
    acl.add_entry(trunk, second)  # within one customer, ranges nest


def test_the_portal_s_refusal_does_not_say_which_other_customer_has_the_range(
    acl: Database, trunk: int, server: Server
) -> None:
    """Its users see the message. Operators find the customer, its trunk and who keeps the row in the server's log."""
    acl.add_entry(trunk, "34.1.2.0/24")
    other = acl.add_trunk(SECOND)
    acl.add_entry(other, "34.9.0.0/24", SECOND)
    attempts = (
        f"INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) VALUES ({other}, '{SECOND}', '34.1.2.7/32')",
        "UPDATE accounts.trunk_ips SET cidr = '34.1.2.7/32' WHERE cidr = '34.9.0.0/24'",
    )
    for statement in attempts:
        with pytest.raises(psycopg.errors.ExclusionViolation) as refused:
            acl.do(statement, user="warp_acl_writer")
        assert refused.value.diag.message_primary == "range refused: 34.1.2.7/32 overlaps a range of another customer"
        assert FIRST not in str(refused.value)
    told = f"34.1.2.7/32 of BAN {SECOND} refused: it overlaps 34.1.2.0/24 of BAN {FIRST}, trunk main, kept by portal"
    assert server.postgres.log_file.read_text(encoding="utf-8").count(told) == 2


def test_a_range_that_another_trunk_of_the_customer_has_is_refused(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.7/32")
    with pytest.raises(psycopg.errors.UniqueViolation, match='"trunk_ips_cidr_once"'):
        acl.add_entry(acl.add_trunk(FIRST, "second"), "34.1.2.7/32")


def test_the_portal_may_write_its_entries_as_upserts(acl: Database, trunk: int) -> None:
    """As many programs do; another customer's range is refused to an upsert, too, and not changed."""
    upsert = (
        "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr, active) VALUES ({}, '{}', '34.1.2.7/32', {})"
        " ON CONFLICT (cidr) DO UPDATE SET active = EXCLUDED.active"
    )
    for active in (True, False):
        acl.do(upsert.format(trunk, FIRST, active), user="warp_acl_writer")
        assert acl.ask("SELECT active FROM accounts.trunk_ips") == [active]
    with pytest.raises(psycopg.errors.ExclusionViolation, match="overlaps a range of another customer"):
        acl.do(upsert.format(acl.add_trunk(SECOND), SECOND, True), user="warp_acl_writer")
    assert acl.ask("SELECT active FROM accounts.trunk_ips") == [False]


def test_nobody_owns_a_range_twice(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24")
    with pytest.raises(psycopg.errors.UniqueViolation):
        acl.add_entry(trunk, "34.1.2.0/24")
    with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)):
        acl.add_entry(acl.add_trunk(SECOND), "34.1.2.0/24", SECOND)


def test_a_range_that_is_switched_off_is_still_its_customer_s(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24", active=False)
    with pytest.raises(psycopg.errors.ExclusionViolation):
        acl.add_entry(acl.add_trunk(SECOND), "34.1.2.0/25", SECOND)


def test_an_update_cannot_bring_about_an_overlap(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.add_entry(acl.add_trunk(SECOND), "34.1.3.0/24", SECOND)
    with pytest.raises((psycopg.errors.ExclusionViolation, psycopg.errors.UniqueViolation)):
        acl.do(
            "UPDATE accounts.trunk_ips SET cidr = '34.1.2.128/25' WHERE cidr = '34.1.3.0/24'", user="warp_acl_writer"
        )


def test_an_entry_cannot_name_another_customer_than_its_trunk_s(acl: Database, trunk: int) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        acl.add_entry(trunk, "34.1.2.0/24", SECOND)


def test_adjacent_ranges_of_two_customers_are_accepted(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24")
    other = acl.add_trunk(SECOND)
    acl.add_entry(other, "34.1.3.0/24", SECOND)
    acl.add_entry(other, "34.1.1.255/32", SECOND)
    asked = ("34.1.1.254", "34.1.1.255", "34.1.2.0", "34.1.2.255", "34.1.3.0", "34.1.4.0")
    assert [acl.owner_of(each) for each in asked] == [None, SECOND, FIRST, FIRST, SECOND, None]


# --- trunks -----------------------------------------------------------------------------------------------------------

WRONG_TRUNKS = {
    f"('{FIRST}', 'a', 'IP_ACL', 0, 1)": "calls_per_second_positive",
    f"('{FIRST}', 'a', 'IP_ACL', -1, 1)": "calls_per_second_positive",
    f"('{FIRST}', 'a', 'IP_ACL', 1, 0)": "concurrent_calls_positive",
    f"('{FIRST}', 'a', 'IP_ACL', 1, -5)": "concurrent_calls_positive",
    f"('{FIRST}', 'a', 'NONE', 1, 1)": "auth_type_is_known",
    f"('{FIRST}', 'a', 'ip_acl', 1, 1)": "auth_type_is_known",
    f"('{FIRST}', 'a|b', 'IP_ACL', 1, 1)": "name_is_plain",
    f"('{FIRST}', '', 'IP_ACL', 1, 1)": "name_is_plain",
    f"('{FIRST}', E'a\\n', 'IP_ACL', 1, 1)": "name_is_plain",
}


@pytest.mark.parametrize("row", WRONG_TRUNKS)
def test_a_wrong_trunk_is_refused_by_the_rule_that_it_breaks(acl: Database, row: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=WRONG_TRUNKS[row]):
        acl.do(f"{GROUP} {row}", user="warp_acl_writer")


@pytest.mark.parametrize("missing", ["calls_per_second", "concurrent_calls", "ban", "name", "auth_type", "active"])
def test_a_trunk_has_all_it_needs(acl: Database, trunk: int, missing: str) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation, match=missing):
        acl.do(f"UPDATE accounts.trunk_groups SET {missing} = NULL", user="warp_acl_writer")


def test_a_trunk_of_nobody_is_refused(acl: Database) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        acl.do(f"{GROUP} ('424242', 'a', 'IP_ACL', 1, 1)", user="warp_acl_writer")


def test_a_trunk_s_name_is_its_customer_s_once(acl: Database, trunk: int) -> None:
    acl.add_trunk(SECOND)
    with pytest.raises(psycopg.errors.UniqueViolation, match="trunk_groups_name_once"):
        acl.add_trunk(FIRST)


def test_a_trunk_with_entries_stays(acl: Database, trunk: int) -> None:
    acl.add_entry(trunk, "34.1.2.0/24")
    for statement in ("DELETE FROM accounts.trunk_groups", f"UPDATE accounts.trunk_groups SET ban = '{SECOND}'"):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            acl.do(statement, user="warp_acl_writer")


# --- dedicated addresses ----------------------------------------------------------------------------------------------


def test_a_dedicated_address_is_one_customer_s(acl: Database) -> None:
    acl.reserve("34.9.9.9")
    acl.do(f"{DEDICATED} ('{FIRST}', '34.9.9.9', 'acme-in', 'acme-sip')", user="warp_acl_writer")
    with pytest.raises(psycopg.errors.UniqueViolation):
        acl.do(f"{DEDICATED} ('{FIRST}', '34.9.9.9', 'x', 'y')", user="warp_acl_writer")


@pytest.mark.parametrize("network", ["34.9.9.0/24", "34.9.9.9/31", "2600::/64"])
def test_a_dedicated_address_is_a_single_one(acl: Database, network: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="single_address"):
        acl.reserve(network)
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="address refused"):
        acl.do(f"{DEDICATED} ('{FIRST}', '{network}', 'x', 'y')", user="warp_acl_writer")


def test_a_dedicated_address_keeps_the_names_of_its_resources(acl: Database) -> None:
    acl.reserve("34.9.9.9")
    for values in (f"('{FIRST}', '34.9.9.9', NULL, 'y')", f"('{FIRST}', '34.9.9.9', 'x', NULL)"):
        with pytest.raises(psycopg.errors.NotNullViolation, match="gcp_"):
            acl.do(f"{DEDICATED} {values}", user="warp_acl_writer")


def test_truncating_is_refused_also_to_the_owner(acl: Database, trunk: int) -> None:
    for table in ("trunk_ips", "trunk_groups CASCADE", "customer_dedicated_ips"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot be truncated: it would leave no audit"):
            acl.do(f"TRUNCATE accounts.{table}")


# --- the preview refuses exactly what the database refuses ------------------------------------------------------------


def networks(chance: random.Random, count: int) -> set[IPv4Network | IPv6Network]:
    """At random, half of them in, around and beside special-purpose blocks."""
    blocks = [ip_network(block) for block in SPECIAL_PURPOSE]
    found: set[IPv4Network | IPv6Network] = set(blocks)
    for block in blocks:
        found |= {block.supernet(new_prefix=length) for length in range(block.prefixlen)}
    while len(found) < count:
        block = chance.choice(blocks)
        width = block.max_prefixlen
        near = int(block[0]) + chance.randint(-(2 ** (width // 2)), 2 ** (width // 2))
        start = near if chance.random() < 0.5 else chance.getrandbits(width)
        if 0 <= start < 2**width:
            length = chance.randint(width // 8, width)
            start = start >> (width - length) << (width - length)
            found.add((IPv4Network if width == 32 else IPv6Network)((start, length)))
    return found


def respelt(words: str) -> str:
    """PostgreSQL writes the end of some IPv6 addresses as IPv4: `::ffff:0.0.0.0/96`."""
    return re.sub(r"::(ffff:)?(\d+\.){3}\d+/\d+", lambda match: str(ip_network(match[0])), words)


WIDE = {"widestIpv4": 8, "widestIpv6": 16}
EXCEPTIONS = ("127.0.0.0/8", "::1/128", "192.0.0.0/16", "2001::/16", "10.0.0.0/9")
LIMITS = (
    Limits(),
    Limits.model_validate(WIDE),
    Limits.model_validate({**WIDE, "allowReserved": EXCEPTIONS}),
)


@pytest.mark.parametrize("limits", LIMITS, ids=["default", "wide", "exceptions"])
def test_the_preview_refuses_exactly_what_the_database_refuses_and_in_its_words(acl: Database, limits: Limits) -> None:
    asked = networks(random.Random(5), 4000)
    acl.allow(*limits.allow_reserved, widest=(limits.widest_ipv4, limits.widest_ipv6))
    with acl.connect() as connection:
        rows = connection.execute(
            "SELECT range::text, trunk_acl.unfit(range) FROM unnest(%s::cidr[]) AS range",
            ([str(each) for each in asked],),
        ).fetchall()
    by_database = {ip_network(text): reason and respelt(reason) for text, reason in rows}
    fitness = Fitness(limits)
    assert {each: fitness.unfit(*of_network(each)) for each in asked} == by_database
    assert sum(1 for reason in by_database.values() if reason) > 1000
    assert sum(1 for reason in by_database.values() if not reason) > 100


def test_both_have_the_same_list(acl: Database) -> None:
    with acl.connect() as connection:
        rows = connection.execute("SELECT range::text, name, source FROM trunk_acl.reserved_ranges").fetchall()
    listed = {(str(each.range), each.name, each.source) for family in blocks().values() for each in family}
    assert listed == {(str(ip_network(range_)), name, source) for range_, name, source in rows}
    covered = [each.range for family in blocks().values() for each in family]
    for block in map(ip_network, SPECIAL_PURPOSE):
        assert any(block.version == each.version and block[0] in each and block[-1] in each for each in covered), block
