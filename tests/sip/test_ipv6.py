"""IPv6 sources and destinations. Loopback has one address, ::1, so ranges around it are what changes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from sandbox.acl import Acl
from tests.sip.edge import SOON, Edge, seconds_until


def test_a_host_is_accepted(edge: Edge) -> None:
    answer = edge.six()
    assert (answer.status, answer.headers["x-warp-ban"], answer.headers["x-warp-trunk"]) == (200, "ACME", "six")


@pytest.fixture(scope="module")
def without_the_host(acl: Acl, edge: Edge) -> Iterator[Acl]:
    acl.remove("::1")
    seconds_until(lambda: edge.six().status == 403, SOON)
    yield acl
    acl.add("ACME", "six", "::1")
    seconds_until(lambda: edge.six().status == 200, SOON)


@pytest.mark.parametrize("range_", ["::/127", "::/125", "::/64", "::/63", "::/16"])
def test_a_range_with_the_source_in_it_is_accepted(without_the_host: Acl, edge: Edge, range_: str) -> None:
    assert ipaddress.ip_address("::1") in ipaddress.ip_network(range_)
    without_the_host.add("ACME", "main", range_)
    try:
        seconds_until(lambda: edge.six().status == 200, SOON)
        assert edge.six().headers["x-warp-trunk"] == "main"
    finally:
        without_the_host.remove(range_)
    seconds_until(lambda: edge.six().status == 403, SOON)


@pytest.mark.parametrize("range_", ["::2/127", "::4/126", "0:0:0:1::/64"])
def test_a_range_beside_the_source_is_not_its(without_the_host: Acl, edge: Edge, range_: str) -> None:
    assert ipaddress.ip_address("::1") not in ipaddress.ip_network(range_)
    before = reloads(edge)
    without_the_host.add("ACME", "main", range_)
    try:
        seconds_until(lambda: reloads(edge) > before, SOON)
        assert edge.six().status == 403
    finally:
        without_the_host.remove(range_)


def test_the_longest_prefix_wins(without_the_host: Acl, edge: Edge) -> None:
    without_the_host.add("ACME", "main", "::/64")
    without_the_host.add("ACME", "inner", "::/126")
    try:
        seconds_until(lambda: edge.six().headers.get("x-warp-trunk") == "inner", SOON)
    finally:
        without_the_host.remove("::/64", "::/126")


def reloads(edge: Edge) -> float:
    return edge.metric("warp_acl_reloads_total") or 0
