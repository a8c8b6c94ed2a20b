"""Several regions as one: where the names lead that they share, and what is published of all of them.

What a region says is read from its stack's outputs, which are data from outside: refused unless they fit. Leaves to
others: how the outputs were fetched, and who hosts the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from inventory.address import Direction, Status
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
    """Output `egressCapacity`, as far as it can be added up."""

    schema_: Literal[1] = Field(alias="schema")
    active_addresses: Count
    ports: Count
    concurrent_calls: Count
    vms: Count


class Total(Published):
    """One of the two ways to count."""

    total: Dollars


class PublishedCost(Published):
    """Output `monthlyCost`, as far as it can be added up."""

    schema_: Literal[1] = Field(alias="schema")
    currency: Literal["USD"]
    plan: Total
    list: Total
    platform: Dollars


@dataclass(frozen=True)
class Region:
    """One region as its stack's outputs have it. `listeners`: its LoadBalancers, and names of its own."""

    name: str
    share: RegionShare
    listeners: Listeners
    inventory: ReachableInventory
    dns: PublishedDns
    capacity: PublishedCapacity
    cost: PublishedCost

    @property
    def active(self) -> bool:
        """Whether new calls are led there."""
        return self.share.state == "active"

    @property
    def own(self) -> list[Endpoint]:
        """Ways in of one customer each."""
        return [each for each in self.inventory.endpoints if each.customer]


def read(region: str, share: RegionShare, shared_names: SipNames, outputs: Mapping[str, object]) -> Region:
    """A region from its stack's outputs. Raises `Refusal`."""
    again = f"run `pulumi up` of {share.stack} with this version of the program, then this one again"
    for name in OF_A_REGION:
        if not isinstance(outputs.get(name), dict):
            raise Refusal(f"stack {share.stack} has no output {name}: no update of it ended well", again)
    raw: dict[str, Json] = {name: _whole(outputs[name]) for name in OF_A_REGION}
    inventory = _model(ReachableInventory, share, "ipInventory", raw, again)
    dns = _model(PublishedDns, share, "dns", raw, again)
    if inventory.edited:
        raise Refusal(f"stack {share.stack}, ipInventory: its digest is not that of its contents", again)
    if inventory.region != region:
        raise Refusal(
            f"stack {share.stack} is of region {inventory.region!r:.60}, not {region}",
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
    capacity = _model(PublishedCapacity, share, "egressCapacity", raw, again)
    cost = _model(PublishedCost, share, "monthlyCost", raw, again)
    return Region(region, share, Listeners(names, udp, tcp), inventory, dns, capacity, cost)


def _listener(
    share: RegionShare, name: str, inventory: ReachableInventory, dns: PublishedDns, roles: Mapping[Transport, str]
) -> Listener:
    """What answers at one of a region's own names, as record sets and inventory both say."""
    found = {each.type: each.data for each in dns.records if each.name == name}
    ipv4, ipv6 = (found.get(type_, ()) for type_ in ("A", "AAAA"))
    if len(ipv4) != 1 or len(ipv6) > 1:
        raise Refusal(
            f"stack {share.stack} has no name {name}",
            "set dns.scope there to `region`, with the same dns.names as here, and run `pulumi up` of it; where its"
            " names stand right below the domain today, hand them over first (docs/regions.md)",
        )
    active = {
        each.address
        for each in inventory.addresses
        if each.status is Status.ACTIVE and each.direction is Direction.INBOUND and each.customer is None
    }
    for address in (*ipv4, *ipv6):
        if address not in active:
            raise Refusal(
                f"stack {share.stack}: {name} leads to {address!r:.60}, no active address of its inventory",
                f"see what was changed by hand there: `pulumi refresh`, then `pulumi up` of {share.stack}",
            )
    ports = {
        roles[way.transport]: way.port
        for way in inventory.endpoints
        if way.address == ipv4[0] and way.transport in roles and way.customer is None
    }
    if "sip" not in ports:
        raise Refusal(
            f"stack {share.stack}: no way in for SIP at {ipv4[0]}, where {name} leads", f"`pulumi up` of {share.stack}"
        )
    return Listener(ports, ipv4[0], ipv6[0] if ipv6 else None)


def _model(kind: type[T], share: RegionShare, name: str, raw: Mapping[str, Json], remedy: str) -> T:
    try:
        return kind.of(raw[name])
    except WrongFieldError as error:
        what = f"{error.field!r:.80} = {error.value:.60}: {error.why}"
        raise Refusal(f"stack {share.stack}, {name}: {what}", remedy) from None


def _whole(value: object) -> Json:
    """The engine hands on every number as a floating one."""

    def mended(inner: object) -> object:
        if isinstance(inner, Mapping):
            return {key: mended(each) for key, each in inner.items()}
        if isinstance(inner, list):
            return [mended(each) for each in inner]
        return int(inner) if isinstance(inner, float) and inner.is_integer() else inner

    found = mended(value)
    assert isinstance(found, dict)
    return found


def in_order(regions: Iterable[Region]) -> list[Region]:
    """The order in which clients try them. A tie has no order for them; for us the larger share, then the name."""
    return sorted(regions, key=lambda each: (each.share.priority, -each.share.weight, each.name))


def together(regions: Iterable[Region]) -> list[Region]:
    """All of them in order. Raises `Refusal` when two claim one living address or one name."""
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
                    "a name can be in one of them only: give the customer another dnsName in the other",
                )
    return found


def active(regions: Sequence[Region]) -> list[Region]:
    """Those that new calls are led to.

    A drained region is left out, not put last: clients that ignore priorities would go on calling it, and the others
    would come back to it whenever the rest answers slowly. Calls that run are not led by these names any more: their
    requests go where Contact and Record-Route say (RFC 3261, section 12.2.1.1).
    """
    return [each for each in regions if each.active]


def shared_records(names: SipNames, regions: Sequence[Region], routing: Routing, *, naptr: bool) -> list[Record]:
    """The record sets of the shared names; `regions` in order, at least one of them active.

    SRV has every active region with its own priority and weight (RFC 2782). A client that asks for no SRV gets the
    first active region: an address record has no order, so two regions there would be a lottery. Or one region that the
    host of the names chooses, by `routing`.
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
            # Also where one region is left: a set that changes its kind is another one (docs/regions.md).
            yield Record(name, type_, (found[0].address,), Routed(policy, tuple(found), probed=name == tcp))
        elif found[0].location == living[0].name:
            yield Record(name, type_, (found[0].address,))


def probed_port(regions: Sequence[Region], role: str) -> int:
    """The port of the TCP LoadBalancers that a health check probes: it has one. Raises `Refusal`."""
    ports = {each.name: each.listeners.tcp.ports.get(role) for each in active(regions)}
    (first, port), *others = ports.items()
    for name, other in [(first, port), *others]:
        if other is None:
            raise Refusal(
                f"region {name} has no port `{role}` over TCP, which routing.probe asks",
                "give it one in ingress.tcp.ports there, run `pulumi up` of it, or change routing.probe.path here",
            )
        if other != port:
            raise Refusal(
                f"port `{role}` over TCP is {port} in {first} and {other} in {name}: one health check has one port",
                "give all regions the same, or set routing.tcp: fixed",
            )
    assert port is not None
    return port


def inventory(names: SipNames, regions: Sequence[Region], records: Sequence[Record]) -> Inventory:
    """All regions as people outside see them; `regions` in order, `records` those of the shared names."""
    notices = [each.inventory.notice_days for each in regions if each.inventory.notice_days is not None]
    return Inventory(
        region=", ".join(each.name for each in regions),
        domain=names.domain,
        notice_days=min(notices) if notices else None,
        addresses=tuple(address for each in regions for address in each.inventory.addresses),
        endpoints=(*_endpoints(names, regions, records), *(way for each in regions for way in each.own)),
        records=tuple(records),
    )


def _endpoints(names: SipNames, regions: Sequence[Region], records: Sequence[Record]) -> Iterator[Endpoint]:
    """The shared names first, with every address that they may lead to; then every region's own, with the region as
    their role."""
    leads = {
        (each.name, address) for each in records for address in (each.routing.addresses if each.routing else each.data)
    }
    for each in active(regions):
        yield from (way for way in endpoints(names, each.listeners) if (f"{way.server}.", way.address) in leads)
    for each in regions:
        yield from (replace(way, role=each.name) for way in endpoints(each.listeners.names, each.listeners))


def ip_inventory(promised: Inventory, regions: Sequence[Region]) -> Json:
    """Output `ipInventory`: every address of every region as its stack has it."""
    return promised.ip_inventory([address for each in regions for address in each.inventory.raw["addresses"]])


def egress_capacity(regions: Sequence[Region]) -> Json:
    """Output `egressCapacity`: of active regions together, and what is left when the largest of them fails."""
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
    """Output `monthlyCost`: what the regions say, added up."""
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
    """The shared record sets with their TTL, and every region's own as its stack has them."""
    shared = record_sets(records, ttl_seconds)
    taken = {(each["name"], each["type"]) for each in shared}
    own = [each for region in regions for each in region.dns.raw["records"]]
    return shared + [each for each in own if (each["name"], each["type"]) not in taken]


def _sum(amounts: Iterable[float]) -> float:
    return float(cents(sum((Decimal(str(each)) for each in amounts), Decimal(0))))
