"""The names that all regions share: which regions they lead to, in which order, and which one is being maintained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from settings import Settings
from settings.base import Region, Section, StackName
from settings.dns import Dns, refuse_zone_of_nobody
from settings.dns_routing import Routing
from settings.inventory_site import InventorySite
from settings.problems import refuse
from settings.rules import Rule
from settings.stack import ROLE, Stack


class RegionShare(Section):
    """What one region has of the calls to the shared names (RFC 2782)."""

    stack: StackName = Field(description="its stack, in full: organization/project/stack (`pulumi stack ls --all`)")
    priority: Annotated[int, Field(ge=0, le=65535)] = Field(
        10, description="lowest first; regions of the same priority share calls by weight"
    )
    weight: Annotated[int, Field(ge=0, le=65535)] = Field(50, description="share among regions of the same priority")
    state: Literal["active", "drained"] = Field(
        "active", description="`drained`: no new call is led there; its addresses and its own names stay"
    )


def _a_site_is_somewhere(inventory_site: InventorySite) -> None:
    if inventory_site.bucket and not inventory_site.location:
        raise refuse("this stack is in no region, and the bucket must be somewhere", "say inventorySite.location")


def _calls_are_led_somewhere(regions: Mapping[str, RegionShare]) -> None:
    if all(each.state == "drained" for each in regions.values()):
        raise refuse("no region is active: the names would lead nowhere", "set one region's state: active")


def _a_stack_is_one_region(regions: Mapping[str, RegionShare]) -> None:
    stacks = [each.stack for each in regions.values()]
    if twice := next((stack for stack in stacks if stacks.count(stack) > 1), None):
        raise refuse(f"two regions are the stack {twice}", "name each region's own stack")


def _sharing_is_meant(regions: Mapping[str, RegionShare]) -> None:
    """Drained ones too: they come back as they are."""
    for name, each in regions.items():
        same = sorted(other for other, share in regions.items() if share.priority == each.priority)
        if len(same) > 1 and "weight" not in each.model_fields_set:
            raise refuse(
                f"{' and '.join(same)} have the same priority: calls would be shared among them",
                f"give each a priority of its own, or say regions.{name}.weight and mean it",
            )


def _weights_choose_somebody(regions: Mapping[str, RegionShare]) -> None:
    for each in regions.values():
        same = [share.weight for share in regions.values() if share.priority == each.priority]
        if len(same) > 1 and not any(same):
            raise refuse("all weights of one priority are 0", "give them weights that say who gets how much")


def _names_are_shared(dns: Dns) -> None:
    if dns.scope != "domain":
        raise refuse("this stack has no region of its own", "leave dns.scope out; it is for the regions' stacks")
    refuse_zone_of_nobody(dns.zone)


def _the_host_can_decide(routing: Routing, dns: Dns) -> None:
    if not routing.is_fixed and "cloud-dns" not in dns.hosts:
        raise refuse(
            f"the zone is at {dns.backend}, which answers everybody the same",
            "remove warp-edge:routing, or move the zone to Cloud DNS first (docs/dns.md)",
        )


RULES: tuple[Rule, ...] = (
    _a_site_is_somewhere,
    _calls_are_led_somewhere,
    _a_stack_is_one_region,
    _sharing_is_meant,
    _weights_choose_somebody,
    _names_are_shared,
    _the_host_can_decide,
)


class GlobalSettings(Stack):
    """All settings of a stack of role `global`."""

    elsewhere: ClassVar[frozenset[str]] = frozenset(
        str(field.alias) for name, field in Settings.model_fields.items() if name not in Stack.model_fields
    )
    rules: ClassVar[tuple[Rule, ...]] = (*Stack.rules, *RULES)

    role: Literal["global"] = Field("global", description=ROLE)
    regions: dict[Region, RegionShare] = Field(description="by region: its stack, and its share of the calls")
    routing: Routing = Field(
        Routing(), description="what Cloud DNS answers for the shared names' addresses (docs/regions.md)"
    )
