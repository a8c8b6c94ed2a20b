"""The stack of role `global`: the shared names, and one inventory of all regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi

import optional
from components.cloud_dns.host import look_up_zone
from components.dns import SipDns
from components.dns_host import Probed, SipDnsArgs, look_before_caa
from engine.refusal import RefusedError
from inventory.outputs import SCHEMA
from inventory.reading import OF_A_REGION
from plan import all_regions as several
from plan import certificate
from plan.names import names
from publishing import publish
from refusal import Refusal
from settings.all_regions import GlobalSettings

# Fully qualified stack name and output names -> these outputs.
Outputs = Callable[[str, Sequence[str]], Mapping[str, Any]]


def build(settings: GlobalSettings, outputs_of: Outputs) -> None:
    """Declare the shared names and export the outputs for all regions."""
    known_as = names(settings.dns)
    routing, probe = settings.routing, settings.routing.probe
    try:
        # All regions' outputs are read and checked before any resource is declared.
        regions = several.together(
            several.read(name, each, known_as, outputs_of(each.stack, OF_A_REGION))
            for name, each in settings.regions.items()
        )
        port = several.probed_port(regions, "ws" if probe.path else "sip") if probe else None
        name_servers = look_up_zone(settings.dns)
    except Refusal as error:
        raise RefusedError(error.wrong, error.remedy) from None
    if settings.tls and settings.tls.caa:
        look_before_caa(settings.dns, settings.tls)
    records = several.shared_records(known_as, regions, routing, naptr=settings.dns.naptr)
    records += certificate.of_domain(settings.tls, settings.dns)
    promised = several.inventory(known_as, regions, records, settings.contact.published)
    # Same logical name as in a region's stack, so that record sets can be moved between the states (docs/regions.md).
    checked = Probed(probe, port) if probe and port else None
    dns = SipDns(
        "dns",
        SipDnsArgs(settings.dns, records, {}, settings.labels, settings.protect, checked, name_servers=name_servers),
    )
    inventory = several.ip_inventory(promised, regions)
    exported: dict[str, pulumi.Input[Any]] = {
        "ipInventory": inventory,
        "vendorWhitelist": promised.vendor_whitelist(),
        "customerEndpoints": promised.customer_endpoints(),
        "egressCapacity": several.egress_capacity(regions),
        "monthlyCost": several.monthly_cost(regions),
        "dns": {
            "schema": SCHEMA,
            "domain": settings.dns.domain,
            "nameServers": dns.name_servers,
            "dsRecords": dns.ds_records,
            "records": several.all_records(regions, records, settings.dns.ttl_seconds),
        },
    }
    site = optional.inventory_site(
        settings.inventory_site,
        pulumi.Output.from_input(inventory),
        settings.inventory_site.location or "",
        settings.labels,
        protect=settings.protect,
    )
    if site:
        exported["inventorySite"] = {"schema": SCHEMA, "url": site.url}
    publish(exported)
