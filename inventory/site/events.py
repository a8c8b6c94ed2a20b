"""Past and upcoming changes of addresses, described for vendors and customers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from inventory import sheet_texts
from inventory.address import Address, Calls, Direction, Status
from inventory.formats.selection import token
from inventory.reading import PublishedInventory
from inventory.site.ranges import UNKNOWN_DAY, addresses

# Random, generated once for this project, so that its ids are unique (RFC 9562, section 5.5).
NAMESPACE: Final = uuid.UUID("7f0c2f3e-6f0a-4a57-9f43-2b8a5d0a8e61")
_ORDER: Final = list(Status)


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
    def anchor(self) -> str:
        """Its permanent place on the page."""
        return "-".join((token(self.address.region), self.address.address, self.status))

    @property
    def updated(self) -> date:
        """Of a page in order of days: its own, or the last one known before it."""
        earlier = [day for state, day in self.address.reached.items() if _ORDER.index(state) <= self._place]
        return max(earlier, default=UNKNOWN_DAY)

    @property
    def title(self) -> str:
        """One line."""
        start = f", from {self.address.active_on}" if self.coming and self.address.active_on else ""
        return f"{self.status.state.headline}: {self.address.address}, {self.address.region}{start}"

    @property
    def coming(self) -> bool:
        """Whether it announces what is still to come."""
        return self.address.coming and self.status is self.address.status

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """The addresses after this one, of an event that takes it out of use."""
        return () if self.status.state.calls in (Calls.NOT_YET, Calls.NEW) else self.address.replaced_by

    @property
    def text(self) -> str:
        """What it means and what to do."""
        address, state, inward = self.address, self.status.state, self.address.direction is Direction.INBOUND
        where = f"{address.address}, region {address.region}, {sheet_texts.carries(address)}, {address.purpose}"
        then = f" Replaced by {', '.join(self.replaced_by)}." if self.replaced_by else ""
        notice = f" Less notice than promised: {address.notice_reason}." if address.notice_reason else ""
        if self.coming:
            told = f"{sheet_texts.coming(address) if inward else f'{address.address} {sheet_texts.when(address)}'}."
        else:
            told = state.meaning[0 if inward else 1]
        if state.calls is Calls.NOT_YET:
            told += notice
        told += then
        day = f" ({self.day})" if self.day else " (the day was not written down)"
        return f"{state.headline}{day}: {where}. {told}"

    @property
    def _place(self) -> int:
        return _ORDER.index(self.status)


def events(inventories: Sequence[PublishedInventory]) -> list[Event]:
    """Upcoming events first, the next one on top; then past ones, newest first.

    A state without a date is listed while it lasts, except `active`.
    """
    found = [
        Event(address, status, address.reached.get(status))
        for address in addresses(inventories)
        for status in Status
        if status in address.reached or (status is address.status and status.state.calls is not Calls.NEW)
    ]
    return sorted(found, key=_order)


def _order(event: Event) -> tuple[bool, int, int, str, str]:
    soonest = (event.address.active_on or date.max).toordinal() if event.coming else -event.updated.toordinal()
    return not event.coming, soonest, _ORDER.index(event.status), event.address.region, event.address.address
