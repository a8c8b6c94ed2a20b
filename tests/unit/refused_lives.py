"""Refusals of settings: retired addresses, and the lives of addresses in dates (`test_settings_refusals.py`)."""

from __future__ import annotations

from typing import Any

CLUSTER, INGRESS, EGRESS = "warp-edge:cluster", "warp-edge:ingress", "warp-edge:egress"
DNS, DATABASE, LEGACY, COST = "warp-edge:dns", "warp-edge:database", "warp-edge:legacy", "warp-edge:cost"
ACTIVE = {"state": "active"}
RETIRED = {"address": "192.0.2.1", "purpose": "p", "kind": "NAT", "direction": "outbound"}
OLD_INGRESS = RETIRED | {"kind": "LoadBalancer", "direction": "inbound"}
ANNOUNCED, DRAINING = {"state": "announced"}, {"state": "draining"}
SLOT = (EGRESS, "slots", "warp-nat-ip-1")
WHY = {"noticeOverride": {"reason": "the carrier asked for it"}}
NEW_UDP = {"protocol": "UDP"}
SAME_DAY = {"drainedOn": "2026-01-01", "retiredOn": "2026-01-01"}
NAT = {"router": {"name": "r"}, "slots": {"n": ACTIVE}, "dynamicPorts": True}
BACKWARDS = {"activeOn": "2026-01-02", "retiredOn": "2026-01-01"}


def dates(*days: str) -> dict[str, str]:
    return dict(zip(("announcedOn", "activeOn", "drainedOn", "retiredOn"), days, strict=False))


# Where in `Pulumi.prod.yaml`, the value, and: key, problem and remedy as reported.
OF_LIVES: list[tuple[tuple[str, ...], Any, str, str, str]] = [
    # Retired addresses
    ((LEGACY, "old"), RETIRED | {"address": "34.58.165"}, ".address", "not an IP address", "write it as 192.0.2.1"),
    (
        (LEGACY, "old"),
        RETIRED | {"replacedBy": ["nowhere"]},
        "<",
        "nowhere, which is not in this stack",
        "of this stack",
    ),
    (
        (LEGACY, "old"),
        RETIRED | {"direction": "inbound"},
        ".direction",
        "a NAT has no inbound",
        "LoadBalancer goes with",
    ),
    ((LEGACY, "old"), RETIRED | {"kind": "LoadBalancer"}, ".direction", "a LoadBalancer has no outbound", "NAT goes"),
    (
        (LEGACY, "old"),
        OLD_INGRESS | {"replacedBy": ["warp-nat-ip-1"]},
        "<",
        "'old' is inbound, and warp-nat-ip-1, which replaces it, is outbound",
        "name an inbound address in replacedBy",
    ),
    (
        (LEGACY, "old"),
        RETIRED | {"replacedBy": ["warp-nat-ip-1", "kamailio-sip-udp-ip"]},
        "<",
        "'old' is outbound, and kamailio-sip-udp-ip, which replaces it, is inbound",
        "name an outbound address in replacedBy",
    ),
    ((LEGACY, "old"), RETIRED | {"replacedBy": ["sip-ringer-tel-old"]}, "<", "which replaces it, is inbound", "an"),
    ((LEGACY, "old"), RETIRED | {"address": "::ffff:203.0.113.5"}, ".address", "IPv4-mapped IPv6", "as 203.0.113.5"),
    ((LEGACY, "old"), RETIRED | {"address": "::ffff:cb00:7105"}, ".address", "IPv4-mapped IPv6", "as 203.0.113.5"),
    ((INGRESS, "sourceRanges"), ["::ffff:203.0.113.0/120"], "[0]", "IPv4-mapped IPv6", "as 203.0.113.0/24"),
    (
        (LEGACY, "old"),
        RETIRED | {"address": "0.0.0.0"},
        ".address",
        "not a unicast host address",
        "use the address of a host",
    ),
    (
        (LEGACY, "old"),
        RETIRED | {"address": "::"},
        ".address",
        "not a unicast host address",
        "use the address of a host",
    ),
    (
        (LEGACY, "old"),
        RETIRED | {"address": "224.0.0.1"},
        ".address",
        "not a unicast host address",
        "use the address of a host",
    ),
    (
        (LEGACY, "old"),
        RETIRED | {"address": "255.255.255.255"},
        ".address",
        "not a unicast host address",
        "address of a host",
    ),
    ((INGRESS, "internal", "ports"), {"a-name-of-sixteen": 1}, ".a-name-of-sixteen", "not a valid name", "15 at most"),
    (("warp-edge:labels",), {"team": "sip-"}, ".team", "not a valid name", "use lower-case letters"),
    ((DATABASE, "network", "authorised"), {"half": "0.0.0.0/1"}, ".half", "wider than /8", "name the ranges"),
    ((DATABASE, "network", "authorised"), {"lan": "10.1.0.0/16"}, "", "is a private range", "range behind the NAT"),
    ((DATABASE, "network", "authorised"), {"six": "2001:db8::/32"}, "", "is IPv6", "name its IPv4 range"),
    ((DATABASE, "backups", "logRetentionDays"), 8, "<", "7 days at most", "keep 7 days"),
    ((LEGACY, "warp-nat-ip-1"), RETIRED, "<", "is both in use and retired", "remove it from legacy"),
    # The life of an address
    (("warp-edge:noticeDays",), -1, "", "too small", "use 0 or more"),
    (("warp-edge:noticeDays",), 30.5, "", "not a whole number", "write a bare number"),
    ((*SLOT, "announcedOn"), "31.01.2026", "", "not a date", 'write it as "2026-01-31"'),
    ((*SLOT, "announcedOn"), "2026-02-30", "", "not a date", "write it as"),
    ((*SLOT, "announcedOn"), "2026-01-31T10:00:00Z", "", "not a date", "write it as"),
    ((*SLOT, "announcedOn"), "2026-01-31 10:00:00 +0000 UTC", "", "not a date", "write it as"),
    ((*SLOT, "announcedOn"), 20260131, "", "not a date", "write it as"),
    ((*SLOT, "announcedOn"), "9999-12-31", "", "a date out of range", "use one from 2000-01-01"),
    (
        SLOT,
        ACTIVE | {"announcedOn": "2026-01-01"},
        ".activeOn",
        "announcedOn is given, but this date is not",
        "add activeOn",
    ),
    (
        SLOT,
        DRAINING | {"activeOn": "2026-01-01"},
        ".drainedOn",
        "activeOn is given, but this date is not",
        "add drainedOn",
    ),
    (
        SLOT,
        DRAINING | dates("2026-03-01", "2026-02-01", "2026-04-01"),
        ".activeOn",
        "announcedOn is 2026-03-01",
        "corr",
    ),
    (SLOT, DRAINING | dates("2026-01-01", "2026-02-01", "2026-01-31"), ".drainedOn", "activeOn is 2026-02-01", "corr"),
    (
        SLOT,
        ACTIVE | dates("2026-01-01", "2026-02-01", "2026-03-01"),
        ".drainedOn",
        "is active, not draining",
        "or",
    ),
    (SLOT, ANNOUNCED | {"drainedOn": "2026-01-01"}, ".drainedOn", "announced, not draining", "remove drainedOn"),
    (SLOT, ANNOUNCED | {"activeOn": "2026-01-01"}, ".activeOn", "without a date", "add announcedOn"),
    (SLOT, ACTIVE | {"retiredOn": "2026-01-01"}, ".retiredOn", "no such setting", "docs/settings.md"),
    (SLOT, ACTIVE | dates("2026-01-01", "2026-01-30"), "<<", "29 days after it is announced", "2026-01-31 or later"),
    (
        SLOT,
        ANNOUNCED | dates("2026-01-01", "2026-01-01"),
        "<<",
        "warp-nat-ip-1 becomes active 0 days",
        "noticeOverride",
    ),
    (
        SLOT,
        ACTIVE | dates("2026-01-01", "2026-01-31") | WHY,
        "<<",
        "full notice (30 days)",
        "remove its noticeOverride",
    ),
    (SLOT, ACTIVE | WHY, ".noticeOverride", "no notice to shorten", "give announcedOn and activeOn"),
    (SLOT, ACTIVE | {"noticeOverride": {"reason": ""}}, ".noticeOverride.reason", "at least 1 character", "docs"),
    (SLOT, ACTIVE | {"noticeOverride": {}}, ".noticeOverride.reason", "this setting is required", "add it"),
    (
        SLOT,
        ACTIVE | {"replacedBy": ["warp-nat-ip-9"]},
        "<",
        "warp-nat-ip-9, which is not another slot",
        "name an announced or active slot",
    ),
    (
        SLOT,
        ACTIVE | {"replacedBy": ["warp-nat-ip-1"]},
        "<",
        "warp-nat-ip-1, which is not another slot",
        "name an announced or active slot",
    ),
    ((LEGACY, "old"), RETIRED | {"drainedOn": "2026-01-01"}, ".retiredOn", "drainedOn is given", "add retiredOn"),
    ((LEGACY, "old"), RETIRED | SAME_DAY, ".retiredOn", "on the day on which it began to drain", "on a later day"),
    (
        (LEGACY, "old"),
        OLD_INGRESS | {"drainedOn": "2026-01-01", "retiredOn": "2026-01-02"},
        ".drainedOn",
        "only egress and dedicated addresses drain",
        "remove drainedOn",
    ),
    ((LEGACY, "old"), RETIRED | BACKWARDS, ".retiredOn", "activeOn is 2026-01-02", "correct one of the dates"),
    ((INGRESS, "udp", "announcedOn"), "2026-01-01", "/activeOn", "announcedOn is given", "add activeOn"),
    ((INGRESS, "announced"), {"kamailio-sip-udp-ip": NEW_UDP}, "", "is both active and announced", "remove it from"),
    ((INGRESS, "announced"), {"a": NEW_UDP, "b": NEW_UDP}, "", "a and b are announced for UDP", "announce one"),
    ((INGRESS, "announced"), {"warp-nat-ip-1": NEW_UDP}, EGRESS, "is an ingress address", "reserve another"),
    (
        (INGRESS, "announced"),
        {"a": NEW_UDP | {"activeOn": "2026-01-01"}},
        ".a.activeOn",
        "without a date",
        "add announ",
    ),
    ((INGRESS, "announced"), {"a": NEW_UDP | dates("2026-01-01", "2026-01-09")}, "<", "a becomes active 8 days", "or"),
    ((INGRESS, "announced"), {"a": {"protocol": "SCTP"}}, ".a.protocol", "known values", "use UDP or TCP"),
    ((LEGACY, "old"), RETIRED | {"kind": "VPN"}, ".kind", "known values", "use LoadBalancer or NAT"),
]
