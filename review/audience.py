"""Visibility of a change to vendors and customers."""

from __future__ import annotations

from enum import Enum

from inventory.address import Direction


class Audience(Enum):
    """The value is the heading in reports. Egress addresses are in customers' firewalls too: media comes from them."""

    VENDORS = "Visible to vendors, and in customers' firewalls"
    CUSTOMERS = "Visible to customers"
    BOTH = "Visible to vendors and customers"
    ANYBODY = "Visibility not known: check manually"
    NOBODY = "Not visible outside"

    @property
    def inline(self) -> str:
        """The heading within a line."""
        return f"{self.value[0].lower()}{self.value[1:]}"

    @property
    def outside(self) -> bool:
        """Whether vendors or customers may notice."""
        return self is not Audience.NOBODY


def audience_of(direction: Direction) -> Audience:
    """The audience of an address."""
    return Audience.VENDORS if direction is Direction.OUTBOUND else Audience.CUSTOMERS
