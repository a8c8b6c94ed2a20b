"""The stack's outputs: the inventory, filled with the IPs of the components, in its published shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components.database import TrunkDatabase
from components.dedicated_ingress import DedicatedIngress
from components.dns import SipDns
from components.egress import NatEgressPool
from components.ingress import SipIngress
from components.trunk_acl.schema import TrunkAclSchema
from inventory.outputs import SCHEMA, Inventory, egress_capacity, record_sets
from plan.certificate import certificate_names
from plan.cost import count, monitoring, monthly_cost
from plan.names import names
from settings import Settings
from settings.tls import Tls

if TYPE_CHECKING:
    from components.acl_enforcement import AclReader
    from components.edge_protection import EdgeProtection
    from components.inventory_site import InventorySite

POSTGRESQL_PORT = 5432


@dataclass(frozen=True)
class Edge:
    """The declared edge.

    `addresses`: IP by name; `reader`: the reader role of the trunk ACL, of `acl` itself or of its owner; `inventory`:
    all addresses; `everybodys`: without dedicated addresses.
    """

    addresses: Mapping[str, pulumi.Output[str]]
    egress: NatEgressPool
    dns: SipDns
    database: TrunkDatabase
    acl: TrunkAclSchema | None
    reader: AclReader | None
    inventory: pulumi.Output[Inventory]
    everybodys: pulumi.Output[Inventory]
    site: InventorySite | None
    protection: EdgeProtection | None = None


def of(settings: Settings, promised: Inventory, edge: Edge) -> dict[str, pulumi.Input[Any]]:
    """Output name -> value; `docs/outputs.md` documents each."""
    egress, dns, database, site = edge.egress, edge.dns, edge.database, edge.site

    return {
        "ipInventory": edge.inventory.apply(Inventory.ip_inventory),
        "vendorWhitelist": edge.everybodys.apply(Inventory.vendor_whitelist),
        "customerEndpoints": edge.everybodys.apply(Inventory.customer_endpoints),
        "egressCapacity": egress.capacity.apply(egress_capacity),
        "monthlyCost": monthly_cost(
            count(promised.addresses, armor=settings.protection.billed), settings.cost, monitoring(settings)
        ),
        "dns": {
            "schema": SCHEMA,
            "domain": settings.dns.domain,
            **({"base": names(settings.dns, settings.region).base} if settings.dns.scope == "region" else {}),
            "nameServers": dns.name_servers,
            "dsRecords": dns.ds_records,
            "records": record_sets(promised.records, settings.dns.ttl_seconds, edge.addresses),
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
        **({"tls": _tls(settings.tls, certificate_names(settings))} if settings.tls else {}),
        **({"inventorySite": {"schema": SCHEMA, "url": site.url}} if site else {}),
        **_protection(settings, edge.protection),
    }


def _protection(settings: Settings, protection: EdgeProtection | None) -> dict[str, pulumi.Input[Any]]:
    if protection is None:
        return {}
    return {
        "edgeProtection": {
            "schema": SCHEMA,
            "mode": settings.protection.mode,
            "cloudArmorTier": protection.tier,
        }
    }


def _tls(tls: Tls, certified: Sequence[str]) -> dict[str, pulumi.Input[Any]]:
    return {"schema": SCHEMA, "secret": tls.secret, "names": list(certified)}


def _trunk_acl(reader: AclReader, acl: TrunkAclSchema | None) -> dict[str, pulumi.Input[Any]]:
    """With a read replica: only what a SIP proxy needs to read it, and nothing that only the owner has."""
    return {
        "schema": SCHEMA,
        **(acl.counts if acl else {}),
        "reader": reader.reader,
        "readerPassword": reader.reader_password,
        **({"writer": acl.writer, "writerPassword": acl.writer_password} if acl else {}),
    }


def inventory(
    promised: Inventory, ingress: SipIngress, egress: NatEgressPool, dedicated: DedicatedIngress | None = None
) -> pulumi.Output[Inventory]:
    """The plan with the reserved IPs filled in.

    The public inventory is built without `dedicated`. With it, each of the site's files would wait for every dedicated
    address, list all of them as dependencies in the state, and be unknown in the preview of an additional one.
    """
    shared = pulumi.Output.all(**ingress.addresses, **egress.addresses)
    if dedicated is None:
        return shared.apply(promised.shared.filled)
    return pulumi.Output.all(shared, dedicated.addresses).apply(lambda found: promised.filled(found[0] | found[1]))
