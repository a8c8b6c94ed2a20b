"""Trunks as data, to and from the texts of `trunk_text.py`: the program only ever reads or writes the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import groupby

import trunk_text
from trunk_text import OFF, Network, by_trunk, header


@dataclass(frozen=True)
class Entry:
    """One range from which calls are accepted."""

    range: Network
    active: bool = True


@dataclass(frozen=True)
class Trunk(trunk_text.Trunk):
    """One SIP trunk of a customer, whole."""

    entries: tuple[Entry, ...]


def texts(trunks: Iterable[Trunk]) -> dict[str, str]:
    """BAN -> the text of its trunks."""
    ordered = sorted(trunks, key=lambda each: (each.ban, each.name))
    return {
        ban: "\n".join(line for trunk in own for line in _lines(trunk))
        for ban, own in groupby(ordered, key=lambda each: each.ban)
    }


def trunks(customers: Mapping[str, str]) -> list[Trunk]:
    """The inverse of `texts`."""
    return [
        Trunk(**vars(trunk), entries=tuple(Entry(ip_network(range_), active) for range_, active in entries))
        for trunk, entries in by_trunk(customers)
    ]


def _lines(trunk: Trunk) -> Iterator[str]:
    yield header(trunk.name, trunk.auth_type, trunk.calls_per_second, trunk.concurrent_calls, active=trunk.active)
    # By family, first address and length.
    for entry in sorted(trunk.entries, key=lambda each: (each.range.version, each.range)):
        yield f"  {entry.range}{'' if entry.active else OFF}"
