"""The Pulumi program: the stable-IP edge of one region or, in a stack of role `global`, the shared names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

import outputs
from components.acl_enforcement import AclEnforcement, AclEnforcementArgs
from components.cloud_dns.host import look_up_zone
from components.cluster import kubernetes
from components.database import TrunkDatabase, TrunkDatabaseArgs
from components.dedicated_ingress import DedicatedIngress, DedicatedIngressArgs, refuse_dedicated_cut
from components.dns import SipDns
from components.dns_host import SipDnsArgs
from components.egress import NatEgressPool, NatEgressPoolArgs
from components.ingress import SipIngress, refuse_cut
from components.load_balancer import WayIn, explain_pending
from components.trunk_acl.schema import TrunkAclSchema, TrunkAclSchemaArgs, refuse_skipped_rotation, trunk_files
from engine.record import Record, last_update, outputs_of, owners_reader
from engine.refusal import not_reported_yet
from inventory.outputs import Inventory
from plan import plan
from publishing import publish
from settings import Settings, SettingsError
from settings.stack import role_of

if TYPE_CHECKING:
    from settings.all_regions import GlobalSettings


def load() -> Settings | GlobalSettings:
    """This stack's settings. Errors in them end the program before any resource is declared."""
    config = pulumi.runtime.get_config_env()
    secret = pulumi.runtime.config.get_config_secret_keys_env()
    try:
        if role_of(config) == "global":
            # Imported here to keep previews of regions fast.
            from settings.all_regions import GlobalSettings  # noqa: PLC0415

            return GlobalSettings.parse(config, secret)
        return Settings.parse(config, secret)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def build(settings: Settings, before: Record, on_failure: pulumi.ErrorHook | None = None) -> None:
    """Declare the edge and export the outputs. `before`: the record of the last update."""
    region, labels, protect, retired = settings.region, settings.labels, settings.protect, settings.retired
    # All checks run before any resource is declared: resources declared before a refusal would still be created.
    files = trunk_files(settings.trunk_acl, Path(__file__).parent, before.trunks)
    refuse_skipped_rotation(settings.trunk_acl, before.rotation)
    refuse_cut(settings.ingress, before.serving, retired)
    refuse_dedicated_cut(settings.dedicated_listeners, before.dedicated, retired)
    replica = settings.database.replica_of
    owners = owners_reader(replica.stack) if replica and settings.enforcement else None
    name_servers = look_up_zone(settings.dns)
    promised = plan(settings)
    cluster = kubernetes("cluster", settings.cluster, settings.project, region)
    egress = NatEgressPool(
        "egress", NatEgressPoolArgs(settings.egress, region, labels, protect, before.gateway, retired)
    )
    way = WayIn(settings.ingress, region, labels, protect, on_failure)
    ingress = SipIngress(
        "ingress",
        way,
        pulumi.ResourceOptions(providers=[cluster]),
    )
    dedicated = None
    if settings.dedicated:
        dedicated = DedicatedIngress(
            "dedicated",
            DedicatedIngressArgs(settings.dedicated_listeners, way),
            pulumi.ResourceOptions(providers=[cluster]),
        )
    addresses = {**ingress.addresses, **egress.addresses, **(dedicated.by_name if dedicated else {})}
    dns = SipDns(
        "dns",
        SipDnsArgs(
            settings.dns,
            promised.records,
            addresses,
            labels,
            protect,
            dedicated=dedicated,
            name_servers=name_servers,
        ),
    )
    database = TrunkDatabase("database", TrunkDatabaseArgs(settings.database, region, labels, protect))
    acl = None
    if settings.trunk_acl.manage:
        acl = TrunkAclSchema("trunk-acl", TrunkAclSchemaArgs(settings.trunk_acl, database, files, protect, dedicated))
    reader = acl or owners
    if reader and settings.enforcement:
        AclEnforcement(
            "acl-enforcement",
            AclEnforcementArgs(
                settings.enforcement,
                settings.trunk_acl.sign_in,
                settings.ingress,
                reader,
                database,
                labels,
                dedicated,
            ),
            pulumi.ResourceOptions(providers=[cluster]),
        )
    inventory = outputs.inventory(promised, ingress, egress, dedicated)
    everybodys = outputs.inventory(promised, ingress, egress)
    site = None
    if settings.inventory_site.bucket:
        # Imported here to keep previews of other stacks fast.
        from components.inventory_site import InventorySite, InventorySiteArgs  # noqa: PLC0415

        site = InventorySite(
            "inventory-site",
            InventorySiteArgs(
                settings.inventory_site, everybodys.apply(Inventory.ip_inventory), region, labels, protect
            ),
        )
    edge = outputs.Edge(addresses, egress, dns, database, acl, reader, inventory, everybodys, site)
    publish(outputs.of(settings, promised, edge))
    if settings.alerts.manage:
        # Imported here to keep previews of other stacks fast.
        from components.edge_alerts import EdgeAlerts, EdgeAlertsArgs  # noqa: PLC0415

        EdgeAlerts(
            "alerts",
            EdgeAlertsArgs(settings, promised, addresses, database),
            pulumi.ResourceOptions(providers=[cluster]),
        )


def main() -> None:
    """Run the program for this stack's role."""
    logging.getLogger("asyncio").addFilter(not_reported_yet)
    settings = load()
    if isinstance(settings, Settings):
        build(settings, last_update(), pulumi.ErrorHook("explain-pending", explain_pending))
        return
    import global_stack  # noqa: PLC0415

    global_stack.build(settings, outputs_of)


if __name__ == "__main__":
    main()
