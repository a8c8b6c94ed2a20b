"""`ip-ranges.json`: the ranges in the shape known from AWS and Google, with additional fields.

The date comes from the settings, not from a clock: it is the day of the last change of an address's state. `syncToken`
is that day in milliseconds of Unix time (Google's unit) plus less than a day, derived from a hash of everything
published. So it changes if and only if anything published changes, rises from day to day, and two versions of one day
have the same token once in 86 million. Within a day it can be compared for equality, not for order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import Any, Final

from inventory.address import Address, Direction
from inventory.json_values import Json
from inventory.reading import PublishedInventory

# For an edge without dates in its settings.
UNKNOWN_DAY: Final = date(1970, 1, 1)
MILLISECONDS_A_DAY: Final = 86_400_000
SERVICE: Final = {Direction.OUTBOUND: "EGRESS", Direction.INBOUND: "INGRESS"}


def ip_ranges(inventories: Sequence[PublishedInventory]) -> Json:
    """The document. Retired addresses are separate, so that readers of all `prefixes` do not get them."""
    prefixes = [(address, prefix(address)) for address in addresses(inventories)]
    living = [(address, found) for address, found in prefixes if address.published]
    return {
        "syncToken": str(sync_token(inventories, created_on(inventories))),
        "createDate": f"{created_on(inventories)}-00-00-00",
        "prefixes": [found for address, found in living if _version(address) == 4],
        "ipv6_prefixes": [found for address, found in living if _version(address) == 6],
        "retired": [found for address, found in prefixes if not address.published],
    }


def addresses(inventories: Sequence[PublishedInventory]) -> Iterator[Address]:
    """All addresses of all regions, retired ones included."""
    return (each for inventory in inventories for each in inventory.addresses)


def prefix(address: Address) -> Json:
    """One range of one address, without unknown fields."""
    days = {
        "announcedOn": address.announced_on,
        "activeOn": address.active_on,
        "drainedOn": address.drained_on,
        "retiredOn": address.retired_on,
    }
    found: dict[str, Any] = {
        "ip_prefix" if _version(address) == 4 else "ipv6_prefix": address.cidr,
        "region": address.region,
        "service": SERVICE[address.direction],
        "direction": str(address.direction),
        "status": str(address.status),
        "protocol": "/".join(address.protocols),
        "ports": list(address.ports),
    }
    found |= {key: day.isoformat() for key, day in days.items() if day}
    return found | ({"replacedBy": list(address.replaced_by)} if address.replaced_by else {})


def created_on(inventories: Sequence[PublishedInventory]) -> date:
    """The day of the last thing that happened to any address."""
    days = [day for address in addresses(inventories) for day in address.reached.values()]
    return max(days, default=UNKNOWN_DAY)


def sync_token(inventories: Sequence[PublishedInventory], day: date) -> int:
    """See the module's docstring; `inventories` in the site's order."""
    canonical = json.dumps([each.raw for each in inventories], sort_keys=True, separators=(",", ":"))
    hashed = int.from_bytes(hashlib.sha256(canonical.encode()).digest())
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    return midnight + hashed % MILLISECONDS_A_DAY


def _version(address: Address) -> int:
    return ip_address(address.address).version
