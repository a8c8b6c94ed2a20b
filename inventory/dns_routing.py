"""Which of several regions' addresses a name answers with, where its host decides that for each query.

Leaves to others: how a host is told (`components/cloud_dns/routing.py`), and what the policies are set to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """How the host decides. `FIXED`: not at all, everybody gets the first one."""

    FIXED = "fixed"
    GEO = "geo"
    FAILOVER = "failover"


@dataclass(frozen=True)
class Target:
    """One region's address, by the region in which the host looks for the nearest."""

    location: str
    address: str


@dataclass(frozen=True)
class Routing:
    """A policy and what it chooses from: at least one target, the preferred one first.

    `probed`: who does not answer is left out. Nothing is where the listener cannot be probed (UDP).
    """

    policy: Policy
    targets: tuple[Target, ...]
    probed: bool

    @property
    def addresses(self) -> tuple[str, ...]:
        """What may be answered, one of them at a time."""
        return tuple(each.address for each in self.targets)
