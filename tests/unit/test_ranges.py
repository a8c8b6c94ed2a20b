"""Ranges as integers: read, written and sorted as `ipaddress` does it."""

from __future__ import annotations

import random
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.trunk_acl.ranges import last, network, of_network, parsed, written

Network = IPv4Network | IPv6Network


def networks(count: int) -> list[Network]:
    chance = random.Random(7)
    found: list[Network] = []
    for _ in range(count):
        width = chance.choice((32, 128))
        length = chance.randint(0, width)
        # Many zeros, and what ends in an IPv4 address: both have spellings of their own.
        bits = chance.getrandbits(width) & chance.choice((-1, 0xFFFF, 0xFFFFFFFF, 0xFFFF << 96, 0xFFFF << 16))
        start = (bits | chance.choice((0, 0xFFFF << 32 if width == 128 else 0))) >> (width - length) << (width - length)
        found.append(IPv4Network((start, length)) if width == 32 else IPv6Network((start, length)))
    return found


def test_what_is_read_is_what_is_written_and_sorts_the_same() -> None:
    made = networks(3000)
    for each in made:
        version, first, length = of_network(each)
        assert written(version, first, length) == str(each)
        assert network(version, first, length) == each
        assert last(version, first, length) == int(each.broadcast_address)
        assert parsed(str(each)) in (of_network(each), None)
    assert sum(1 for each in made if parsed(str(each))) > 2500
    key = [(each.version, int(each.network_address), each.prefixlen) for each in made]
    assert sorted(map(of_network, made)) == sorted(key)


@given(some.text(alphabet="0123456789abcdefF:./% x\x00é٣", max_size=24))
def test_no_text_is_read_otherwise_than_ipaddress_reads_it(text: str) -> None:
    found = parsed(text)
    if found is not None:
        assert found == of_network(ip_network(text))


@pytest.mark.parametrize(
    "text",
    ["010.1.2.3", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.0/23 ", "1.2.3.4/24", "1.2.3.0/٢٤", "::/129", "1::2::3",
     "fe80::1%eth0", "1.2.3.0/255.255.255.0", "", "/24", "00001::", "1.2.3.4\x00"],
)  # fmt: skip
def test_what_is_unusual_is_left_to_ipaddress(text: str) -> None:
    assert parsed(text) is None
