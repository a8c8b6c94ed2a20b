"""The inventory of one region, and the JSON shapes in which the stack's outputs publish it.

Every shape carries `schema`; a field is only ever added under the same number. `docs/outputs.md` documents them.
Deterministic: the same edge gives the same bytes, there is no clock in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from inventory import cost, sheets
from inventory.address import Address, Direction, Status
from inventory.capacity import PORTS_PER_ADDRESS, EgressCapacity
from inventory.endpoint import Endpoint, Listener, Record, SipNames, Srv, endpoints, records

SCHEMA = 1
# What a way in is opened for in a firewall.
PURPOSE = {"UDP": "SIP", "TCP": "SIP", "TLS": "SIPS", "WS": "WS", "WSS": "WSS"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Inventory:
    """What one region promises. `addresses` in the order they were declared; retired ones last.

    `dedicated`: the ways in that one customer has for itself.
    """

    region: str
    addresses: tuple[Address, ...]
    names: SipNames
    udp: Listener[str]
    tcp: Listener[str]
    srv: Srv
    notice_days: int = 30
    dedicated: tuple[Endpoint, ...] = ()

    @property
    def announced_ingress(self) -> list[Address]:
        """Where customers will send calls: reserved, nothing answers there yet."""
        inbound = [a for a in self.addresses if a.direction is Direction.INBOUND and a.customer is None]
        return [a for a in inbound if a.status is Status.ANNOUNCED]

    @property
    def egress(self) -> list[Address]:
        """What vendors must accept today: announced, active and draining."""
        return [a for a in self.addresses if a.direction is Direction.OUTBOUND and a.published]

    def ip_inventory(self) -> Json:
        """Output `ipInventory`: every address, legacy ones with what replaced them."""
        by_name = {address.name: address.address for address in self.addresses}
        body: Json = {
            "schema": SCHEMA,
            "region": self.region,
            "domain": self.names.domain,
            "noticeDays": self.notice_days,
            "endpoints": [endpoint(e) for e in (*endpoints(self.names, self.udp, self.tcp), *self.dedicated)],
            "addresses": [_address(address, by_name) for address in self.addresses],
        }
        return with_digest(body)

    def vendor_whitelist(self) -> Json:
        """Output `vendorWhitelist`."""
        return vendor_whitelist(self.egress, self.names.domain)

    def customer_endpoints(self) -> Json:
        """Output `customerEndpoints`."""
        ways_in = endpoints(self.names, self.udp, self.tcp)
        found = records(self.names, self.udp, self.tcp, self.srv, naptr=False)
        return customer_endpoints(ways_in, found, self.egress, self.announced_ingress)


def vendor_whitelist(egress: Sequence[Address], domain: str) -> Json:
    """Output `vendorWhitelist`: what vendors put into their lists, as data and as the text they get."""
    return {
        "schema": SCHEMA,
        "addresses": [address.address for address in egress],
        "cidrs": [address.cidr for address in egress],
        "text": sheets.vendor_sheet(egress, domain),
    }


def customer_endpoints(
    ways_in: Sequence[Endpoint], found: Iterable[Record[str]], egress: Sequence[Address], announced: Sequence[Address]
) -> Json:
    """Output `customerEndpoints`: everything a customer needs to send calls and to open a firewall.

    `ways_in`: the server that customers are told comes first.
    """
    return {
        "schema": SCHEMA,
        "server": ways_in[0].server,
        "endpoints": [endpoint(each) for each in ways_in],
        "announced": [_coming(address) for address in announced],
        "srv": [_record(record) for record in found if record.type == "SRV"],
        "firewall": {
            "outbound": _outbound(ways_in, announced),
            "inbound": [{"protocols": ["UDP", "TCP"], "from": address.cidr} for address in egress],
        },
        "codecs": list(sheets.CODECS),
        "dtmf": sheets.DTMF,
        "authentication": sheets.AUTHENTICATION,
        "text": sheets.customer_sheet(ways_in, egress, announced),
    }


def _outbound(ways_in: Sequence[Endpoint], announced: Sequence[Address]) -> list[Json]:
    """Customers open UDP and TCP to the UDP address: a client may retry a large request over TCP
    (RFC 3261, section 18.1.1), and an open port nobody answers on is better than a silent drop."""
    rules = [
        _rule(["UDP", "TCP"] if way.transport == "UDP" else ["TCP"], way.address, way.port, PURPOSE[way.transport])
        for way in ways_in
    ]
    rules += [
        _rule(list(address.protocols), address.address, port, "announced")
        for address in announced
        for port in address.ports
    ]
    return [rule for place, rule in enumerate(rules) if rule not in rules[:place]]


def record_sets(found: Iterable[Record[Any]], ttl_seconds: int) -> list[Json]:
    """The part `records` of output `dns`: every record set of the edge, as name servers must answer it."""
    return [_record(record) | {"ttl": ttl_seconds} for record in found]


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


def monthly_cost(counts: cost.Counts, plan: cost.Plan) -> Json:
    """Output `monthlyCost`: US dollars a month; the plan's figures and list prices of the same counts."""
    planned, listed = cost.plan_items(counts, plan), cost.list_items(counts, plan)
    network = cost.total(planned)
    compute = sum(plan.compute.values(), Decimal(0))
    body: Json = {
        "schema": SCHEMA,
        "currency": "USD",
        "plan": {"items": [_item(item) for item in planned], "total": _money(network)},
        "list": {
            "region": cost.PRICE_REGION,
            "items": [_item(item) for item in listed],
            "total": _money(cost.total(listed)),
        },
        "before": _money(plan.before),
        "difference": _money(network - plan.before),
        "compute": {name: _money(month) for name, month in plan.compute.items()},
        "platform": _money(network + compute),
        "oneMoreSlot": {"plan": _money(plan.static_address), "list": _money(cost.HOURS * cost.NAT_ADDRESS_HOUR)},
    }
    if counts.dedicated:
        body["dedicated"] = {
            ban: {
                "addresses": balancers,
                "loadBalancers": balancers,
                "plan": _money(balancers * (plan.static_address + plan.load_balancer)),
                "list": _money(balancers * cost.HOURS * cost.FURTHER_RULE_HOUR),
            }
            for ban, balancers in counts.dedicated.items()
        }
    if plan.customers:
        body["customers"] = plan.customers
        body["perCustomer"] = float(round((network + compute) / plan.customers, 3))
    return body


def with_digest(body: Json) -> Json:
    """An inventory with the digest of the rest of it."""
    rest = {key: value for key, value in body.items() if key != "digest"}
    return rest | {"digest": digest(rest)}


def digest(body: Json) -> str:
    """SHA-256 of the contents as canonical JSON (sorted keys, no spaces), `sha256:<hex>`."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _address(address: Address, by_name: dict[str, str]) -> Json:
    return {
        "purpose": address.purpose,
        "name": address.name,
        "address": address.address,
        "kind": str(address.kind),
        "direction": str(address.direction),
        "protocol": "/".join(address.protocols),
        "ports": list(address.ports),
        "region": address.region,
        "status": str(address.status),
    } | _life(address, by_name)


def _life(address: Address, by_name: dict[str, str]) -> Json:
    """What is known of an address's life; what is not known has no key."""
    dates = {
        "announcedOn": address.announced_on,
        "activeOn": address.active_on,
        "drainedOn": address.drained_on,
        "retiredOn": address.retired_on,
    }
    known: Json = {key: day.isoformat() for key, day in dates.items() if day}
    if address.notice_reason:
        known["noticeOverride"] = {"reason": address.notice_reason}
    if address.replaced_by:
        known["replacedBy"] = [by_name[name] for name in address.replaced_by]
    if address.customer:
        known["customer"] = address.customer
    return known


def _coming(address: Address) -> Json:
    days = {"announcedOn": address.announced_on, "activeOn": address.active_on}
    return {
        "address": address.address,
        "protocols": list(address.protocols),
        "ports": list(address.ports),
    } | {key: day.isoformat() for key, day in days.items() if day}


def endpoint(each: Endpoint) -> Json:
    """One way in, as `ipInventory` and `customerEndpoints` tell it."""
    return {
        "role": each.role,
        "server": each.server,
        "address": each.address,
        "port": each.port,
        "transport": each.transport,
    } | ({"customer": each.customer} if each.customer else {})


def _record(record: Record[Any]) -> Json:
    known = {"name": record.name.rstrip("."), "type": record.type, "data": list(record.data)}
    return known | ({"oneOf": list(record.routing.addresses)} if record.routing else {})


def _rule(protocols: list[str], address: str, port: int, purpose: str) -> Json:
    return {"protocols": protocols, "to": address, "port": port, "for": purpose}


def _item(item: cost.Item) -> Json:
    return {"item": item.item, "count": item.count, "month": _money(item.month), "formula": item.formula}


def _money(amount: Decimal) -> float:
    """JSON has no decimals; two places survive a double exactly as printed."""
    return float(cost.cents(amount))
