"""Why a range cannot be a trunk's entry, as the database says it (`trunk_acl.unfit`), without the database.

The list of reserved ranges is the newest migration's that fills `trunk_acl.reserved_ranges`; source and date stand
there. Python's own `is_global` is no substitute: it differs from the registries, and from one Python to the next.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from operator import attrgetter

from components.trunk_acl import migrations, ranges
from settings.trunk_acl import Limits
from trunk_text import Network

_FILLS = "INSERT INTO trunk_acl.reserved_ranges"
_ROW = re.compile(r"^    \('([0-9a-f.:/]+)', '([^']+)', '([^']+)'\)[,;]$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One reserved range, its name, and the RFC that reserves it."""

    range: Network
    name: str
    source: str


@cache
def blocks() -> dict[int, tuple[Block, ...]]:
    """IP version -> its reserved ranges, sorted, none inside another."""
    newest = next(each.sql for each in reversed(migrations.load()) if _FILLS in each.sql)
    found = [Block(ip_network(range_), name, source) for range_, name, source in _ROW.findall(newest)]
    found.sort(key=lambda each: int(each.range.network_address))
    return {version: tuple(each for each in found if each.range.version == version) for version in (4, 6)}


class Fitness:
    """What the limits of one stack make of ranges."""

    def __init__(self, limits: Limits) -> None:
        self._widest = {4: limits.widest_ipv4, 6: limits.widest_ipv6}
        self._allowed = [ip_network(text) for text in limits.allow_reserved]
        self._firsts, self._lasts = (
            {version: [int(end(each.range)) for each in listed] for version, listed in blocks().items()}
            for end in (attrgetter("network_address"), attrgetter("broadcast_address"))
        )

    def unfit(self, version: int, first: int, length: int) -> str | None:
        """The first reason why a range (`ranges.Range`) cannot be an entry, None when it can."""
        widest = self._widest[version]
        if length < widest:
            return f"{ranges.written(version, first, length)} is wider than /{widest}"
        place = bisect_left(self._lasts[version], first)
        firsts = self._firsts[version]
        if place == len(firsts) or firsts[place] > ranges.last(version, first, length):
            return None
        network = ranges.network(version, first, length)
        if any(_inside(network, each) for each in self._allowed):
            return None
        block = blocks()[version][place]
        how = "is in" if _inside(network, block.range) else "contains"
        return f"{network} {how} {block.range}, reserved: {block.name} ({block.source})"


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
