"""Egress: the pool of reserved addresses and the NAT gateway that uses them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from inventory.address import Calls, Status
from inventory.capacity import PORTS_OF_ONE_VM
from settings.base import Day, EachOnce, Line, Name, Port, Seconds, Section, Text
from settings.lifecycle import (
    NoticeOverride,
    in_order,
    override_shortens_something,
    refuse_circle,
    required_after,
)
from settings.problems import refuse
from settings.rules import rule


class Slot(Section):
    """One egress address, keyed by its name."""

    state: Literal[Status.ANNOUNCED, Status.ACTIVE, Status.DRAINING] = Field(
        description="`announced`: published, not used yet; `active`; `draining`: no new connections"
    )
    purpose: Line = Field("Vendor egress", description="as published in the inventory")
    announced_on: Day | None = Field(
        None, description="when it was announced to vendors; the notice period counts from here"
    )
    active_on: Day | None = Field(
        None, description="when it became active; while announced: the earliest date on which it will"
    )
    drained_on: Day | None = Field(None, description="when it began to drain")
    notice_override: NoticeOverride | None = Field(None, description="for less notice than noticeDays")
    replaced_by: Annotated[tuple[Name, ...], EachOnce] = Field((), description="slots that replace it")

    @field_validator("active_on")
    @classmethod
    def _active_after_its_announcement(cls, day: date | None, info: Info) -> date | None:
        state: Status | None = info.data.get("state")
        if state and state.state.calls is not Calls.NOT_YET:
            required_after(day, info, "announced_on")
        elif day and state and info.data.get("announced_on", day) is None:
            raise refuse("announced without a date", "add announcedOn: vendors count their notice from it")
        return in_order(day, info)

    @field_validator("drained_on")
    @classmethod
    def _drains_after_it_was_active(cls, day: date | None, info: Info) -> date | None:
        state: Status | None = info.data.get("state")
        if state and state.state.calls in (Calls.RUNNING, Calls.OVER):
            required_after(day, info, "announced_on", "active_on")
        elif day and state:
            raise refuse(f"the slot is {state}, not draining", "set its state to draining, or remove drainedOn")
        return in_order(day, info)

    _notice = field_validator("notice_override")(override_shortens_something)


class Router(Section):
    """The Cloud Router that carries the NAT gateway."""

    name: Name = Field(description="name of the router")
    manage: bool = Field(
        True, description="false: the router exists and another stack or team owns it; it is used by name"
    )
    network: Text = Field("default", min_length=1, description="its VPC network")


class NatTimeouts(Section):
    """Idle timeouts of Cloud NAT; the defaults are Google's (docs.cloud.google.com/nat/docs/tune-nat)."""

    udp_idle_seconds: Seconds = Field(30, description="short for SIP: a quiet registration loses its port mapping")
    icmp_idle_seconds: Seconds = Field(30, description="ICMP")
    tcp_established_idle_seconds: Seconds = Field(1200, description="established TCP connections")
    tcp_transitory_idle_seconds: Seconds = Field(30, description="half-open TCP connections")
    tcp_time_wait_seconds: Seconds = Field(120, description="TCP TIME_WAIT")


PortsPerVm = Annotated[int, Field(ge=2, le=65_536)]
# docs.cloud.google.com/nat/docs/ports-and-addresses: the largest minimum with dynamic allocation.
DYNAMIC_AT_LEAST, DYNAMIC_MINIMUM_AT_MOST, DYNAMIC_MAXIMUM_AT_MOST = 32, 32_768, 65_536
SLOTS_AT_MOST = 300  # manual addresses of one gateway (docs.cloud.google.com/nat/quota)


def _refuse_no_power(ports: int | None, most: int) -> None:
    """Of dynamic ports; the remedy names the nearest powers of two that are allowed, below and above."""
    if ports and (ports & (ports - 1) or not DYNAMIC_AT_LEAST <= ports <= most):
        below = 1 << (ports.bit_length() - 1)
        near = sorted({min(max(each, DYNAMIC_AT_LEAST), most) for each in (below, 2 * below)})
        raise refuse(
            f"with dynamic ports it must be a power of two from {DYNAMIC_AT_LEAST} to {most}",
            "use " + " or ".join(map(str, near)),
        )


class Egress(Section):
    """Egress: a pool of reserved addresses on one Cloud NAT gateway."""

    router: Router = Field(description="the Cloud Router")
    nat: Name = Field("warp-nat", description="name of the NAT gateway")
    slots: dict[Name, Slot] = Field(description="the pool: address name to its state")
    dynamic_ports: bool = Field(False, description="dynamic port allocation: VMs get more ports as they need them")
    endpoint_independent_mapping: bool = Field(
        False, description="endpoint-independent mapping (RFC 5128 section 2.3); not with dynamic ports"
    )
    min_ports_per_vm: PortsPerVm | None = Field(
        None,
        description="minimum ports per VM, which the cloud rounds up to a power of two; absent: what the gateway has (a"
        " new one: 64, with dynamic ports 32)",
    )
    max_ports_per_vm: PortsPerVm | None = Field(None, description="with dynamic ports: maximum for one VM")
    timeouts: NatTimeouts = Field(NatTimeouts(), description="idle timeouts")
    ports_per_call: int = Field(2, ge=1, le=64, description="ports that one call uses, for the capacity figures")
    vendor_ports: Annotated[tuple[Port, ...], EachOnce] = Field((5060,), min_length=1, description="vendors' SIP ports")

    @rule
    def _something_is_active(cls, slots: dict[str, Slot]) -> None:
        if not any(slot.state is Status.ACTIVE for slot in slots.values()):
            raise refuse("no active slot: every outgoing call would fail", "set one slot to active")
        if len(slots) > SLOTS_AT_MOST:
            raise refuse(f"{len(slots)} addresses on one gateway", f"the cloud allows {SLOTS_AT_MOST} at most")

    @rule
    def _replacements_are_there(cls, slots: dict[str, Slot]) -> None:
        lasting = {name for name, slot in slots.items() if slot.state.state.calls in (Calls.NOT_YET, Calls.NEW)}
        for name, slot in slots.items():
            if wrong := sorted(set(slot.replaced_by) - (lasting - {name})):
                raise refuse(
                    f"{name} is replaced by {wrong[0]}, which is not another slot that is announced or active",
                    "name an announced or active slot",
                )
        refuse_circle({name: slot.replaced_by for name, slot in slots.items()})

    @rule
    def _mapping_excludes_dynamic_ports(cls, endpoint_independent_mapping: bool, dynamic_ports: bool) -> None:
        if endpoint_independent_mapping and dynamic_ports:
            raise refuse("endpoint-independent mapping and dynamic ports exclude each other", "turn one of them off")

    @rule
    def _minimum_fits_the_allocation(cls, min_ports_per_vm: int | None, dynamic_ports: bool) -> None:
        if dynamic_ports:
            _refuse_no_power(min_ports_per_vm, DYNAMIC_MINIMUM_AT_MOST)
        elif min_ports_per_vm and min_ports_per_vm > PORTS_OF_ONE_VM:
            raise refuse("more ports than one VM can get from one address", f"use {PORTS_OF_ONE_VM} or less")

    @rule
    def _maximum_fits_the_allocation(
        cls, max_ports_per_vm: int | None, dynamic_ports: bool, min_ports_per_vm: int | None = None
    ) -> None:
        if max_ports_per_vm and not dynamic_ports:
            raise refuse("a maximum without dynamic ports", "set egress.dynamicPorts: true, or remove the maximum")
        _refuse_no_power(max_ports_per_vm, DYNAMIC_MAXIMUM_AT_MOST)
        if max_ports_per_vm and max_ports_per_vm <= (min_ports_per_vm or 32):
            raise refuse("not above the minimum", "raise egress.maxPortsPerVm")

    @property
    def default_min_ports_per_vm(self) -> int:
        """The cloud's default when a gateway has no minimum: 64, or 32 with dynamic port allocation."""
        return 32 if self.dynamic_ports else 64

    @property
    def most_ports_of_a_vm(self) -> int:
        """Source ports that one VM can have: a power of two, at most 57,344 from one address; with dynamic ports
        65,536 unless there is a maximum (docs.cloud.google.com/nat/docs/ports-and-addresses)."""
        if self.dynamic_ports:
            return self.max_ports_per_vm or 65_536
        return min(1 << ((self.min_ports_per_vm or self.default_min_ports_per_vm) - 1).bit_length(), PORTS_OF_ONE_VM)

    @property
    def active(self) -> list[str]:
        """Names of the active slots."""
        return [name for name, slot in self.slots.items() if slot.state is Status.ACTIVE]
