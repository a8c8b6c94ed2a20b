"""The inventory, and the JSON shapes in which the stack's outputs publish it.

Every shape has `schema`; under the same number fields are only ever added. `docs/outputs.md` documents them.
Deterministic: the same edge gives the same bytes; no clock is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inventory import sheet_texts
from inventory.address import Address, Direction
from inventory.capacity import PORTS_PER_ADDRESS, EgressCapacity
from inventory.contact import Contact
from inventory.endpoint import Endpoint, Record
from inventory.json_values import Json, written

SCHEMA = 1
# Purpose of a firewall rule for an endpoint.
PURPOSE = {"UDP": "SIP", "TCP": "SIP", "TLS": "SIPS", "WS": "WS", "WSS": "WSS"}


@dataclass(frozen=True)
class Inventory:
    """The promise of one region, or of all regions together.

    `addresses` in the order of their declaration, retired ones last; `endpoints`: public ones first, beginning with the
    server that customers configure; `records`: the record sets. In a plan (`plan/`) IPs are not known: an address's is
    empty, and endpoints and records have names instead.
    """

    region: str
    domain: str
    notice_days: int | None
    addresses: tuple[Address, ...]
    endpoints: tuple[Endpoint, ...]
    records: tuple[Record, ...]
    contact: Contact | None = None

    def filled(self, found: Mapping[str, str]) -> Inventory:
        """With IPs filled in by name. Retired addresses have theirs already."""
        known = {each.name: each.address for each in self.addresses if each.address} | dict(found)
        return replace(
            self,
            addresses=tuple(each.at(known) for each in self.addresses),
            endpoints=tuple(each.at(known) for each in self.endpoints),
            records=tuple(each.at(known) for each in self.records),
        )

    @property
    def shared(self) -> Inventory:
        """Without dedicated addresses, their endpoints and their names."""
        return replace(
            self,
            addresses=tuple(each for each in self.addresses if each.customer is None),
            endpoints=tuple(each for each in self.endpoints if each.customer is None),
            records=tuple(each for each in self.records if each.customer is None),
        )

    @property
    def announced_ingress(self) -> list[Address]:
        """Where customers will send calls: reserved, nothing answers there yet."""
        inbound = (a for a in self.addresses if a.direction is Direction.INBOUND and a.customer is None)
        return [each for each in inbound if each.coming]

    @property
    def egress(self) -> list[Address]:
        """Addresses that vendors have to accept today: announced, active and draining."""
        return [a for a in self.addresses if a.direction is Direction.OUTBOUND and a.published]

    def ip_inventory(self, addresses: Sequence[Json] | None = None) -> Json:
        """Output `ipInventory`: every address, retired ones with what replaced them. `addresses`: as regions published
        them, with what this version may not know."""
        return with_digest(
            {
                "schema": SCHEMA,
                "region": self.region,
                "domain": self.domain,
                **({} if self.notice_days is None else {"noticeDays": self.notice_days}),
                **({"contact": written(self.contact)} if self.contact else {}),
                "endpoints": [written(each) for each in self.endpoints],
                "addresses": [written(each) for each in self.addresses] if addresses is None else list(addresses),
            }
        )

    def vendor_whitelist(self) -> Json:
        """Output `vendorWhitelist`: the addresses that vendors whitelist, as data and as text."""
        return {
            "schema": SCHEMA,
            "addresses": [address.address for address in self.egress],
            "cidrs": [address.cidr for address in self.egress],
            "text": sheet_texts.vendor_sheet(self.egress, self.domain, self.contact),
        }

    def customer_endpoints(self) -> Json:
        """Output `customerEndpoints`: everything a customer needs to send calls and to configure a firewall."""
        ways_in = [each for each in self.endpoints if each.customer is None]
        shared = [each for each in self.records if each.customer is None]
        return {
            "schema": SCHEMA,
            "server": ways_in[0].server,
            "endpoints": [written(each) for each in ways_in],
            "announced": [_coming(address) for address in self.announced_ingress],
            "srv": [_record(record, record.data) for record in shared if record.type == "SRV"],
            "firewall": {
                "outbound": _outbound(ways_in, self.announced_ingress),
                "inbound": [{"protocols": ["UDP", "TCP"], "from": address.cidr} for address in self.egress],
            },
            "codecs": list(sheet_texts.CODECS),
            "dtmf": sheet_texts.DTMF,
            "authentication": sheet_texts.AUTHENTICATION,
            "text": sheet_texts.customer_sheet(ways_in, self.egress, self.announced_ingress, self.contact),
        }


def _outbound(ways_in: Sequence[Endpoint], announced: Sequence[Address]) -> list[Json]:
    rules = [_rule(way.opened, way.address, way.port, PURPOSE[way.transport]) for way in ways_in]
    rules += [
        _rule(address.opened, address.address, port, "announced") for address in announced for port in address.ports
    ]
    return [rule for place, rule in enumerate(rules) if rule not in rules[:place]]


def record_sets(found: Iterable[Record], ttl_seconds: int, addresses: Mapping[str, Any] | None = None) -> list[Json]:
    """Part `records` of output `dns`: every record set of the edge, as name servers have to answer it. `addresses`: IPs
    by the names in a plan's records."""
    return [_record(record, record.values(addresses or {})) | {"ttl": ttl_seconds} for record in found]


def egress_capacity(capacity: EgressCapacity) -> Json:
    """Output `egressCapacity`; ports are per protocol, calls are concurrent."""
    return {
        "schema": SCHEMA,
        "portsPerAddress": PORTS_PER_ADDRESS,
        "activeAddresses": capacity.active_addresses,
        "ports": capacity.ports,
        "portsPerCall": capacity.ports_per_call,
        "concurrentCalls": capacity.concurrent_calls,
        "minPortsPerVm": capacity.min_ports_per_vm,
        "vms": capacity.vms,
    }


def with_digest(body: Json) -> Json:
    """An inventory with the digest of its other fields."""
    rest = {key: value for key, value in body.items() if key != "digest"}
    return rest | {"digest": digest(rest)}


def digest(body: Json) -> str:
    """SHA-256 of the contents as canonical JSON (sorted keys, no spaces), `sha256:<hex>`."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _coming(address: Address) -> Json:
    days = {"announcedOn": address.announced_on, "activeOn": address.active_on}
    return {
        "address": address.address,
        "protocols": list(address.protocols),
        "ports": list(address.ports),
    } | {key: day.isoformat() for key, day in days.items() if day}


def _record(record: Record, values: Iterable[Any]) -> Json:
    known: Json = {"name": record.name.rstrip("."), "type": record.type, "data": list(values)}
    return known | ({"oneOf": list(record.routing.addresses)} if record.routing else {})


def _rule(protocols: Iterable[str], address: str, port: int, purpose: str) -> Json:
    return {"protocols": list(protocols), "to": address, "port": port, "for": purpose}
