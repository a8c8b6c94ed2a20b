"""The rows of trunk files: added, changed and removed in one go, beside rows of the portal's that nobody touches."""

from __future__ import annotations

import dataclasses
import random
from ipaddress import ip_network

import pytest

from benchmarks.trunk_texts import Entry, Trunk, texts
from components.trunk_acl import entries
from components.trunk_acl.entries import Reconciled
from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database
from trunk_removal import Allowed, Confirmed

FIRST, SECOND, THIRD = CUSTOMERS[:3]
PLACES = {FIRST: "trunks/a.yaml:1", SECOND: "trunks/b.yaml:7"}


def trunk(ban: str, name: str, *ranges: str, **changed: object) -> Trunk:
    made = Trunk(ban, name, "IP_ACL", 10, 100, True, tuple(Entry(ip_network(each)) for each in ranges))
    return dataclasses.replace(made, **changed)  # type: ignore[arg-type]


def rows(acl: Database, owner: str = "warp-edge") -> dict[str, str]:
    with acl.connect() as connection:
        return entries.read(connection, owner)


def everything(acl: Database) -> list[object]:
    return [
        acl.ask(f"SELECT t::text FROM accounts.{table} AS t ORDER BY 1")
        for table in ("trunk_groups", "trunk_ips", "trunk_acl_audit")
    ]


def test_rows_become_what_the_files_say_and_are_read_back_the_same(acl: Database) -> None:
    wanted = [
        trunk(FIRST, "main", "34.1.0.0/24", "34.1.0.7/32", "2600:1900::/48"),
        trunk(
            FIRST, "digest", "34.2.0.0/24", auth_type="DIGEST", active=False, calls_per_second=7, concurrent_calls=70
        ),
        trunk(SECOND, "empty"),
        trunk(SECOND, "half", entries=(Entry(ip_network("34.3.0.0/24"), active=False),)),
    ]
    assert acl.reconcile(wanted) == Reconciled(added=9, changed=0, removed=0)
    assert rows(acl) == texts(wanted)
    assert acl.owner_of("34.1.0.9") == FIRST
    assert (acl.owner_of("34.2.0.1"), acl.owner_of("34.3.0.1")) == (None, None)


def test_only_what_differs_is_written(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24", "34.1.1.0/24"), trunk(FIRST, "old", "34.2.0.0/24")])
    before = acl.ask("SELECT id, xmin::text FROM accounts.trunk_ips WHERE cidr = '34.1.0.0/24'")
    assert acl.reconcile(
        [
            trunk(FIRST, "main", calls_per_second=11,
                  entries=(Entry(ip_network("34.1.0.0/24")), Entry(ip_network("34.1.1.0/24"), active=False))),
            trunk(SECOND, "new", "34.4.0.0/24"),
        ]
    ) == Reconciled(added=2, changed=2, removed=2)  # fmt: skip
    assert acl.ask("SELECT id, xmin::text FROM accounts.trunk_ips WHERE cidr = '34.1.0.0/24'") == before


def test_the_same_files_again_write_nothing_and_leave_no_record(acl: Database) -> None:
    wanted = [trunk(FIRST, "main", "34.1.0.0/24"), trunk(SECOND, "main", "34.2.0.0/24")]
    acl.reconcile(wanted)
    before = everything(acl)
    assert acl.reconcile(wanted) == Reconciled(0, 0, 0)
    assert everything(acl) == before


def test_no_files_at_all_remove_all_that_is_theirs(acl: Database) -> None:
    acl.add_entry(acl.add_trunk(THIRD), "34.9.0.0/24", THIRD)
    acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24")])
    assert acl.reconcile([]) == Reconciled(0, 0, 2)
    assert rows(acl) == {}
    assert acl.owner_of("34.9.0.1") == THIRD


def test_rows_of_the_portal_and_of_another_stack_are_left_alone(acl: Database) -> None:
    acl.add_entry(acl.add_trunk(FIRST, "portal"), "34.8.0.0/24")
    acl.reconcile([trunk(SECOND, "main", "34.7.0.0/24")], owner="another-stack")
    others = ("portal", "another-stack")
    before = [rows(acl, owner) for owner in others]
    for wanted in ([trunk(FIRST, "main", "34.1.0.0/24")], [trunk(THIRD, "main", "34.1.0.0/24")], []):
        acl.reconcile(wanted)
        assert rows(acl) == texts(wanted)
        assert [rows(acl, owner) for owner in others] == before


def test_a_range_moves_from_one_trunk_or_customer_to_another_in_one_go(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "a", "34.1.0.0/24"), trunk(FIRST, "b"), trunk(SECOND, "main", "34.2.0.0/24")])
    acl.reconcile([trunk(FIRST, "a"), trunk(FIRST, "b", "34.1.0.0/24"), trunk(SECOND, "main", "34.2.0.0/24")])
    acl.reconcile([trunk(FIRST, "a", "34.2.0.0/24"), trunk(FIRST, "b"), trunk(SECOND, "main", "34.1.0.0/24")])
    assert (acl.owner_of("34.1.0.1"), acl.owner_of("34.2.0.1")) == (SECOND, FIRST)


def test_the_trail_says_that_it_was_the_files(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24")])
    assert acl.ask("SELECT DISTINCT changed_by, after ->> 'owner' FROM accounts.trunk_acl_audit") == [
        ("warp", "warp-edge")
    ]


# --- refusals: each changes nothing -----------------------------------------------------------------------------------

PORTAL = "34.100.0.0/24"
REFUSALS = {
    "an unknown customer": (
        [trunk("424242", "main", "34.1.0.0/24"), trunk("424243", "main")],
        r"no such customer in accounts\.customers: BAN 424242 \(in no file\), 424243 \(in no file\)",
    ),
    "an unknown customer of a file": (
        [trunk(FIRST, "main"), trunk("0x", "main")], r"no such customer in accounts\.customers: BAN 0x \(in no file\)",
    ),
    "a range around the portal's": (
        [trunk(FIRST, "main", "34.100.0.0/20")],
        rf"BAN {FIRST} \(trunks/a\.yaml:1\): 34\.100\.0\.0/20 overlaps 34\.100\.0\.0/24 of BAN {THIRD}, trunk portal,"
        " kept by portal\n",
    ),
    "a range inside the portal's": (
        [trunk(SECOND, "main", "34.100.0.8/32")],
        rf"BAN {SECOND} \(trunks/b\.yaml:7\): 34\.100\.0\.8 overlaps 34\.100\.0\.0/24 of BAN {THIRD}",
    ),
    "the portal's own range": (
        [trunk(FIRST, "main", PORTAL)], r"34\.100\.0\.0/24.* already exists.*, trunk portal, kept by portal\n"
    ),
    "the portal's own trunk": (
        [trunk(THIRD, "portal", "34.5.0.0/24")], rf"is in the way: \(ban, name\)=\({THIRD}, portal\) already exists",
    ),
    "a range that is too wide": (
        [trunk(FIRST, "main", "34.0.0.0/12")],
        rf"BAN {FIRST} \(trunks/a\.yaml:1\): range refused: 34\.0\.0\.0/12 is wider than /20",
    ),
    "a reserved range": (
        [trunk(SECOND, "main", "10.0.0.0/24")],
        rf"BAN {SECOND} \(trunks/b\.yaml:7\): range refused: 10\.0\.0\.0/24 is in 10\.0\.0\.0/8, reserved: private",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_names_customer_place_and_reason_and_changes_nothing(acl: Database, case: str) -> None:
    wanted, words = REFUSALS[case]
    acl.add_entry(acl.add_trunk(THIRD, "portal"), PORTAL, THIRD)
    acl.reconcile([trunk(FIRST, "before", "34.1.0.0/24")])
    before = everything(acl)
    with pytest.raises(Refusal, match=words) as refused:
        acl.reconcile(wanted, places=PLACES)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert everything(acl) == before


IN_FILES = {
    FIRST: "trunks/a.yaml:1",
    f"{FIRST} main": "trunks/a.yaml:1\t6-8",
    f"{FIRST} second": "trunks/b.yaml:20\t25 27-28",
}
PLACED = {
    "overlaps the portal's": ("34.100.0.8/32", rf"BAN {FIRST} \(trunks/b\.yaml:27\): 34\.100\.0\.8 overlaps"),
    "is the portal's": (PORTAL, r"\(cidr\)=\(34\.100\.0\.0/24\) already exists \(trunks/b\.yaml:27\)"),
    "is too wide": ("34.16.0.0/12", rf"BAN {FIRST} \(trunks/b\.yaml:27\): range refused: 34\.16\.0\.0/12 is wider"),
    "is reserved": ("10.0.0.0/24", rf"BAN {FIRST} \(trunks/b\.yaml:25\): range refused: 10\.0\.0\.0/24 is in"),
    "is mapped": ("::ffff:0:0/96", rf"BAN {FIRST} \(trunks/b\.yaml:28\): range refused: ::ffff:0\.0\.0\.0/96 is in"),
}


@pytest.mark.parametrize("case", PLACED)
def test_a_refused_range_is_named_with_the_line_it_stands_in_also_in_a_second_file(acl: Database, case: str) -> None:
    range_, words = PLACED[case]
    acl.add_entry(acl.add_trunk(THIRD, "portal"), PORTAL, THIRD)
    ranges = sorted(map(ip_network, ("34.2.0.0/24", range_, "35.0.0.0/24")), key=lambda each: (each.version, each))
    second = trunk(FIRST, "second", *map(str, ranges))
    with pytest.raises(Refusal, match=words):
        acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24", "34.1.1.0/24", "34.1.2.0/24"), second], places=IN_FILES)


def test_a_trunk_of_the_portal_s_is_named_with_the_line_of_the_one_in_its_way(acl: Database) -> None:
    acl.add_trunk(FIRST, "second")
    with pytest.raises(Refusal, match=rf"\({FIRST}, second\) already exists \(trunks/b\.yaml:20\)"):
        acl.reconcile([trunk(FIRST, "second", "34.1.0.0/24")], places=IN_FILES)


def test_a_trunk_that_entries_of_the_portal_hang_on_is_not_removed(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24")])
    (number,) = acl.ask("SELECT id FROM accounts.trunk_groups")
    acl.add_entry(number, "34.2.0.0/24")
    before = everything(acl)
    with pytest.raises(Refusal) as refused:
        acl.reconcile([trunk(SECOND, "main")])
    assert str(refused.value) == (
        "trunks leave the trunk files, but others keep entries in them:"
        f" trunk main of BAN {FIRST}: 34.2.0.0/24"
        " (portal)\n  -> remove these entries first, where they are kept; or keep the trunk in its file, with"
        " `ranges: []` (and `active: false` to switch it off with all its entries)"
    )
    assert everything(acl) == before
    for octet in range(3, 9):
        acl.add_entry(number, f"34.{octet}.0.0/24")
    with pytest.raises(Refusal, match=r": 34\.2\.0\.0/24, [^(]*34\.6\.0\.0/24 and 2 more \(portal\)\n"):
        acl.reconcile([])
    acl.reconcile([trunk(FIRST, "main", active=False)])
    assert acl.owner_of("34.2.0.1") is None


def test_ipv6_ranges_are_read_back_as_the_files_have_them(acl: Database) -> None:
    """PostgreSQL writes some of them with an IPv4 address at the end."""
    acl.allow("::/8", widest=(20, 16))
    wanted = [
        trunk(FIRST, "main", "::1.2.3.0/120", "::ffff:5.6.7.8/128", "2600:1900::/48", "2600:0:0:1::/64", "34.0.0.0/20")
    ]
    acl.reconcile(wanted)
    assert rows(acl) == texts(wanted)
    assert acl.reconcile(wanted) == Reconciled(0, 0, 0)


def test_two_overlapping_customers_of_the_files_are_refused_by_the_database_as_well(acl: Database) -> None:
    with pytest.raises(Refusal, match=rf"overlaps 34\.1\.0\.\S+ of BAN ({FIRST}|{SECOND})"):
        acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24"), trunk(SECOND, "main", "34.1.0.9/32")])
    assert everything(acl) == [[], [], []]


# --- what is removed unconfirmed --------------------------------------------------------------------------------------


def ranges(count: int, first: int = 0) -> list[str]:
    return [f"34.1.{place}.0/24" for place in range(first, first + count)]


def test_a_removal_beyond_what_is_allowed_is_refused_with_the_plan_and_changes_nothing(acl: Database) -> None:
    acl.add_entry(acl.add_trunk(THIRD), "34.9.0.0/24", THIRD)  # the portal's: no part of it
    acl.reconcile([trunk(FIRST, "main", *ranges(15)), trunk(SECOND, "main", *ranges(5, 20))])
    before = everything(acl)
    remove = {
        rf"5 of 20 entries would be removed, of BAN {SECOND}; entirely removed: BAN {SECOND};": [
            trunk(FIRST, "main", *ranges(15))
        ],
        rf"3 of 20 entries would be removed, of BAN {FIRST}; without confirmation at most 2": [
            trunk(FIRST, "main", *ranges(12)), trunk(SECOND, "main", *ranges(5, 20)),
        ],
        r"20 of 20 entries would be removed": [],
    }  # fmt: skip
    for words, wanted in remove.items():
        with pytest.raises(Refusal, match=words):
            acl.reconcile(wanted, allowed=Allowed())
        assert everything(acl) == before


def test_what_is_allowed_or_confirmed_or_switched_off_is_written(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", *ranges(15)), trunk(SECOND, "main", *ranges(5, 20))], allowed=Allowed())
    steps = (
        [trunk(FIRST, "main", *ranges(13)), trunk(SECOND, "main", *ranges(5, 20))],
        [trunk(FIRST, "main", *ranges(13), active=False), trunk(SECOND, "main", *ranges(5, 20), auth_type="DIGEST")],
        [trunk(FIRST, "main", *ranges(13)), trunk(SECOND, "moved", *ranges(5, 20))],
    )
    for wanted in steps:
        acl.reconcile(wanted, allowed=Allowed())
        assert rows(acl) == texts(wanted)
    confirmed = Allowed(confirmed=Confirmed(13, (FIRST,)))
    acl.reconcile([trunk(SECOND, "moved", *ranges(5, 20))], allowed=confirmed)
    assert rows(acl) == texts([trunk(SECOND, "moved", *ranges(5, 20))])
    acl.reconcile([trunk(SECOND, "moved", *ranges(5, 20))], allowed=confirmed)  # the run that was killed, again


def test_one_entry_is_revoked_whatever_part_of_all_it_is(acl: Database) -> None:
    acl.reconcile([trunk(FIRST, "main", "34.1.0.0/24")])
    acl.reconcile([trunk(FIRST, "main")], allowed=Allowed(percent=0))
    assert acl.owner_of("34.1.0.1") is None


# --- a long way through random states ---------------------------------------------------------------------------------


def test_from_any_state_to_any_other_the_rows_are_what_the_files_say(acl: Database) -> None:
    chance = random.Random(99)
    acl.add_entry(acl.add_trunk(CUSTOMERS[30], "portal"), "35.0.0.0/24", CUSTOMERS[30])
    portal = rows(acl, "portal")
    for _ in range(25):
        free = [f"34.{number >> 4}.{number & 15}.0/24" for number in chance.sample(range(256), 40)]
        wanted = []
        for ban in chance.sample(CUSTOMERS[:6], chance.randint(0, 6)):
            for name in chance.sample("abcd", chance.randint(1, 4)):
                ranges = [free.pop() for _ in range(min(len(free), chance.randint(0, 3)))]
                parts = tuple(Entry(ip_network(each), chance.random() < 0.8) for each in ranges)
                wanted.append(
                    Trunk(ban, name, chance.choice(("IP_ACL", "DIGEST", "BOTH")), chance.randint(1, 3),
                          chance.randint(1, 3), chance.random() < 0.8, parts)
                )  # fmt: skip
        acl.reconcile(wanted)
        assert rows(acl) == texts(wanted)
        assert rows(acl, "portal") == portal
