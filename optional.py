"""Components that not every stack declares. Each is imported only where it is declared: previews of the other stacks
stay fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pulumi

from settings import Settings
from settings.inventory_site import InventorySite as Site

if TYPE_CHECKING:
    from components.acl_enforcement import AclEnforcement
    from components.database import TrunkDatabase
    from components.edge_protection import EdgeProtection
    from components.inventory_site import InventorySite
    from inventory.json_values import Json
    from inventory.outputs import Inventory


def certificate(
    settings: Settings, acl: AclEnforcement | None, zone: pulumi.Resource, opts: pulumi.ResourceOptions
) -> None:
    """Where `tls` is set."""
    if settings.tls:
        from components.tls_certificate import TlsCertificate

        TlsCertificate("tls", settings, acl, zone, opts)


def protection(settings: Settings) -> EdgeProtection | None:
    """Where `protection.mode` is set."""
    if not settings.protection.declared:
        return None
    from components.edge_protection import EdgeProtection

    return EdgeProtection("edge-protection", settings)


def inventory_site(
    site: Site, inventory: pulumi.Output[Json], region: str, labels: Mapping[str, str], *, protect: bool
) -> InventorySite | None:
    """Where `inventorySite.bucket` is set. `inventory`: as in output `ipInventory`."""
    if not site.bucket:
        return None
    from components.inventory_site import InventorySite, InventorySiteArgs

    return InventorySite("inventory-site", InventorySiteArgs(site, inventory, region, labels, protect))


def alerts(
    settings: Settings,
    promised: Inventory,
    addresses: Mapping[str, pulumi.Output[str]],
    database: TrunkDatabase,
    opts: pulumi.ResourceOptions,
) -> None:
    """Where `alerts.manage` is set."""
    if settings.alerts.manage:
        from components.edge_alerts import EdgeAlerts, EdgeAlertsArgs

        EdgeAlerts("alerts", EdgeAlertsArgs(settings, promised, addresses, database), opts)
