"""A stack with all that a region can have at once: what no stack of this repository has is tested in it."""

from __future__ import annotations

from typing import Any

from engine.record import GatewayUse
from tests.stacks import Config, changed, stack_config
from tests.unit.cloud import LIVE_ADDRESSES, SUBNETWORK

COMING = {"announcedOn": "2026-01-01", "activeOn": "2026-06-01"}
RETIRED = {
    "purpose": "Old ingress", "kind": "LoadBalancer", "direction": "inbound",
    "announcedOn": "2024-01-01", "activeOn": "2024-03-01", "retiredOn": "2026-01-01",
}  # fmt: skip

# UDP and TCP with a name of its own; UDP alone; TCP alone with a name; one that drains.
DEDICATED: dict[str, Any] = {
    "acme": {"ban": "100001", "targetPort": 15060, "tcp": {}, "dnsName": "acme"},
    "beta": {"ban": "100002", "targetPort": 15064},
    "gamma": {"ban": "100003", "targetPort": 15072, "udp": None, "tcp": {}, "dnsName": "gamma"},
    "gone": {
        "ban": "100004", "targetPort": 15068, "tcp": {},
        "announcedOn": "2025-01-01", "activeOn": "2025-02-01", "drainedOn": "2026-02-01",
    },
}  # fmt: skip
ALERTS: dict[str, Any] = {
    "manage": True,
    "channels": {"noc": {"type": "email", "to": "noc@example.com"}},
    "existingChannels": ["projects/warp-sandbox/notificationChannels/7"],
    "probe": {"targets": {"east": {"address": "34.1.9.1"}}},
}
CHANGES: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("warp-edge:quotas",), {"staticAddresses": 40, "forwardingRules": 40}),
    (("warp-edge:noticeDays",), 14),
    (("warp-edge:ingress", "ipv6Subnetwork"), SUBNETWORK),
    (("warp-edge:ingress", "udp", "ipv6"), {"state": "active"}),
    (("warp-edge:ingress", "tcp", "ipv6"), {"state": "announced", **COMING}),
    (
        ("warp-edge:ingress", "announced"),
        {"new-udp": {"protocol": "UDP", "purpose": "More calls", **COMING}, "new-tcp": {"protocol": "TCP"}},
    ),
    (("warp-edge:dedicated",), DEDICATED),
    (
        ("warp-edge:egress", "slots"),
        {
            "warp-nat-ip-1": {"state": "active"},
            "warp-nat-ip-2": {"state": "active"},
            "warp-nat-ip-3": {
                "state": "draining", "activeOn": "2025-01-01", "drainedOn": "2026-02-01",
                "replacedBy": ["warp-nat-ip-4"],
            },
            "warp-nat-ip-4": {"state": "active", "announcedOn": "2025-06-01", "activeOn": "2025-07-01"},
            "warp-nat-ip-5": {
                "state": "announced", "announcedOn": "2026-05-25", "activeOn": "2026-06-01",
                "noticeOverride": {"reason": "agreed with every vendor"},
            },
        },
    ),
    (
        ("warp-edge:legacy",),
        {
            "old-udp": RETIRED | {"address": "34.9.9.8", "replacedBy": ["kamailio-sip-udp-ip"]},
            "old-own": RETIRED | {"address": "34.9.9.9", "customer": "100001"},
        },
    ),
    (
        ("warp-edge:database", "network"),
        {
            "privateNetwork": "projects/p/global/networks/n",
            "peeringRange": "peering",
            "authorised": {"a": "192.0.2.0/24"},
        },
    ),
    (("warp-edge:database", "iamAuthentication"), True),
    (("warp-edge:database", "iamUsers"), ["ann@example.com"]),
    (("warp-edge:dns", "backend"), "both"),
    (("warp-edge:dns", "naptr"), True),
    (("warp-edge:protection",), {"mode": "advanced"}),
    (("warp-edge:alerts",), ALERTS),
)  # fmt: skip
# Of all that is reserved, so that no IP depends on the order in which the SDK's threads ask.
ADDRESSES = LIVE_ADDRESSES | {
    "warp-nat-ip-4": "34.1.1.4",
    "warp-nat-ip-5": "34.1.1.5",
    "new-udp": "34.1.2.1",
    "new-tcp": "34.1.2.2",
    "sip-acme-udp-ip": "34.1.3.1",
    "sip-acme-tcp-ip": "34.1.3.2",
    "sip-beta-udp-ip": "34.1.3.3",
    "sip-gamma-tcp-ip": "34.1.3.4",
    "sip-gone-udp-ip": "34.1.3.5",
    "sip-gone-tcp-ip": "34.1.3.6",
    "kamailio-sip-udp-ip-ipv6": "2001:db8::1",
    "kamailio-sip-tcp-ip-ipv6": "2001:db8::2",
    "new-udp-ipv6": "2001:db8::3",
    "new-tcp-ipv6": "2001:db8::4",
}
BEFORE = GatewayUse(frozenset({"warp-nat-ip-1", "warp-nat-ip-2", "warp-nat-ip-3"}))  # the last one is to drain


def everything() -> Config:
    """The sandbox's stack with all that it might have besides."""
    config = stack_config("sandbox")
    for path, value in CHANGES:
        config = changed(config, path, value)
    return config
