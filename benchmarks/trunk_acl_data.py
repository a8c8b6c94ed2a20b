"""Trunks as on a wholesale platform, random but reproducible.

A customer has a /24 or so: listed whole, or only hosts and /25 to /31 inside it, or both, and one in ten has IPv6 too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from benchmarks.trunk_texts import Entry, Trunk
from trunk_text import Network

# Public space without reserved ranges: 20.0.0.0 to 99.255.255.255 in steps of /22, and 2600::/16 in steps of /48.
IPV4_BLOCKS = range(20 << 14, 100 << 14)
IPV6_FIRST, IPV6_BLOCKS = 0x2600 << 112, range(1 << 24)
MOST_CUSTOMERS = 60_000


def bans() -> list[str]:
    """All customers that `trunks` may use."""
    return [f"B{number:06}" for number in range(MOST_CUSTOMERS)]


def trunks(entries: int) -> Iterator[Trunk]:
    """Trunks with this many entries in total; the larger set begins with the smaller one."""
    draw = random.Random(15)  # noqa: S311
    places, places6 = (draw.sample(blocks, MOST_CUSTOMERS) for blocks in (IPV4_BLOCKS, IPV6_BLOCKS))
    for ban, place, place6 in zip(bans(), places, places6, strict=True):
        found: dict[Network, None] = dict.fromkeys(_ipv4(draw, place << 10))
        if draw.random() < 0.1:
            found.update(dict.fromkeys(_ipv6(draw, IPV6_FIRST + (place6 << 80))))
        # Some are switched off.
        listed = [Entry(each, draw.random() > 0.02) for each in found][:entries]
        yield Trunk(ban, "main", "IP_ACL", 50, 500, True, tuple(listed))
        entries -= len(listed)
        if not entries:
            return
    raise ValueError(f"{MOST_CUSTOMERS} customers are not enough")


def _ipv4(draw: random.Random, first: int) -> Iterator[IPv4Network]:
    length = draw.choices((22, 23, 24), (5, 15, 80))[0]
    if draw.random() < 0.6:
        yield IPv4Network((first, length))
    for _ in range(draw.randint(5, 45)):
        inside = 32 if draw.random() < 0.7 else draw.randint(25, 31)
        yield IPv4Network((first + (draw.getrandbits(inside - length) << (32 - inside)), inside))


def _ipv6(draw: random.Random, first: int) -> Iterator[IPv6Network]:
    if draw.random() < 0.5:
        yield IPv6Network((first, 48))
    for _ in range(draw.randint(2, 10)):
        inside = draw.choice((56, 64, 128))
        yield IPv6Network((first + (draw.getrandbits(inside - 48) << (128 - inside)), inside))
