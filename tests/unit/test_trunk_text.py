"""Trunks as text, for the state and for a review: the same trunks give the same text, and nothing is lost."""

from __future__ import annotations

import dataclasses
import random
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks.trunk_texts import Entry, Trunk, texts, trunks
from trunk_text import Change, Count, changes, summary

bans = some.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
names = some.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
ranges = some.one_of(
    some.tuples(some.integers(0, 2**32 - 1), some.integers(0, 32)).map(
        lambda pair: IPv4Network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1]))
    ),
    some.tuples(some.integers(0, 2**128 - 1), some.integers(0, 128)).map(
        lambda pair: IPv6Network((pair[0] >> (128 - pair[1]) << (128 - pair[1]), pair[1]))
    ),
)
entries = some.lists(some.builds(Entry, ranges, some.booleans()), max_size=6, unique_by=lambda entry: entry.range)
some_trunks = some.lists(
    some.builds(
        Trunk, bans, names, some.sampled_from(["IP_ACL", "DIGEST", "BOTH"]), some.integers(1, 10**6),
        some.integers(1, 10**7), some.booleans(), entries.map(tuple),
    ),
    max_size=8,
    unique_by=lambda trunk: (trunk.ban, trunk.name),
)  # fmt: skip


def as_sets(found: list[Trunk]) -> set[tuple[object, ...]]:
    return {
        (t.ban, t.name, t.auth_type, t.calls_per_second, t.concurrent_calls, t.active, frozenset(t.entries))
        for t in found
    }


@given(some_trunks)
def test_nothing_is_lost_on_the_way_to_text_and_back(wanted: list[Trunk]) -> None:
    text = texts(wanted)
    assert as_sets(trunks(text)) == as_sets(wanted)
    assert texts(trunks(text)) == text


@given(some_trunks, some.randoms())
def test_the_order_of_trunks_and_ranges_makes_no_other_text(wanted: list[Trunk], chance: random.Random) -> None:
    shuffled = [
        dataclasses.replace(each, entries=tuple(chance.sample(each.entries, len(each.entries)))) for each in wanted
    ]
    chance.shuffle(shuffled)
    assert texts(shuffled) == texts(wanted)
    assert list(texts(shuffled)) == sorted(texts(shuffled))


def trunk(ban: str, name: str, *entries: str, active: bool = True, calls: int = 500) -> Trunk:
    parts = tuple(Entry(ip_network(each.removesuffix(" off")), not each.endswith(" off")) for each in entries)
    return Trunk(ban, name, "IP_ACL", 50, calls, active, parts)


def test_the_text_is_what_a_review_reads() -> None:
    wanted = [
        trunk("100234", "acme-nyc", "198.51.100.7/32 off", "203.0.113.0/24"),
        trunk("100234", "acme-bos", active=False),
        trunk("100111", "z", "2001:db8::/48"),
    ]
    assert texts(wanted) == {
        "100111": "z IP_ACL 50 calls/s 500 calls\n  2001:db8::/48",
        "100234": "acme-bos IP_ACL 50 calls/s 500 calls off\n"
        "acme-nyc IP_ACL 50 calls/s 500 calls\n  198.51.100.7/32 off\n  203.0.113.0/24",
    }


def test_ranges_stand_in_the_order_of_their_numbers_not_of_their_letters() -> None:
    (text,) = texts([trunk("1", "t", "100.0.0.0/8", "9.0.0.0/8", "9.0.0.0/9", "2001::/16", "20.0.0.0/8")]).values()
    assert text.split("\n")[1:] == ["  9.0.0.0/8", "  9.0.0.0/9", "  20.0.0.0/8", "  100.0.0.0/8", "  2001::/16"]


@pytest.mark.parametrize("text", ["acme", "acme IP_ACL 50 calls", "a IP_ACL 1 calls/s 1 calls on", "a b c d"])
def test_what_is_no_trunk_s_line_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="not a trunk line"):
        trunks({"1": text})


# --- changes, for a review --------------------------------------------------------------------------------------------


@given(some_trunks, some_trunks)
def test_there_are_changes_exactly_where_a_text_differs(before: list[Trunk], after: list[Trunk]) -> None:
    was, will_be = texts(before), texts(after)
    found = changes(was, will_be)
    assert [each.ban for each in found] == sorted(ban for ban in {*was, *will_be} if was.get(ban) != will_be.get(ban))
    assert all(each.added or each.removed for each in found)


def test_a_change_shows_what_comes_and_goes_customer_by_customer() -> None:
    before = texts([trunk("1", "a", "9.0.0.0/8", "11.0.0.0/8"), trunk("2", "b")])
    after = texts([trunk("1", "a", "9.0.0.0/8", "12.0.0.0/8"), trunk("3", "c")])
    assert changes(before, after) == [
        Change("1", ("a: 12.0.0.0/8",), ("a: 11.0.0.0/8",), Count(1, 2, 0), Count(1, 2, 0)),
        Change("2", (), ("b IP_ACL 50 calls/s 500 calls",), Count(1, 0, 0), Count(0, 0, 0)),
        Change("3", ("c IP_ACL 50 calls/s 500 calls",), (), Count(0, 0, 0), Count(1, 0, 0)),
    ]


def test_a_range_that_moves_between_trunks_shows_with_both() -> None:
    before = texts([trunk("1", "a", "9.0.0.0/8"), trunk("1", "b")])
    after = texts([trunk("1", "a"), trunk("1", "b", "9.0.0.0/8")])
    assert changes(before, after) == [Change("1", ("b: 9.0.0.0/8",), ("a: 9.0.0.0/8",), Count(2, 1, 0), Count(2, 1, 0))]


def test_a_range_that_is_switched_off_is_a_change() -> None:
    before, after = texts([trunk("1", "a", "9.0.0.0/8")]), texts([trunk("1", "a", "9.0.0.0/8 off")])
    assert changes(before, after) == [
        Change("1", ("a: 9.0.0.0/8 off",), ("a: 9.0.0.0/8",), Count(1, 1, 0), Count(1, 0, 1))
    ]


def test_nothing_changed_is_no_change() -> None:
    text = texts([trunk("1", "a", "9.0.0.0/8")])
    assert changes(text, dict(text)) == []


def test_the_summary_counts_all_and_shows_the_first() -> None:
    after = texts([trunk("1", "a", *(f"9.{number}.0.0/16" for number in range(30))), trunk("2", "b")])
    reported = summary(changes({}, after), shown=3).split("\n")
    assert reported[0] == "trunk files: 32 lines added, 0 removed, for 2 customers"
    assert reported[1:] == [
        "  BAN 1: + a IP_ACL 50 calls/s 500 calls",
        "  BAN 1: + a: 9.0.0.0/16",
        "  BAN 1: + a: 9.1.0.0/16",
        "  and 29 more",
    ]
    assert "more" not in summary(changes({}, texts([trunk("2", "b")])))
