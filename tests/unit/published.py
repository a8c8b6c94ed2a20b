"""Inventories as files: two regions, every state of an address, and one whose free text means harm."""

from __future__ import annotations

import copy
from ipaddress import IPv6Address
from typing import Any

from inventory.outputs import with_digest

Json = dict[str, Any]

# live-edge.md, "Reserved static addresses" and "Legacy".
UDP, TCP = "34.44.183.87", "34.55.182.145"
NAT = ["34.57.46.26", "35.223.15.88", "136.111.96.47"]
RETIRED = ["34.58.165.135", "35.188.144.139"]


def address(name: str, ip: str, direction: str = "outbound", status: str = "active", **more: Any) -> Json:
    inward = direction == "inbound"
    return {
        "purpose": "Customer ingress" if inward else "Vendor egress",
        "name": name,
        "address": ip,
        "kind": "LoadBalancer" if inward else "NAT",
        "direction": direction,
        "protocol": "UDP/TCP",
        "ports": [5060],
        "region": "us-central1",
        "status": status,
    } | more


def endpoint(role: str, server: str, ip: str, port: int, transport: str) -> Json:
    return {"role": role, "server": server, "address": ip, "port": port, "transport": transport}


def signed(document: Any) -> Any:
    """With the digest that belongs to each inventory in it, wherever that is in the document."""
    if isinstance(document, dict) and "addresses" in document:
        return with_digest(document)
    if isinstance(document, dict):
        return {key: signed(value) for key, value in document.items()}
    return [signed(each) for each in document] if isinstance(document, list) else document


LIVE: Json = signed(
    {
        "schema": 1,
        "region": "us-central1",
        "domain": "ringer.tel",
        "noticeDays": 30,
        "endpoints": [
            endpoint("primary", "sip.ringer.tel", UDP, 5060, "UDP"),
            endpoint("secondary", "sip-tcp.ringer.tel", TCP, 5060, "TCP"),
            endpoint("tls", "sip-tcp.ringer.tel", TCP, 5061, "TLS"),
        ],
        "addresses": [
            address("kamailio-sip-udp-ip", UDP, "inbound", protocol="UDP"),
            address("kamailio-sip-tcp-ip", TCP, "inbound", protocol="TCP", ports=[5060, 5061, 8080, 8443]),
            *(address(f"warp-nat-ip-{n}", ip, purpose=f"Vendor egress {n}") for n, ip in enumerate(NAT, start=1)),
            address("warp-nat-outbound-ip", RETIRED[0], status="retired", replacedBy=NAT),
            address("sip-ringer-tel-old", RETIRED[1], "inbound", "retired", replacedBy=[UDP]),
        ],
    }
)

EUROPE: Json = signed(
    {
        "schema": 1,
        "region": "europe-west4",
        "domain": "ringer.tel",
        "noticeDays": 30,
        "endpoints": [endpoint("primary", "sip.eu.ringer.tel", "192.0.2.1", 5060, "UDP")],
        "addresses": [
            address("eu-udp", "192.0.2.1", "inbound", protocol="UDP", region="europe-west4"),
            address(
                "eu-udp-2",
                "192.0.2.2",
                "inbound",
                "announced",
                protocol="UDP",
                region="europe-west4",
                announcedOn="2026-01-01",
                activeOn="2026-02-01",
            ),
            address(
                "eu-new",
                "198.51.100.1",
                status="announced",
                region="europe-west4",
                announcedOn="2026-01-01",
                activeOn="2026-01-08",
                noticeOverride={"reason": "the carrier asked for it"},
            ),
            address("eu-one", "198.51.100.2", region="europe-west4"),
            address("eu-old", "198.51.100.3", status="draining", region="europe-west4", drainedOn="2026-02-01"),
            address("eu-six", "2001:db8::5", region="europe-west4"),
            address("eu-gone", "198.51.100.4", status="retired", region="europe-west4", retiredOn="2025-12-31"),
        ],
    }
)
EUROPES_EGRESS = ["198.51.100.1", "198.51.100.2", "198.51.100.3"]

# Each ends a comment, a string, a line, a cell, a tag, a list or a statement in one of the worlds.
HOSTILE = [
    "x\n1 0.0.0.0 0 0 evil\npermit ip any any",
    'x"; } add rule inet warp input accept; {',
    "x'); DROP TABLE address; --",
    "x*/ ]\n[evil]\ntype=identify\nmatch=0.0.0.0/0",
    "<script>alert(1)</script></table><img src=x onerror=alert(1)>",
    '"/><node type="allow" cidr="0.0.0.0/0"/><!--',
    "| a | b |\n\n# Heading\n\n[click](javascript:alert(1)) `code` ![i](http://evil) <b>",
    '=HYPERLINK("http://evil","x")',
    "\t@SUM(1+1)*cmd|' /C calc'!A0",
    "x\r! y\r\n permit udp any any",
    '${file("/etc/passwd")} %{ if true } "] }',
    "{{ 7*7 }}{% raw %}",
    "\x1b[31m\x07\u202e\u2028\u0000ünï 💥",
    "\\",
    " ",
    "",
    "-- # ; ! //",
    "x" * 10_000,
]


def hostile(text: str) -> Json:
    """Europe, with this text wherever text is free."""
    document = copy.deepcopy(EUROPE) | {"region": text, "domain": text, "digest": text}
    for each in document["addresses"]:
        each |= {"purpose": text, "name": text, "region": text}
        if "noticeOverride" in each:
            each["noticeOverride"] = {"reason": text}
    for way in document["endpoints"]:
        way |= {"role": text, "server": text}
    return document


# As much of everything as a page must bear.
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
