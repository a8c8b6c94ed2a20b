"""Past and upcoming changes of addresses, described for vendors and customers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from inventory import sheets
from inventory.address import Address, Direction, Status
from inventory.published import PublishedInventory
from inventory.site.ranges import UNKNOWN_DAY, addresses, happened

# Random, generated once for this project, so that its ids are unique (RFC 9562, section 5.5).
NAMESPACE: Final = uuid.UUID("7f0c2f3e-6f0a-4a57-9f43-2b8a5d0a8e61")
_ORDER: Final = list(Status)
_HEADLINE: Final = {
    Status.ANNOUNCED: "Announced",
    Status.ACTIVE: "In use",
    Status.DRAINING: "Draining",
    Status.RETIRED: "Retired",
}


@dataclass(frozen=True)
class Event:
    """An address reached a state. `day`: None if it was not recorded."""

    address: Address
    status: Status
    day: date | None

    @property
    def id(self) -> str:
        """A permanent id, from region, address and state only, not from values that may be corrected."""
        name = "\n".join((self.address.region, self.address.address, self.status))
        return f"urn:uuid:{uuid.uuid5(NAMESPACE, name)}"

    @property
    def updated(self) -> date:
        """For what must have a date: its own, or the last one known before it."""
        earlier = [day for state, day in happened(self.address).items() if _ORDER.index(state) <= self._place]
        return max(earlier, default=UNKNOWN_DAY)

    @property
    def title(self) -> str:
        """One line."""
        start = f", from {self.address.active_on}" if self.coming and self.address.active_on else ""
        return f"{_HEADLINE[self.status]}: {self.address.address}, {self.address.region}{start}"

    @property
    def coming(self) -> bool:
        """Whether it announces what is still to come."""
        return self.status is self.address.status is Status.ANNOUNCED

    @property
    def text(self) -> str:
        """What it means and what to do."""
        address, inward = self.address, self.address.direction is Direction.INBOUND
        where = f"{address.address}, region {address.region}, {carries(address)}, {address.purpose}"
        then = f" What comes after it: {', '.join(address.replaced_by)}." if address.replaced_by else ""
        notice = f" Less notice than promised: {address.notice_reason}." if address.notice_reason else ""
        match self.status:
            case Status.ANNOUNCED if self.coming:
                what = sheets.coming(address) if inward else f"{address.address} {sheets.when(address)}"
                told = f"{what}.{notice}"
            case Status.ANNOUNCED:
                told = f"It was announced.{notice}"
            case Status.ACTIVE:
                told = "Customers send calls to it." if inward else "Our calls come from it: it must be in your list."
            case Status.DRAINING:
                told = f"No new calls come from it, calls that run may end: keep it in your list.{then}"
            case Status.RETIRED:
                told = f"It is no longer ours: remove it from your lists.{then}"
        day = f" ({self.day})" if self.day else " (the day was not written down)"
        return f"{_HEADLINE[self.status]}{day}: {where}. {told}"

    @property
    def _place(self) -> int:
        return _ORDER.index(self.status)


def carries(address: Address) -> str:
    """`UDP/TCP 5060`: the destination ports of its traffic."""
    return f"{'/'.join(address.protocols)} {', '.join(str(port) for port in address.ports)}"


def events(inventories: Sequence[PublishedInventory]) -> list[Event]:
    """Upcoming events first, the next one on top; then past ones, newest first.

    A state without a date is listed while it lasts, except `active`.
    """
    found = [
        Event(address, status, happened(address).get(status))
        for address in addresses(inventories)
        for status in Status
        if status in happened(address) or (status is address.status and status is not Status.ACTIVE)
    ]
    return sorted(found, key=_order)


def _order(event: Event) -> tuple[bool, int, int, str, str]:
    soonest = (event.address.active_on or date.max).toordinal() if event.coming else -event.updated.toordinal()
    return not event.coming, soonest, _ORDER.index(event.status), event.address.region, event.address.address
