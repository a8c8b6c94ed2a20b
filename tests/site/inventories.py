"""Inventories for the browser: every state of an address, and as much of everything as a page must bear."""

from __future__ import annotations

import json
from ipaddress import IPv6Address
from typing import Any

from inventory.reading import read
from inventory.site.render import render
from tests.unit.published import EUROPE, LIVE, address, endpoint

EVERYTHING = (LIVE, EUROPE)

LONG = "a-name-that-somebody-made-as-long-as-the-cloud-allows-it-to-be-1"
FULL = str(IPv6Address("2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa"))
CROWD: dict[str, Any] = LIVE | {
    "region": "northamerica-northeast1",
    "endpoints": [
        endpoint("primary", f"{LONG}.{LONG}.example.com", FULL, 5060, "UDP"),
        endpoint("secondary", f"{LONG}.example.com", "203.0.113.255", 65535, "TCP"),
    ],
    "addresses": [
        address("udp", FULL, "inbound", purpose=LONG * 2, ports=[5060, 5061, 8080, 8443, 65535]),
        *(address(f"v4-{n}", f"203.0.113.{n}", purpose=LONG) for n in range(100)),
        *(address(f"v6-{n}", f"2001:db8:ffff:eeee:dddd:cccc:bbbb:{n + 0xA000:x}") for n in range(20)),
        address(
            "leaving",
            "203.0.113.200",
            status="draining",
            drainedOn="2026-02-01",
            replacedBy=[f"203.0.113.{n}" for n in range(30)],
        ),
    ],
}


def rendered(*inventories: dict[str, Any]) -> dict[str, bytes]:
    """The files of their site."""
    return render(read(json.dumps(list(inventories))))
