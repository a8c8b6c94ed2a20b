"""The sections of a response to a question, by RFC 1034 section 4.3.2 without recursion.

Not here: validity of the question, and truncation (`messages.py`).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from dnslib import QTYPE, RCODE, RDMAP, RR, TXT, DNSLabel, DNSQuestion  # type: ignore[import-untyped]

from local_cloud.dns_server.routing import chosen
from local_cloud.dns_server.zones import Name, RecordData, Zone, folded

ROOT = DNSLabel("")
CNAME_CHAIN = 16
# Record type -> dnslib's attribute for the name in the rdata whose addresses go into the additional section.
TARGETS = {QTYPE.NS: "label", QTYPE.MX: "label", QTYPE.SRV: "target", QTYPE.NAPTR: "replacement"}
TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


class Answer:
    """The sections of one response, built from the current zones.

    `near`: regions, nearest to the client first; `routed`: whether the answer depends on them.
    """

    def __init__(self, zones: list[Zone], rcode: int = RCODE.NOERROR, near: Sequence[str] = ()) -> None:
        self.zones = zones
        self.near = near
        self.routed = False
        self.rcode = rcode
        self.authoritative = False
        self.answer: list[RR] = []
        self.authority: list[RR] = []
        self.additional: list[RR] = []

    def zone_of(self, name: Name) -> Zone | None:
        """The most specific zone that contains a name."""
        return max((zone for zone in self.zones if zone.holds(name)), key=lambda zone: len(zone.apex), default=None)

    def resolve(self, question: DNSQuestion) -> None:
        """Fill the sections (RFC 1034 section 4.3.2, without recursion)."""
        kind, owner, seen = str(QTYPE.get(question.qtype)), question.qname, set[Name]()
        for step in range(CNAME_CHAIN):
            name = folded(owner)
            zone = self.zone_of(name)
            if zone is None:
                if step == 0:
                    self.rcode = RCODE.REFUSED
                return
            if delegation := zone.cut(name, kind):
                self._add(self.authority, DNSLabel(delegation.name), delegation)
                self._complete(self.authority)
                return
            self.authoritative = True
            node = zone.node(name)
            if not node or not (alias := node.get("CNAME")) or kind in ("CNAME", "ANY"):
                self._finish(zone, node, owner, kind)
                return
            self._add(self.answer, owner, alias)
            seen.add(name)
            owner = DNSLabel(self._data(alias)[0].strip())
            if folded(owner) in seen:
                return

    def _finish(self, zone: Zone, node: dict[str, RecordData] | None, owner: DNSLabel, kind: str) -> None:
        if node and kind == "ANY":
            self._add(self.answer, owner, next(iter(node.values())))
        elif node and (found := node.get(kind)):
            self._add(self.answer, owner, found)
            self._complete(self.answer)
        else:
            if node is None:
                self.rcode = RCODE.NXDOMAIN
            self._deny(zone)

    def _deny(self, zone: Zone) -> None:
        """A negative answer's TTL is the lesser of the SOA's TTL and its minimum field (RFC 2308 section 3)."""
        if soa := zone.nodes[zone.apex].get("SOA"):
            minimum = int(soa.rrdatas[0].split()[-1])
            self._add(self.authority, DNSLabel(zone.apex), dataclasses.replace(soa, ttl=min(soa.ttl, minimum)))

    def _add(self, section: list[RR], owner: DNSLabel, record: RecordData) -> None:
        kind, data = record.type.upper(), self._data(record)
        section += [RR(owner, getattr(QTYPE, kind), ttl=record.ttl, rdata=rdata(kind, text)) for text in data]

    def _data(self, record: RecordData) -> Sequence[str]:
        if record.policy is None:
            return record.rrdatas
        self.routed = True
        return chosen(record.policy, self.near)

    def _complete(self, section: list[RR]) -> None:
        """Additional section: addresses of the names in these records (RFC 1035 section 3.3, RFC 2782)."""
        done: set[Name] = set()
        for record in list(section):
            target = getattr(record.rdata, TARGETS.get(record.rtype, ""), None)
            name = folded(target) if target else ()
            zone = self.zone_of(name) if name else None
            if zone is None or name in done:
                continue
            done.add(name)
            node = zone.node(name) or {}
            for kind in ("A", "AAAA"):
                if kind in node:
                    self._add(self.additional, target, node[kind])


def rdata(kind: str, text: str) -> Any:
    """Rdata from its presentation format, with quotes and escapes (RFC 1035 section 5.1)."""
    words = [quoted if bare == b"" else bare for quoted, bare in TOKEN.findall(text.encode())]
    words = [ESCAPE.sub(lambda m: bytes([int(m[1])]) if len(m[1]) == 3 else m[1], word) for word in words]
    if kind in ("TXT", "SPF"):
        return TXT(words)
    if kind in ("A", "AAAA"):
        family = ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address
        return RDMAP[kind].fromZone([str(family(text.strip()))])
    return RDMAP[kind].fromZone([word.decode() for word in words], ROOT)
