"""Several regions together: the shared names, and the outputs for all of them.

Regions are read from their stacks' outputs, which are external data and refused if invalid. Fetching the outputs, and
the host of the names, are in other modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from inventory.address import Direction, Status
from inventory.contact import Contact
from inventory.dns_routing import Policy, Target
from inventory.dns_routing import Routing as Routed
from inventory.endpoint import TRANSPORT_OF_ROLE, Endpoint, Record, Transport
from inventory.formats.selection import NothingToListError, merged
from inventory.json_values import Json
from inventory.outputs import SCHEMA, Inventory, record_sets
from inventory.reading import OF_A_REGION, Published, PublishedDns, ReachableInventory, WrongFieldError
from plan.cost import cents
from plan.names import Listener, Listeners, SipNames, address_records, endpoints, service_records
from refusal import Refusal
from settings.all_regions import RegionShare
from settings.dns_routing import Routing

Count = Annotated[int, Field(ge=0)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
T = TypeVar("T", bound=Published)
ROLE_OF_TRANSPORT = {transport: role for role, transport in TRANSPORT_OF_ROLE.items()}


class PublishedCapacity(Published):
    """The fields of output `egressCapacity` that can be added."""

    schema_: Literal[1] = Field(alias="schema")
    active_addresses: Count
    ports: Count
    concurrent_calls: Count
    vms: Count


class Total(Published):
    """A total, by plan or by list prices."""

    total: Dollars


class PublishedCost(Published):
    """The fields of output `monthlyCost` that can be added."""

    schema_: Literal[1] = Field(alias="schema")
    currency: Literal["USD"]
    plan: Total
    list: Total
    platform: Dollars


@dataclass(frozen=True)
class Region:
    """One region, from its stack's outputs. `listeners`: its LoadBalancers and its own names."""

    name: str
    share: RegionShare
    listeners: Listeners
    inventory: ReachableInventory
    dns: PublishedDns
    capacity: PublishedCapacity
    cost: PublishedCost

    @property
    def active(self) -> bool:
        """Whether the shared names include it."""
        return self.share.state == "active"

    @property
    def own(self) -> list[Endpoint]:
        """Dedicated endpoints."""
        return [each for each in self.inventory.endpoints if each.customer]


def read(region: str, share: RegionShare, shared_names: SipNames, outputs: Mapping[str, object]) -> Region:
    """Parse a region's stack outputs. Raises `Refusal`."""
    again = f"run `pulumi up` of {share.stack} with this version of the program, then this one again"
    for name in OF_A_REGION:
        if not isinstance(outputs.get(name), dict):
            raise Refusal(f"stack {share.stack} has no output {name}: it has had no successful update", again)
    raw: dict[str, Json] = {name: _whole(outputs[name]) for name in OF_A_REGION}

    def model(kind: type[T], name: str) -> T:
        try:
            return kind.of(raw[name])
        except WrongFieldError as error:
            what = f"{error.field!r:.80} = {error.value:.60}: {error.why}"
            raise Refusal(f"stack {share.stack}, {name}: {what}", again) from None

    inventory = model(ReachableInventory, "ipInventory")
    dns = model(PublishedDns, "dns")
    if inventory.edited:
        raise Refusal(f"stack {share.stack}, ipInventory: its digest does not match its contents", again)
    if inventory.region != region:
        raise Refusal(
            f"stack {share.stack} is for region {inventory.region!r:.60}, not {region}",
            f"name the stack of {region} in regions.{region}.stack",
        )
    if dns.domain != shared_names.domain:
        raise Refusal(
            f"stack {share.stack} has its names in {dns.domain}, the shared ones are in {shared_names.domain}",
            "give all stacks the same dns.domain",
        )
    names = SipNames(dns.domain, shared_names.primary, shared_names.udp, shared_names.tcp, region)
    udp = _listener(share, names.fqdn(names.udp), inventory, dns, {"UDP": "sip"})
    tcp = _listener(share, names.fqdn(names.tcp), inventory, dns, ROLE_OF_TRANSPORT)
    capacity, cost = model(PublishedCapacity, "egressCapacity"), model(PublishedCost, "monthlyCost")
    return Region(region, share, Listeners(names, udp, tcp), inventory, dns, capacity, cost)


def _listener(
    share: RegionShare, name: str, inventory: ReachableInventory, dns: PublishedDns, roles: Mapping[Transport, str]
) -> Listener:
    """The LoadBalancer behind one of a region's own names, consistent in record sets and inventory."""
    found = {each.type: each.data for each in dns.records if each.name == name}
    ipv4, ipv6 = (found.get(type_, ()) for type_ in ("A", "AAAA"))
    if len(ipv4) != 1 or len(ipv6) > 1:
        raise Refusal(
            f"stack {share.stack} has no name {name}",
            "set dns.scope there to `region`, with the same dns.names as here, and run `pulumi up` of it; if its"
            " names are right below the domain today, hand them over first (docs/regions.md)",
        )
    active = {
        each.address
        for each in inventory.addresses
        if each.status is Status.ACTIVE and each.direction is Direction.INBOUND and each.customer is None
    }
    for address in (*ipv4, *ipv6):
        if address not in active:
            raise Refusal(
                f"stack {share.stack}: {name} resolves to {address!r:.60}, not an active address of its inventory",
                f"check manual changes: `pulumi refresh`, then `pulumi up` of {share.stack}",
            )
    ports = {
        roles[way.transport]: way.port
        for way in inventory.endpoints
        if way.address == ipv4[0] and way.transport in roles and way.customer is None
    }
    if "sip" not in ports:
        raise Refusal(
            f"stack {share.stack}: no SIP endpoint at {ipv4[0]}, to which {name} resolves",
            f"`pulumi up` of {share.stack}",
        )
    return Listener(ports, ipv4[0], ipv6[0] if ipv6 else None)


def _whole(value: Any) -> Any:
    """Convert floats to integers: the engine passes all numbers as floats."""
    if isinstance(value, Mapping):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def in_order(regions: Iterable[Region]) -> list[Region]:
    """The order in which clients try regions. Ties are sorted by the larger share, then by name."""
    return sorted(regions, key=lambda each: (each.share.priority, -each.share.weight, each.name))


def together(regions: Iterable[Region]) -> list[Region]:
    """All regions in order. Raises `Refusal` if two have the same living address or name."""
    found = in_order(regions)
    try:
        merged([each.inventory for each in found])
    except NothingToListError as error:
        raise Refusal(str(error), "run `pulumi refresh` and `pulumi up` of both stacks") from None
    owners: dict[tuple[str, str], str] = {}
    for each in found:
        for record in each.dns.records:
            other = owners.setdefault((record.name.lower(), record.type), each.share.stack)
            if other != each.share.stack:
                raise Refusal(
                    f"stacks {other} and {each.share.stack} both have {record.name} {record.type}",
                    "a name can be in one of them only: use another dnsName for the customer in one of them",
                )
    return found


def active(regions: Sequence[Region]) -> list[Region]:
    """Regions that are not drained.

    A drained region is left out, not put last: clients that ignore priorities would still call it, and others would
    return to it whenever the rest is slow. Running calls do not use these names: their requests follow Contact and
    Record-Route (RFC 3261, section 12.2.1.1).
    """
    return [each for each in regions if each.active]


def shared_records(names: SipNames, regions: Sequence[Region], routing: Routing, *, naptr: bool) -> list[Record]:
    """The record sets of the shared names; `regions` in order, at least one of them active.

    SRV has every active region with its own priority and weight (RFC 2782). A client without SRV gets the first active
    region, because address records have no order and two regions would be chosen at random; or the region that the
    host of the names chooses by `routing`.
    """
    living = active(regions)
    shares = [(each.share, each.listeners) for each in living]
    return [*_shared_addresses(names, living, routing), *service_records(names, shares, naptr=naptr)]


def _shared_addresses(names: SipNames, living: Sequence[Region], routing: Routing) -> Iterator[Record]:
    tcp = f"{names.fqdn(names.tcp)}."
    targets: dict[tuple[str, str], list[Target]] = {}
    for each in living:
        for record in address_records(names, each.listeners):
            targets.setdefault((record.name, record.type), []).append(Target(each.name, record.data[0]))
    for (name, type_), found in targets.items():
        policy = Policy(routing.tcp if name == tcp else routing.udp)
        if policy is not Policy.FIXED:
            # Also with one region left: changing the kind of a record set replaces it (docs/regions.md).
            yield Record(name, type_, (found[0].address,), Routed(policy, tuple(found), probed=name == tcp))
        elif found[0].location == living[0].name:
            yield Record(name, type_, (found[0].address,))


def probed_port(regions: Sequence[Region], role: str) -> int:
    """The port of the TCP LoadBalancers that the health check probes, the same for all. Raises `Refusal`."""
    ports = {each.name: each.listeners.tcp.ports.get(role) for each in active(regions)}
    first, port = next(iter(ports.items()))
    for name, other in ports.items():
        if other is None:
            raise Refusal(
                f"region {name} has no port `{role}` over TCP, which routing.probe needs",
                "add one to its ingress.tcp.ports and run `pulumi up` of it, or change routing.probe.path here",
            )
        if other != port:
            raise Refusal(
                f"port `{role}` over TCP is {port} in {first} and {other} in {name}: one health check has one port",
                "give all regions the same, or set routing.tcp: fixed",
            )
    assert port is not None
    return port


def inventory(
    names: SipNames, regions: Sequence[Region], records: Sequence[Record], contact: Contact | None = None
) -> Inventory:
    """The inventory of all regions; `regions` in order, `records`: those of the shared names."""
    notices = [each.inventory.notice_days for each in regions if each.inventory.notice_days is not None]
    return Inventory(
        region=", ".join(each.name for each in regions),
        domain=names.domain,
        notice_days=min(notices) if notices else None,
        addresses=tuple(address for each in regions for address in each.inventory.addresses),
        endpoints=(*_endpoints(names, regions, records), *(way for each in regions for way in each.own)),
        records=tuple(records),
        contact=contact,
    )


def _endpoints(names: SipNames, regions: Sequence[Region], records: Sequence[Record]) -> Iterator[Endpoint]:
    """The shared names first, with every address that they may resolve to; then every region's own, with the region as
    role."""
    leads = {
        (each.name, address) for each in records for address in (each.routing.addresses if each.routing else each.data)
    }
    for each in active(regions):
        yield from (way for way in endpoints(names, each.listeners) if (f"{way.server}.", way.address) in leads)
    for each in regions:
        yield from (replace(way, role=each.name) for way in endpoints(each.listeners.names, each.listeners))


def ip_inventory(promised: Inventory, regions: Sequence[Region]) -> Json:
    """Output `ipInventory`: every address of every region, as in its stack."""
    return promised.ip_inventory([address for each in regions for address in each.inventory.raw["addresses"]])


def egress_capacity(regions: Sequence[Region]) -> Json:
    """Output `egressCapacity`: the sum of active regions, and what is left if the largest fails."""
    living = {each.name: each.capacity for each in active(regions)}
    calls = [each.concurrent_calls for each in living.values()]
    return {
        "schema": SCHEMA,
        "activeAddresses": sum(each.active_addresses for each in living.values()),
        "ports": sum(each.ports for each in living.values()),
        "concurrentCalls": sum(calls),
        "concurrentCallsOneRegionLess": sum(calls) - max(calls),
        "vms": sum(each.vms for each in living.values()),
        "regions": {each.name: each.capacity.raw for each in regions},
    }


def monthly_cost(regions: Sequence[Region]) -> Json:
    """Output `monthlyCost`: the sum of all regions."""
    found = [each.cost for each in regions]
    return {
        "schema": SCHEMA,
        "currency": "USD",
        "plan": {"total": _sum(each.plan.total for each in found)},
        "list": {"total": _sum(each.list.total for each in found)},
        "platform": _sum(each.platform for each in found),
        "regions": {each.name: each.cost.raw for each in regions},
    }


def all_records(regions: Sequence[Region], records: Sequence[Record], ttl_seconds: int) -> list[Json]:
    """The shared record sets with their TTL, and every region's own, as in its stack."""
    shared = record_sets(records, ttl_seconds)
    taken = {(each["name"], each["type"]) for each in shared}
    own = [each for region in regions for each in region.dns.raw["records"]]
    return shared + [each for each in own if (each["name"], each["type"]) not in taken]


def _sum(amounts: Iterable[float]) -> float:
    return float(cents(sum((Decimal(str(each)) for each in amounts), Decimal(0))))
