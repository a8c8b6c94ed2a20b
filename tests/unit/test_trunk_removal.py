"""What an update takes out of the trunk files: counted, and refused beyond what is allowed or confirmed."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from settings.trunk_acl import Removals
from tests.cases import cases
from trunk_removal import Allowed, Confirmed, Removal, is_confirmed, removal, unconfirmed


def trunk(*ranges: str, auth: str = "IP_ACL", off: str = "", name: str = "main") -> str:
    return "\n".join([f"{name} {auth} 1 calls/s 1 calls{off}", *(f"  {each}" for each in ranges)])


def many(count: int, first: int = 0) -> list[str]:
    return [f"34.1.{place}.0/24" for place in range(first, first + count)]


BEFORE = {"A": trunk(*many(12)), "B": trunk(*many(7, 20), "34.2.0.0/24 off"), "C": trunk("34.3.0.0/24")}

REMOVALS: dict[str, tuple[dict[str, str | None], tuple[int, tuple[str, ...], tuple[str, ...]]]] = {
    "nothing": ({}, (0, (), ())),
    "one entry": ({"A": trunk(*many(11))}, (1, ("A",), ())),
    "a customer": ({"B": None}, (7, ("B",), ("B",))),
    "a customer of one entry": ({"C": None}, (1, ("C",), ("C",))),
    "the only entry, its trunk stays": ({"C": trunk()}, (1, ("C",), ())),
    "all entries, the trunk stays": ({"A": trunk()}, (12, ("A",), ("A",))),
    "everybody": ({"A": None, "B": None, "C": None}, (20, ("A", "B", "C"), ("A", "B", "C"))),
    "a newcomer": ({"D": trunk("34.9.0.0/24")}, (0, (), ())),
    "other addresses": ({"A": trunk(*many(12, 100))}, (12, ("A",), ())),
    "another trunk's": ({"A": trunk() + "\n" + trunk(*many(12), name="new")}, (0, (), ())),
    "an entry that was off": ({"B": trunk(*many(7, 20))}, (0, (), ())),
    "switched off, entry by entry": ({"C": trunk("34.3.0.0/24 off")}, (0, (), ())),
    "switched off, the trunk": ({"A": trunk(*many(12), off=" off")}, (0, (), ())),
    "by password now": ({"A": trunk(*many(12), auth="DIGEST")}, (0, (), ())),
    "joined": ({"A": trunk("34.1.0.0/21", *many(4, 8))}, (0, (), ())),
    "cut in two": ({"C": trunk("34.3.0.0/25", "34.3.0.128/25")}, (0, (), ())),
    "narrowed": ({"C": trunk("34.3.0.0/25")}, (1, ("C",), ())),
}


@pytest.mark.parametrize("case", REMOVALS)
def test_what_is_taken_out_is_counted(case: str) -> None:
    changed, (entries, bans, entirely) = REMOVALS[case]
    after = {ban: text for ban, text in {**BEFORE, **changed}.items() if text is not None}
    assert removal(BEFORE, after) == Removal(entries, 20, bans, entirely)


def test_ranges_of_trunks_that_let_nobody_in_are_no_entries_but_their_customer_is_one() -> None:
    before = {"A": trunk("34.1.0.0/24", auth="DIGEST"), "B": trunk("34.2.0.0/24", off=" off")}
    assert removal(before, {}) == Removal(0, 0, ("A", "B"), ("A", "B"))


def test_both_families_are_counted() -> None:
    before = {"A": trunk("34.1.0.0/24", "2600:1900::/48", "2600:1901::/48")}
    assert removal(before, {"A": trunk("34.1.0.0/24", "2600:1900::/47")}) == Removal(1, 3, ("A",), ())


networks = some.lists(
    some.tuples(some.integers(0, 255), some.integers(24, 32)).map(
        lambda pair: IPv4Network(((34 << 24) | (pair[0] >> (32 - pair[1]) << (32 - pair[1])), pair[1]))
    ),
    unique=True,
    max_size=12,
)


@cases(200, least=100)
@given(networks, networks)
def test_an_entry_is_gone_when_one_of_its_addresses_is(before: list[IPv4Network], after: list[IPv4Network]) -> None:
    """The oracle looks at every address."""
    left = {address for each in after for address in each}
    gone = sum(1 for each in before if not left.issuperset(each))
    found = removal({"A": trunk(*map(str, before))}, {"A": trunk(*map(str, after))})
    assert (found.entries, found.total) == (gone, len(before))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "allowed", "refused"),
    [
        (Removal(0, 0, (), ()), Allowed(), False),
        (Removal(1, 1, ("A",), ()), Allowed(percent=0), False),
        (Removal(1, 1000, ("A",), ("A",)), Allowed(), True),
        (Removal(1, 1000, ("A",), ("A",)), Allowed(customers=1), False),
        (Removal(2, 1000, ("A", "B"), ("A", "B")), Allowed(customers=1), True),
        (Removal(100, 1000, ("A",), ()), Allowed(), False),
        (Removal(101, 1000, ("A",), ()), Allowed(), True),
        (Removal(2, 19, ("A",), ()), Allowed(), True),
        (Removal(1000, 1000, ("A",), ()), Allowed(percent=100), False),
        (Removal(0, 0, ("A",), ("A",)), Allowed(), True),
    ],
)
def test_what_goes_without_a_confirmation(found: Removal, allowed: Allowed, refused: bool) -> None:
    assert (unconfirmed(found, allowed) is not None) is refused


def test_no_more_entries_and_no_other_customers_are_confirmed_than_the_settings_name() -> None:
    found = Removal(7, 20, ("A", "B"), ("B",))
    for entries, bans in ((6, ("A", "B")), (7, ("A",)), (7, ("A", "C")), (7, ())):
        assert unconfirmed(found, Allowed(confirmed=Confirmed(entries, bans)))
    assert not unconfirmed(found, Allowed(confirmed=Confirmed(7, ("A", "B"))))


def test_one_confirmation_serves_the_preview_and_an_update_that_finds_fewer_rows_than_the_state_has() -> None:
    meant = Allowed(confirmed=Confirmed(7, ("A", "B")))
    assert not unconfirmed(Removal(6, 19, ("A", "B"), ("B",)), meant)
    assert not unconfirmed(Removal(4, 17, ("B",), ("B",)), meant)


def test_the_refusal_is_the_plan_and_its_remedy_is_what_confirms_it() -> None:
    found = removal(BEFORE, {"A": trunk(*many(10)), "C": BEFORE["C"]})
    words = unconfirmed(found, Allowed(confirmed=Confirmed(3, ("C",))))
    assert words
    assert words[0] == (
        "trunk files: 9 of 20 entries would be removed, of BAN A, B; entirely removed: BAN B; without confirmation at"
        " most 2 entries, and no customer entirely; confirmed: 3 entries of BAN C. No row was changed"
    )
    meant = yaml.safe_load(words[1].partition("trunkAcl.removals.confirmed: ")[2])
    allowed = Removals.model_validate({"confirmed": {**meant, "bans": tuple(meant["bans"])}}).allowed
    assert is_confirmed(found, allowed)
    assert unconfirmed(found, allowed) is None


def test_a_message_names_ten_customers_and_the_confirmation_all() -> None:
    bans = tuple(f"{place:03}" for place in range(25))
    words = unconfirmed(Removal(25, 25, bans, bans), Allowed())
    assert words
    assert "009 and 15 more" in words[0]
    assert '"024"]}' in words[1]
