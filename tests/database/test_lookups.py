"""Whose call is it? Random addresses, a million of them each night, against an oracle of the test's own, and what
Kamailio's views say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest

from components.trunk_acl.lock import Connection
from tests.cases import PROFILE, THOROUGH
from tests.database.servers import CUSTOMERS, Database, Server

FIRST, SECOND = CUSTOMERS[:2]
# A lookup of these (nested, half of them switched off) takes some 50 microseconds: a million is for the nightly run.
LOOKUPS = {"production": 1_000_000 if PROFILE == THOROUGH else 100_000, "embedded": 100_000}
WIDTHS = {4: 32, 6: 128}


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_the_longest_prefix_wins_whatever_the_order_of_the_inserts(acl: Database) -> None:
    trunk = acl.add_trunk(FIRST)
    for range_ in ("34.1.0.0/20", "34.1.2.3/32", "34.1.2.0/24", "2600:1900::/40", "2600:1900::7/128"):
        acl.add_entry(trunk, range_)
    for address in (
        "34.1.0.1",
        "34.1.2.3",
        "34.1.2.4",
        "34.1.15.255",
        "2600:1900::8",
        "2600:1900:ff::",
        "2600:1900::7",
    ):
        assert acl.owner_of(address) == FIRST, address
    for address in (
        "34.0.255.255",
        "34.1.16.0",
        "2600:1900:100::",
        "2600:18ff:ffff::",
        "0.0.0.0",
        "::",
        "255.255.255.255",
    ):
        assert acl.owner_of(address) is None, address


SWITCHED_OFF = {
    "entry": "UPDATE accounts.trunk_ips SET active = false WHERE cidr = '34.1.2.0/24'",
    "trunk": "UPDATE accounts.trunk_groups SET active = false WHERE name = 'inner'",
    "digest": "UPDATE accounts.trunk_groups SET auth_type = 'DIGEST' WHERE name = 'inner'",
}


@pytest.mark.parametrize("what", SWITCHED_OFF)
def test_what_does_not_match_gives_way_to_the_range_around_it(acl: Database, what: str) -> None:
    acl.add_entry(acl.add_trunk(FIRST, "inner"), "34.1.2.0/24")
    assert acl.owner_of("34.1.2.3") == FIRST
    acl.do(SWITCHED_OFF[what])
    assert acl.owner_of("34.1.2.3") is None
    acl.add_entry(acl.add_trunk(FIRST, "outer"), "34.1.0.0/20")
    assert acl.owner_of("34.1.2.3") == FIRST


def test_nothing_of_an_inactive_customer_matches(acl: Database) -> None:
    acl.add_entry(acl.add_trunk(FIRST), "34.1.2.0/24")
    acl.reserve("34.9.9.9")
    acl.do(
        "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
        f" VALUES ('{FIRST}', '34.9.9.9', 'a', 's')"
    )
    by_dest = "SELECT accounts.get_customer_by_dest_ip('34.9.9.9')"
    assert (acl.owner_of("34.1.2.3"), acl.ask(by_dest)) == (FIRST, [FIRST])
    acl.do(f"UPDATE accounts.customers SET active = false WHERE ban = '{FIRST}'")
    assert (acl.owner_of("34.1.2.3"), acl.ask(by_dest)) == (None, [None])


@pytest.mark.parametrize(("auth_type", "matches"), [("IP_ACL", True), ("BOTH", True), ("DIGEST", False)])
def test_only_trunks_that_authenticate_by_address_match_by_address(
    acl: Database, auth_type: str, matches: bool
) -> None:
    acl.add_entry(acl.add_trunk(FIRST, "main", auth_type), "34.1.2.0/24")
    assert (acl.owner_of("34.1.2.3") == FIRST) is matches


def test_an_ipv4_mapped_source_is_the_ipv4_address(acl: Database) -> None:
    """What a dual-stack socket reports (RFC 4291, section 2.5.5.2)."""
    acl.add_entry(acl.add_trunk(FIRST), "34.1.2.0/24")
    assert acl.owner_of("::ffff:34.1.2.3") == FIRST
    assert acl.owner_of("::ffff:34.1.3.3") is None
    assert acl.owner_of("::34.1.2.3") is None


def test_no_address_is_nobody_s(acl: Database) -> None:
    assert acl.ask("SELECT accounts.get_customer_by_source_ip(NULL), accounts.get_customer_by_dest_ip(NULL)") == [
        (None, None)
    ]


def test_an_empty_acl_lets_nobody_in(acl: Database) -> None:
    assert [acl.owner_of(each) for each in ("0.0.0.0", "34.1.2.3", "::1", "2600::")] == [None] * 4


def test_a_dedicated_address_is_found_and_its_neighbours_are_not(acl: Database) -> None:
    values = ", ".join(
        f"('{ban}', '{address}', 'a', 's', {active})"
        for ban, address, active in (
            (FIRST, "34.9.9.9", True), (SECOND, "34.9.9.10", True), (SECOND, "34.9.9.11", False),
            (FIRST, "2600::9", True),
        )
    )  # fmt: skip
    acl.reserve("34.9.9.9", "2600::9", ban=FIRST)
    acl.reserve("34.9.9.10", "34.9.9.11", ban=SECOND)
    acl.do(
        "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name, active)"
        f" VALUES {values}",
        user="warp_acl_writer",
    )
    asked = ("34.9.9.8", "34.9.9.9", "34.9.9.10", "34.9.9.11", "2600::9", "2600::8", "::ffff:34.9.9.9", "::34.9.9.9")
    found = [acl.ask("SELECT accounts.get_customer_by_dest_ip(%s)", each, user="warp_acl_reader")[0] for each in asked]
    assert found == [None, FIRST, SECOND, None, FIRST, None, FIRST, None]


# --- many -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """An entry, in integers. `trunk`: the trunk's place in the list of trunks."""

    version: int
    start: int
    length: int
    trunk: int
    active: bool

    @property
    def cidr(self) -> str:
        address = IPv4Address(self.start) if self.version == 4 else IPv6Address(self.start)
        return f"{address}/{self.length}"


@dataclass(frozen=True)
class World:
    """Random customers, trunks and entries. `trunks`: BAN, name, auth_type, active."""

    trunks: Sequence[tuple[str, str, str, bool]]
    off: frozenset[str]
    ranges: Sequence[Range]

    def matching(self) -> list[Range]:
        """Those that calls are accepted from."""
        found = []
        for each in self.ranges:
            ban, _, auth_type, active = self.trunks[each.trunk]
            if each.active and active and auth_type in ("IP_ACL", "BOTH") and ban not in self.off:
                found.append(each)
        return found


def lookup(world: World) -> Callable[[int, int], tuple[str, str] | None]:
    """The oracle: a dictionary for each prefix length, the longest asked first. (version, address) -> (BAN, trunk)."""
    tables: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}
    for each in world.matching():
        tables[each.version].setdefault(each.length, {})[each.start >> (WIDTHS[each.version] - each.length)] = (
            each.trunk
        )
    order = {
        version: [(WIDTHS[version] - length, table) for length, table in sorted(by_length.items(), reverse=True)]
        for version, by_length in tables.items()
    }

    def owner(version: int, address: int) -> tuple[str, str] | None:
        for shift, table in order[version]:
            trunk = table.get(address >> shift)
            if trunk is not None:
                return world.trunks[trunk][:2]
        return None

    return owner


def random_world(seed: int, blocks: int) -> World:
    """Customers have blocks of their own, many adjacent to another's, with nested ranges down to single hosts."""
    chance = random.Random(seed)
    trunks = [
        (ban, f"t{number}", chance.choice(["IP_ACL"] * 6 + ["BOTH", "BOTH", "DIGEST"]), chance.random() < 0.95)
        for ban in CUSTOMERS
        for number in range(4)
    ]
    of_customer = {ban: [place for place, trunk in enumerate(trunks) if trunk[0] == ban] for ban in CUSTOMERS}
    ranges: dict[tuple[int, int, int], Range] = {}
    for version, width, shortest, first in (
        (4, 32, 20, int(IPv4Address("34.0.0.0"))),
        (6, 128, 40, int(IPv6Address("2600::"))),
    ):
        for number in range(blocks):
            ban = chance.choice(CUSTOMERS)
            # Every other block begins where the last one ends.
            start = first + ((number * 3 // 2) << (width - shortest))
            length = shortest
            for _ in range(chance.randint(1, 12)):
                key = (version, start >> (width - length) << (width - length), length)
                ranges[key] = Range(*key, chance.choice(of_customer[ban]), chance.random() < 0.92)
                if chance.random() < 0.3:
                    start, length = first + ((number * 3 // 2) << (width - shortest)), shortest
                length = min(width, length + chance.choice((1, 1, 2, 3, 4, 8, 30, width)))
                start |= chance.getrandbits(width - shortest) & ~((1 << (width - length)) - 1)
    return World(trunks, frozenset(chance.sample(CUSTOMERS, 4)), list(ranges.values()))


def fill(acl: Database, world: World) -> None:
    with acl.connect() as connection, connection.transaction():
        connection.execute("UPDATE accounts.customers SET active = false WHERE ban = ANY (%s)", (list(world.off),))
        with connection.cursor() as cursor:
            columns = "(ban, name, auth_type, calls_per_second, concurrent_calls, active)"
            with cursor.copy(f"COPY accounts.trunk_groups {columns} FROM STDIN") as copy:
                for ban, name, auth_type, active in world.trunks:
                    copy.write_row((ban, name, auth_type, 10, 100, active))
            ids: dict[str, int] = dict(
                cursor.execute("SELECT ban || ' ' || name, id FROM accounts.trunk_groups").fetchall()
            )
            with cursor.copy("COPY accounts.trunk_ips (trunk_group_id, ban, cidr, active) FROM STDIN") as copy:
                for each in world.ranges:
                    ban, name, _, _ = world.trunks[each.trunk]
                    copy.write_row((ids[f"{ban} {name}"], ban, each.cidr, each.active))
            cursor.execute("ANALYZE accounts.trunk_ips, accounts.trunk_groups")


def questions(world: World, count: int, seed: int) -> list[tuple[int, int]]:
    """(version, address): inside ranges, at their edges and just outside, and anywhere near."""
    chance = random.Random(seed)
    edges = []
    for each in world.ranges:
        size = 1 << (WIDTHS[each.version] - each.length)
        edges.append((each.version, each.start, size))
    asked: list[tuple[int, int]] = []
    while len(asked) < count:
        version, start, size = edges[int(chance.random() * len(edges))]
        draw = chance.random()
        if draw < 0.4:
            address = start + int(chance.random() * size)
        elif draw < 0.6:
            address = start + (-1, 0, size - 1, size)[int(chance.random() * 4)]
        elif draw < 0.9:
            address = start + int((chance.random() * 8 - 4) * size)
        else:
            address = chance.getrandbits(WIDTHS[version])
        if 0 <= address < 1 << WIDTHS[version]:
            asked.append((version, address))
    return asked


def text_of(version: int, address: int) -> str:
    """As the server reads it; without `ipaddress`, which is slow at a million."""
    if version == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    digits = f"{address:032x}"
    return ":".join(digits[place : place + 4] for place in range(0, 32, 4))


def load_questions(connection: Connection, asked: Sequence[tuple[int, int]]) -> None:
    # No temporary table: those are not for parallel workers.
    connection.execute("CREATE SCHEMA IF NOT EXISTS questions")
    connection.execute("DROP TABLE IF EXISTS questions.asked")
    connection.execute("CREATE UNLOGGED TABLE questions.asked (place integer, address inet)")
    with connection.cursor() as cursor, cursor.copy("COPY questions.asked FROM STDIN") as copy:
        copy.write("".join(f"{place}\t{text_of(*each)}\n" for place, each in enumerate(asked)))
    connection.execute("ANALYZE questions.asked")


def all_answers(connection: Connection, function: str = "get_customer_by_source_ip") -> list[str]:
    """What the database says to each question, "" for nobody; by as many workers as there are."""
    for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"):
        connection.execute(f"SET {setting}".encode())
    rows = connection.execute(
        f"SELECT place, coalesce(accounts.{function}(address), '') FROM questions.asked".encode()
    ).fetchall()
    return [ban for _, ban in sorted(rows)]


def test_random_lookups_agree_with_an_independent_oracle(acl: Database, server: Server) -> None:
    count = LOOKUPS[server.kind]
    world = random_world(seed=20, blocks=700)
    fill(acl, world)
    asked = questions(world, count, seed=21)
    with acl.connect() as connection, ThreadPoolExecutor(1) as aside:
        load_questions(connection, asked)
        answering = aside.submit(all_answers, connection)
        owner = lookup(world)
        expected = ["" if (found := owner(*each)) is None else found[0] for each in asked]
        answers = answering.result()
    different = [
        (text_of(*question), ban, answer)
        for question, ban, answer in zip(asked, expected, answers, strict=True)
        if ban != answer
    ]
    assert different[:5] == []
    # The questions are worth asking: hits and misses, both families, all kinds of entries.
    assert 0.2 < sum(1 for ban in expected if ban) / count < 0.9
    assert 0.3 < sum(1 for version, _ in asked if version == 6) / count < 0.7
    assert len({ban for ban in expected if ban}) == len(CUSTOMERS) - len(world.off)


def test_mapped_addresses_are_looked_up_as_their_ipv4_addresses(acl: Database) -> None:
    world = random_world(seed=22, blocks=200)
    fill(acl, world)
    asked = [each for each in questions(world, 20_000, seed=23) if each[0] == 4]
    with acl.connect() as connection:
        load_questions(connection, [(6, 0xFFFF << 32 | address) for _, address in asked])
        answers = all_answers(connection)
    owner = lookup(world)
    assert answers == [(owner(*each) or ("",))[0] for each in asked]
    assert any(answers)


def test_the_oracle_agrees_with_python_s_ipaddress() -> None:
    """The oracle is integer arithmetic; this is the plain definition, range by range."""
    world = random_world(seed=24, blocks=30)
    owner = lookup(world)
    networks = [(ip_network(each.cidr), each) for each in world.matching()]
    for version, number in questions(world, 1000, seed=25):
        address = IPv4Address(number) if version == 4 else IPv6Address(number)
        around = [(network, each) for network, each in networks if network.version == version and address in network]
        longest = max(around, key=lambda pair: pair[0].prefixlen, default=None)
        assert owner(version, number) == (world.trunks[longest[1].trunk][:2] if longest else None)


# --- Kamailio's views ------------------------------------------------------------------------------------------------


def key_of(version: int, address: int) -> str:
    """As Kamailio's script makes it: the family, then the address in hexadecimal."""
    return f"{version}{address:0{WIDTHS[version] // 4}x}"


def first_match(rows: Sequence[Any]) -> Callable[[int, int], str | None]:
    """Module permissions on group 1: of the rows in the order they were loaded, the first that matches."""
    table = [
        (4 if "." in address else 6, int(IPv4Address(address) if "." in address else IPv6Address(address)), mask, tag)
        for group, address, mask, tag in rows
        if group == 1
    ]

    def match(version: int, address: int) -> str | None:
        shift = WIDTHS[version]
        return next(
            (
                tag
                for kind, start, mask, tag in table
                if kind == version and start >> (shift - mask) == address >> (shift - mask)
            ),
            None,
        )

    return match


def hosts_then_longest_prefix(hosts: dict[str, str], prefixes: dict[str, str]) -> Callable[[int, int], str | None]:
    """Module htable with the whole key, then module mtree: the longest of its prefixes that the key begins with."""

    def match(version: int, address: int) -> str | None:
        key = key_of(version, address)
        # A host is called by its address in IPv4, which is written in one way only.
        host = str(IPv4Address(address)) if version == 4 else key
        if host in hosts:
            return hosts[host]
        return next((prefixes[key[:size]] for size in range(len(key), 1, -1) if key[:size] in prefixes), None)

    return match


@pytest.mark.parametrize("seed", range(2))
def test_kamailio_s_views_give_the_customer_that_the_function_gives_and_the_trunk(acl: Database, seed: int) -> None:
    world = random_world(seed, blocks=40)
    fill(acl, world)
    asked = questions(world, 2000, seed + 100)
    with acl.connect("warp_acl_reader") as connection:
        address = connection.execute("SELECT grp, ip_addr, mask, tag FROM address").fetchall()
        hosts: dict[str, str] = dict(connection.execute("SELECT key_name, key_value FROM acl_hosts").fetchall())
        prefixes: dict[str, str] = dict(connection.execute("SELECT tprefix, tvalue FROM acl_prefixes").fetchall())
    with acl.connect() as connection:
        load_questions(connection, asked)
        answers = all_answers(connection)
    owner = lookup(world)
    expected = [f"{found[1]}|{found[0]}" if (found := owner(*each)) else None for each in asked]
    assert answers == [value.partition("|")[2] if value else "" for value in expected]
    by_permissions, by_tree = first_match(address), hosts_then_longest_prefix(hosts, prefixes)
    assert [by_permissions(*each) for each in asked] == expected
    assert [by_tree(*each) for each in asked] == expected
    assert len({value for value in expected if value}) > 20


def test_hosts_and_prefixes_have_each_key_once(acl: Database) -> None:
    """Of two rows with one key, Kamailio would keep whichever it loads last."""
    fill(acl, random_world(7, blocks=300))
    for view, key in (("acl_hosts", "key_name"), ("acl_prefixes", "tprefix"), ("dedicated", "key_name")):
        assert acl.ask(f"SELECT {key} FROM kamailio.{view} GROUP BY 1 HAVING count(*) > 1") == []


def test_what_does_not_match_is_in_no_view(acl: Database) -> None:
    trunk = acl.add_trunk(FIRST, "main")
    views = {
        "address": "SELECT count(*) FROM kamailio.address WHERE tag LIKE '%%|%%'",
        "acl_hosts": "SELECT count(*) FROM kamailio.acl_hosts WHERE key_value LIKE '%%|%%'",
        "acl_prefixes": "SELECT count(*) FROM kamailio.acl_prefixes WHERE tvalue LIKE '%%|%%'",
    }
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.add_entry(trunk, "34.1.2.3/32")
    count = [acl.ask(query.replace("%%", "%"))[0] for query in views.values()]
    assert count == [2, 1, 1]
    acl.do("UPDATE accounts.trunk_groups SET auth_type = 'DIGEST'")
    assert [acl.ask(query.replace("%%", "%"))[0] for query in views.values()] == [0, 0, 0]


def test_the_dedicated_view_agrees_with_the_function(acl: Database) -> None:
    chance = random.Random(31)
    numbers = chance.sample(range(1 << 12), 300)
    listed = [(chance.choice(CUSTOMERS), f"34.9.{number >> 8}.{number & 255}") for number in numbers]
    rows = ", ".join(f"('{ban}', '{address}', 'a', 's', {chance.random() < 0.8})" for ban, address in listed)
    for ban in CUSTOMERS:
        acl.reserve(*(address for of, address in listed if of == ban), ban=ban)
    off = chance.sample(CUSTOMERS, 5)
    acl.do(
        "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name, active)"
        f" VALUES {rows}"
    )
    with acl.connect() as connection:
        connection.execute("UPDATE accounts.customers SET active = false WHERE ban = ANY (%s)", (off,))
    view = dict(acl.ask("SELECT key_name, key_value FROM kamailio.dedicated", user="warp_acl_reader"))
    base = int(IPv4Address("34.9.0.0"))
    with acl.connect() as connection:
        load_questions(connection, [(4, base + number) for number in range(1 << 12)])
        answers = all_answers(connection, "get_customer_by_dest_ip")
    assert [view.get(str(IPv4Address(base + number)), "") for number in range(1 << 12)] == answers
    assert 100 < sum(1 for ban in answers if ban) < 300
