"""DNS routing: which of several regions' addresses is answered for a name, decided by its host for each query.

How Cloud DNS is configured is in `components/cloud_dns/host.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """How the host chooses. `FIXED`: always the first one."""

    FIXED = "fixed"
    GEO = "geo"
    FAILOVER = "failover"


@dataclass(frozen=True)
class Target:
    """One region's address, with the region as its location."""

    location: str
    address: str


@dataclass(frozen=True)
class Routing:
    """A policy and its targets: at least one, the preferred one first.

    `probed`: targets that do not answer are left out. False if the listener cannot be probed (UDP).
    """

    policy: Policy
    targets: tuple[Target, ...]
    probed: bool

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses, of which one is answered at a time."""
        return tuple(each.address for each in self.targets)
