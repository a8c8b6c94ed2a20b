"""The stack of role `global`: the names that regions share, and the inventory of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi

from components.dns import SipDns, SipDnsArgs, look_up_zone, names
from components.dns_routing import Probed
from engine.refusal import RefusedError
from inventory.endpoint import Record
from inventory.publish import SCHEMA
from inventory.published import OF_A_REGION
from inventory.regions import Regions, Share, probed_port, read, shared_records, together
from inventory.routing import Policies, Policy
from publishing import publish
from refusal import Refusal
from settings.regions import GlobalSettings, RegionShare

# Stack, in full, and names -> these of its outputs.
Outputs = Callable[[str, Sequence[str]], Mapping[str, Any]]


def build(settings: GlobalSettings, outputs_of: Outputs) -> None:
    """Declare the shared names and export what the outside reads of all regions."""
    told = names(settings.dns)
    routing = settings.routing
    probe = routing.probe
    try:
        # All of them are read and judged before anything is declared.
        found = [
            read(_share(region, each), told, outputs_of(each.stack, OF_A_REGION))
            for region, each in settings.regions.items()
        ]
        regions = together(found)
        port = probed_port(regions, "ws" if probe.path else "sip") if probe else None
        name_servers = look_up_zone(settings.dns)
    except Refusal as error:
        raise RefusedError(error.wrong, error.remedy) from None
    policies = Policies(Policy(routing.udp), Policy(routing.tcp))
    records = shared_records(told, regions, policies, naptr=settings.dns.naptr)
    every = Regions(told, regions, records)
    known = [Record[pulumi.Output[str]](each.name, each.type, each.data, each.routing) for each in records]
    # Named as in a region's stack: the record sets can be moved from one state to the other (docs/regions.md).
    checked = Probed(probe, port) if probe and port else None
    dns = SipDns(
        "dns", SipDnsArgs(settings.dns, known, settings.labels, settings.protect, checked, name_servers=name_servers)
    )
    inventory = every.ip_inventory()
    exported: dict[str, pulumi.Input[Any]] = {
        "ipInventory": inventory,
        "vendorWhitelist": every.vendor_whitelist(),
        "customerEndpoints": every.customer_endpoints(),
        "egressCapacity": every.egress_capacity(),
        "monthlyCost": every.monthly_cost(),
        "dns": {
            "schema": SCHEMA,
            "domain": settings.dns.domain,
            "nameServers": dns.name_servers,
            "dsRecords": dns.ds_records,
            "records": every.all_records(settings.dns.ttl_seconds),
        },
    }
    if settings.inventory_site.bucket:
        from components.inventory_site import InventorySite, InventorySiteArgs  # noqa: PLC0415 - as in __main__.py

        site = InventorySite(
            "inventory-site",
            InventorySiteArgs(
                settings.inventory_site,
                pulumi.Output.from_input(inventory),
                settings.inventory_site.location or "",
                settings.labels,
                settings.protect,
            ),
        )
        exported["inventorySite"] = {"schema": SCHEMA, "url": site.url}
    publish(exported)


def _share(region: str, each: RegionShare) -> Share:
    return Share(region, each.stack, each.priority, each.weight, each.state == "active")
