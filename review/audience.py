"""Who outside sees a change."""

from __future__ import annotations

from enum import Enum

from inventory.address import Direction


class Audience(Enum):
    """The value is the heading people read. Vendors' addresses are in customers' firewalls too: media leaves there."""

    VENDORS = "Vendors see; customers let these in through their firewalls, too"
    CUSTOMERS = "Customers see"
    BOTH = "Vendors and customers see"
    ANYBODY = "Visibility not known: check by hand"
    NOBODY = "Nobody outside sees"

    @property
    def inline(self) -> str:
        """The heading within a line."""
        return f"{self.value[0].lower()}{self.value[1:]}"

    @property
    def outside(self) -> bool:
        """Whether somebody who is not ours may notice."""
        return self is not Audience.NOBODY


def audience_of(direction: Direction) -> Audience:
    """Who is told of an address."""
    return Audience.VENDORS if direction is Direction.OUTBOUND else Audience.CUSTOMERS
