"""The shared names: which regions they resolve to, in which order, and which region is drained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from settings import Settings
from settings.base import Region, Section, StackName
from settings.dns import Dns, refuse_unowned_zone
from settings.dns_routing import Routing
from settings.inventory_site import InventorySite
from settings.problems import refuse
from settings.rules import Rule
from settings.stack import ROLE, Stack
from settings.tls_rules import names_are_below_the_domain


class RegionShare(Section):
    """One region's share of the calls to the shared names (RFC 2782)."""

    stack: StackName = Field(
        description="its fully qualified stack name: organization/project/stack (`pulumi stack ls --all`)"
    )
    priority: int = Field(
        10, ge=0, le=65535, description="lowest first; regions of the same priority share calls by weight"
    )
    weight: int = Field(50, ge=0, le=65535, description="share among regions of the same priority")
    state: Literal["active", "drained"] = Field(
        "active", description="`drained`: the shared names no longer include it; its addresses and its own names stay"
    )


def _a_site_is_somewhere(inventory_site: InventorySite) -> None:
    if inventory_site.bucket and not inventory_site.location:
        raise refuse("this stack has no region, so the bucket needs a location", "set inventorySite.location")


def _calls_are_led_somewhere(regions: Mapping[str, RegionShare]) -> None:
    if all(each.state == "drained" for each in regions.values()):
        raise refuse("no region is active: the shared names would not resolve", "set one region's state: active")


def _a_stack_is_one_region(regions: Mapping[str, RegionShare]) -> None:
    stacks = [each.stack for each in regions.values()]
    if twice := next((stack for stack in stacks if stacks.count(stack) > 1), None):
        raise refuse(f"two regions have the same stack {twice}", "name each region's own stack")


def _sharing_is_meant(regions: Mapping[str, RegionShare]) -> None:
    """Drained regions included: they return with their settings."""
    for name, each in regions.items():
        same = sorted(other for other, share in regions.items() if share.priority == each.priority)
        if len(same) > 1 and "weight" not in each.model_fields_set:
            raise refuse(
                f"{' and '.join(same)} have the same priority, without weights: calls would be shared equally",
                f"give each its own priority, or set regions.{name}.weight explicitly",
            )


def _weights_are_not_all_zero(regions: Mapping[str, RegionShare]) -> None:
    for each in regions.values():
        same = [share.weight for share in regions.values() if share.priority == each.priority]
        if len(same) > 1 and not any(same):
            raise refuse("all weights of one priority are 0", "give at least one of them a weight above 0")


def _names_are_shared(dns: Dns) -> None:
    if dns.scope != "domain":
        raise refuse("this stack has no region of its own", "remove dns.scope; it is a setting of regions' stacks")
    refuse_unowned_zone(dns.zone)


def _the_host_can_decide(routing: Routing, dns: Dns) -> None:
    if not routing.is_fixed and "cloud-dns" not in dns.hosts:
        raise refuse(
            f"the zone is at {dns.backend}, which gives every client the same answer",
            "remove warp-edge:routing, or move the zone to Cloud DNS first (docs/dns.md)",
        )


RULES: tuple[Rule, ...] = (
    _a_site_is_somewhere,
    _calls_are_led_somewhere,
    _a_stack_is_one_region,
    _sharing_is_meant,
    _weights_are_not_all_zero,
    _names_are_shared,
    _the_host_can_decide,
    names_are_below_the_domain,
)


class GlobalSettings(Stack):
    """All settings of a stack of role `global`."""

    elsewhere: ClassVar[frozenset[str]] = frozenset(
        str(field.alias) for name, field in Settings.model_fields.items() if name not in Stack.model_fields
    )
    rules: ClassVar[tuple[Rule, ...]] = (*Stack.rules, *RULES)

    role: Literal["global"] = Field("global", description=ROLE)
    regions: dict[Region, RegionShare] = Field(description="by region: its stack and its share of the calls")
    routing: Routing = Field(
        Routing(), description="what Cloud DNS answers for the shared names' addresses (docs/regions.md)"
    )
