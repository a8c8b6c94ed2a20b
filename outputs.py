"""The stack's outputs: what the components resolved, turned into the inventory's published shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components.database import TrunkDatabase
from components.dedicated_ingress import DedicatedIngress
from components.dns import SipDns, names
from components.egress import NatEgressPool
from components.ingress import SipIngress
from components.trunk_acl.schema import TrunkAclSchema
from inventory.address import Address, Status
from inventory.cost import Counts, Plan
from inventory.endpoint import Endpoint, Listener, Srv, dedicated_endpoints
from inventory.publish import SCHEMA, Inventory, egress_capacity, monthly_cost, record_sets
from settings import Settings
from settings.dedicated import own_names
from settings.ingress import Ingress, PublicListener, ipv6_name

if TYPE_CHECKING:
    from components.acl_enforcement import AclReader
    from components.inventory_site import InventorySite

POSTGRESQL_PORT = 5432


@dataclass(frozen=True)
class Edge:
    """What the program stood up. `reader`: who reads the trunk ACL here, `acl` itself or its owner's; `inventory`: of
    all addresses; `everybodys`: without customers' own."""

    ingress: SipIngress
    egress: NatEgressPool
    dns: SipDns
    database: TrunkDatabase
    acl: TrunkAclSchema | None
    reader: AclReader | None
    inventory: pulumi.Output[Inventory]
    everybodys: pulumi.Output[Inventory]
    site: InventorySite | None


def of(settings: Settings, edge: Edge) -> dict[str, pulumi.Input[Any]]:
    """Output name -> value; `docs/outputs.md` documents each."""
    egress, dns, database, site = edge.egress, edge.dns, edge.database, edge.site

    return {
        "ipInventory": edge.inventory.apply(Inventory.ip_inventory),
        "vendorWhitelist": edge.everybodys.apply(Inventory.vendor_whitelist),
        "customerEndpoints": edge.everybodys.apply(Inventory.customer_endpoints),
        "egressCapacity": egress.capacity.apply(egress_capacity),
        "monthlyCost": monthly_cost(_counts(settings), _plan(settings)),
        "dns": {
            "schema": SCHEMA,
            "domain": settings.dns.domain,
            **({"base": names(settings.dns, settings.region).base} if settings.dns.scope == "region" else {}),
            "nameServers": dns.name_servers,
            "dsRecords": dns.ds_records,
            "records": record_sets(dns.records, settings.dns.ttl_seconds),
        },
        "database": {
            "schema": SCHEMA,
            "connectionName": database.connection_name,
            "publicAddress": database.public_address,
            "privateAddress": database.private_address,
            "port": POSTGRESQL_PORT,
            "serverCa": database.server_ca,
            "name": database.name,
            "user": database.user,
            "password": database.password,
            **({"replicaOf": settings.database.replica_of.instance} if settings.database.replica_of else {}),
        },
        **({"trunkAcl": _trunk_acl(edge.reader, edge.acl)} if edge.reader else {}),
        **({"inventorySite": {"schema": SCHEMA, "url": site.url}} if site else {}),
    }


def _trunk_acl(reader: AclReader, acl: TrunkAclSchema | None) -> dict[str, pulumi.Input[Any]]:
    """Where a replica is read: what a SIP proxy needs for that, and nothing of what the owner alone has."""
    return {
        "schema": SCHEMA,
        **(acl.counts if acl else {}),
        "reader": reader.reader,
        "readerPassword": reader.reader_password,
        **({"writer": acl.writer, "writerPassword": acl.writer_password} if acl else {}),
    }


def inventory(
    settings: Settings, ingress: SipIngress, egress: NatEgressPool, dedicated: DedicatedIngress | None = None
) -> pulumi.Output[Inventory]:
    """The addresses of these, once the cloud has said them, and all retired ones.

    What everybody may read is made without `dedicated`. With it, each of the site's files would wait for every
    customer's address, list all of them as dependencies in the state, and be unknown in the preview of one more.
    """
    own = dedicated.addresses if dedicated else pulumi.Output.from_input([])
    retired = [each.published(name, settings.region) for name, each in settings.legacy.items()]
    srv = Srv(settings.dns.srv.priority, settings.dns.srv.weight)

    def build(found: Sequence[Sequence[Address]]) -> Inventory:
        resolved = [each for part in found for each in part]
        by_name = {address.name: address.address for address in resolved}
        udp, tcp = settings.ingress.udp, settings.ingress.tcp
        return Inventory(
            region=settings.region,
            addresses=(*resolved, *retired),
            names=names(settings.dns, settings.region),
            udp=_listener(settings.ingress, udp, by_name),
            tcp=_listener(settings.ingress, tcp, by_name),
            srv=srv,
            notice_days=settings.notice_days,
            dedicated=tuple(_dedicated(settings, by_name)) if dedicated else (),
        )

    return pulumi.Output.all(pulumi.Output.all(*ingress.addresses), own, pulumi.Output.all(*egress.addresses)).apply(
        build
    )


def _listener(ingress: Ingress, listener: PublicListener, by_name: Mapping[str, str]) -> Listener[str]:
    ipv6 = by_name[ipv6_name(listener.address)] if ingress.has_ipv6(listener) else None
    return Listener(listener.ports, by_name[listener.address], ipv6)


def _dedicated(settings: Settings, by_name: Mapping[str, str]) -> Iterator[Endpoint]:
    for each in settings.dedicated_listeners:
        if each.status is Status.ACTIVE:
            name = own_names(settings.dns.domain, settings.dedicated[each.key]).get(each.protocol)
            yield from dedicated_endpoints(each.ban, name, each.protocol, each.ports, by_name[each.address])


def _counts(settings: Settings) -> Counts:
    slots = [slot.state for slot in settings.egress.slots.values()]
    answering = len(settings.ingress.answering)
    announced = slots.count(Status.ANNOUNCED)
    dedicated = Counter(each.ban for each in settings.dedicated_listeners)
    return Counts(
        ingress_addresses=answering + dedicated.total(),
        nat_addresses=len(slots) - announced,
        announced_addresses=announced + len(settings.ingress.address_names) - answering,
        load_balancers=answering + dedicated.total(),
        nat_vms=settings.cost.nat_vms,
        nat_gib=settings.cost.nat_gib,
        load_balancer_gib=settings.cost.load_balancer_gib,
        dedicated=dedicated,
    )


def _plan(settings: Settings) -> Plan:
    cost = settings.cost
    return Plan(
        static_address=cost.static_address,
        load_balancer=cost.load_balancer,
        nat_gateway=cost.nat_gateway,
        data_processing=cost.data_processing,
        before=cost.before,
        compute=cost.compute,
        customers=cost.customers,
    )
