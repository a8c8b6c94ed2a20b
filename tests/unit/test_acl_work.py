"""What a payload of the database asks of a proxy, which calls do it, and what a count means."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamailio.reloader.tables import TABLES, incomplete
from kamailio.reloader.work import EVERYTHING, MOST_SINGLE, NOTHING, Work, name, work_for
from tests.cases import cases

FOUR, SIX = ipaddress.ip_network("192.0.2.1"), ipaddress.ip_network("2001:db8::1")


# What a payload asks for


def test_hosts_are_looked_up_one_by_one() -> None:
    assert work_for("192.0.2.1/32 2001:db8::1/128") == Work(hosts=frozenset({FOUR, SIX}))


def test_dedicated_addresses_load_no_entries() -> None:
    assert work_for("dedicated") == Work(dedicated=True)


def test_limits_are_looked_up_one_by_one() -> None:
    assert work_for("limits main|ACME a.b_c-1|b.B_-9") == Work(limits=frozenset({"main|ACME", "a.b_c-1|b.B_-9"}))
    many = "limits " + " ".join(f"t{n}|ACME" for n in range(MOST_SINGLE + 1))
    for payload in ("limits", many, "limits main", "limits main|ACME x|y|z", "limits Main|ACME"):
        assert work_for(payload) == Work(all_limits=True)


def test_a_range_loads_the_ranges() -> None:
    assert work_for("192.0.2.0/24") == Work(ranges=True)
    assert work_for("192.0.2.1/32 2001:db8::/48") == Work(hosts=frozenset({FOUR}), ranges=True)


@pytest.mark.parametrize("payload", ["all", "", " ", "192.0.2.1/24", "192.0.2.1/32;", "x", "192.0.2.1/32 \x00", "/"])
def test_what_is_not_understood_loads_everything(payload: str) -> None:
    assert work_for(payload) == EVERYTHING


@cases(100, least=100)
@given(st.text())
def test_no_payload_is_an_error_or_nothing(payload: str) -> None:
    assert work_for(payload)


def test_many_hosts_are_one_reload() -> None:
    hosts = [f"10.{n // 250}.{n % 250}.1/32" for n in range(MOST_SINGLE + 1)]
    assert len(work_for(" ".join(hosts[:-1])).hosts) == MOST_SINGLE
    assert work_for(" ".join(hosts[:-1])) | work_for(hosts[-1]) == Work(all_hosts=True)


works = st.builds(
    Work, st.frozensets(st.sampled_from([FOUR, SIX])), st.booleans(), st.booleans(), st.booleans(),
    st.frozensets(st.sampled_from(["main|ACME", "six|ACME"])), st.booleans(),
).map(lambda work: NOTHING | work)  # fmt: skip


@given(works, works, works)
def test_the_order_in_which_work_comes_does_not_matter(one: Work, two: Work, three: Work) -> None:
    assert one | two == two | one
    assert (one | two) | three == one | (two | three)
    assert one | NOTHING == one == one | one
    assert one | EVERYTHING == EVERYTHING


def test_a_host_is_called_as_the_view_calls_it() -> None:
    assert name(FOUR) == "192.0.2.1"
    assert name(SIX) == "620010db8000000000000000000000001"


# Which calls do it


def test_mtree_sets_what_is_there_and_deletes_what_is_not() -> None:
    calls = list(TABLES["mtree"].calls(Work(hosts=frozenset({FOUR, SIX})), {SIX: "main|ACME"}))
    assert calls == [
        ("htable.delete", "acl_hosts", "192.0.2.1"),
        ("htable.sets", "acl_hosts", "620010db8000000000000000000000001", "main|ACME"),
    ]


def test_mtree_loads_hosts_ranges_and_dedicated_addresses_anew() -> None:
    assert list(TABLES["mtree"].calls(EVERYTHING, {})) == [
        ("htable.reload", "acl_hosts"),
        ("mtree.reload", "acl_prefixes"),
        ("htable.reload", "dedicated"),
    ]
    assert list(TABLES["mtree"].calls(Work(ranges=True), {})) == [("mtree.reload", "acl_prefixes")]


@pytest.mark.parametrize("work", [Work(hosts=frozenset({FOUR})), Work(all_hosts=True), Work(ranges=True)])
def test_permissions_loads_all_entries_for_any(work: Work) -> None:
    assert list(TABLES["permissions"].calls(work, {})) == [("permissions.addressReload",)]


# When a count is an alert


def test_a_count_names_part_both_figures_and_remedy() -> None:
    held, counted = {"subnets": 512, "dedicated": 1}, {"hosts": 9, "subnets": 600, "prefixes": 9, "dedicated": 1}
    (line,) = incomplete(TABLES["permissions"], held, counted)
    assert line.startswith("holds 512 of 600 subnets; raise WARP_MAX_SUBNETS ")
    assert incomplete(TABLES["permissions"], held | {"subnets": 600}, counted) == []
