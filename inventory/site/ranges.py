"""`ip-ranges.json` in the shape of AWS, and `goog.json` in that of Google, so that their readers can read ours.

Both have the moment of publication. No clock is read: the day is that of the last change of an address's state; the
time of the day rises with the number of everything that is recorded of all addresses, each state that one has reached
and each date of one. So the moment never goes back when a change is recorded, whatever its date: one of today has a
later day, one that is entered late counts as one more. Within the time of one number a hash of everything published
tells versions apart that differ in details alone. `syncToken` is that moment in Unix time: seconds in AWS's file
(docs.aws.amazon.com/vpc/latest/userguide, "AWS IP address ranges: syntax"), milliseconds in Google's
(support.google.com/a/answer/10026322).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import ip_address
from typing import Any, Final

from inventory.address import Address, Direction, Status
from inventory.json_values import Json
from inventory.reading import PublishedInventory, last_change

# For an edge without dates in its settings.
UNKNOWN_DAY: Final = date(1970, 1, 1)
DAY: Final = 86_400  # seconds
# Record n begins at n / (n + HALF) of the day: each of the first ones has 11 minutes, the 300th a minute. Above 3,000
# they no longer have a second each.
HALF: Final = 128
_STEPS: Final = list(Status)
SERVICE: Final = {Direction.OUTBOUND: "EGRESS", Direction.INBOUND: "INGRESS"}


def ip_ranges(inventories: Sequence[PublishedInventory]) -> Json:
    """`ip-ranges.json`. Retired addresses are separate, so that readers of all `prefixes` do not get them."""
    moment = published_at(inventories)
    prefixes = [(address, prefix(address)) for address in addresses(inventories)]
    living = [(address, found) for address, found in prefixes if address.published]
    return {
        "syncToken": str(int(moment.timestamp())),
        "createDate": f"{moment:%Y-%m-%d-%H-%M-%S}",
        "prefixes": [found for address, found in living if _version(address) == 4],
        "ipv6_prefixes": [found for address, found in living if _version(address) == 6],
        "retired": [found for address, found in prefixes if not address.published],
    }


def google_ranges(inventories: Sequence[PublishedInventory]) -> Json:
    """`goog.json`: all addresses in use, with service and region as in Google's `cloud.json`."""
    moment = published_at(inventories)
    return {
        "syncToken": str(int(moment.timestamp()) * 1000),
        "creationTime": f"{moment:%Y-%m-%dT%H:%M:%S.%f}",
        "prefixes": [
            {
                f"ipv{_version(address)}Prefix": address.cidr,
                "service": SERVICE[address.direction],
                "scope": address.region,
            }
            for address in addresses(inventories)
            if address.published
        ],
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
        "network_border_group": address.region,
        "service": SERVICE[address.direction],
        "direction": str(address.direction),
        "status": str(address.status),
        "protocol": "/".join(address.opened),
        "ports": list(address.ports),
    }
    found |= {key: day.isoformat() for key, day in days.items() if day}
    return found | ({"replacedBy": list(address.replaced_by)} if address.replaced_by else {})


def created_on(inventories: Sequence[PublishedInventory]) -> date:
    """The day of the last thing that happened to any address."""
    return last_change(inventories) or UNKNOWN_DAY


def published_at(inventories: Sequence[PublishedInventory]) -> datetime:
    """See the module's docstring; `inventories` in the site's order."""
    records = sum(_STEPS.index(each.status) + 1 + len(each.reached) for each in addresses(inventories))
    begin, end = _second_of(records), _second_of(records + 1)
    canonical = json.dumps([each.raw for each in inventories], sort_keys=True, separators=(",", ":"))
    within = int.from_bytes(hashlib.sha256(canonical.encode()).digest()) % max(end - begin, 1)
    day = datetime.combine(created_on(inventories), time(), UTC)
    return day + timedelta(seconds=begin + within)


def _second_of(records: int) -> int:
    """The second of a day at which so many records begin; it never reaches the end of the day."""
    return DAY * records // (records + HALF)


def _version(address: Address) -> int:
    return ip_address(address.address).version
