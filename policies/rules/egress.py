"""Rules for egress: Cloud NAT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from engine.tokens import NAT
from inventory.capacity import EgressCapacity
from policies.declared import UNKNOWN, Declared, items
from policies.rule import (
    Finding,
    InProduction,
    Level,
    Options,
    ResourceRule,
    StackRule,
    Unjudged,
    Violation,
    expected,
    in_production,
)

Count = Annotated[int, Field(ge=1)]
# docs.cloud.google.com/nat/docs/ports-and-addresses
STATIC_PORTS, MOST_PORTS = 64, 65_536


class ActiveSlots(InProduction):
    """Minimum number of active egress addresses in production."""

    minimum: Count = Field(2, description="minimum of active addresses per gateway")


class Headroom(Options):
    """Required capacity. The default is the capacity of three addresses while one of them drains."""

    peak_calls: Count = Field(64_000, description="concurrent calls at the planned peak")
    ports_per_call: Count = Field(2, description="ports per call, same as warp-edge:egress.portsPerCall")
    spare_slots: int = Field(
        1, ge=0, description="active addresses that may be missing at the peak, for instance while one drains"
    )


class Share(Options):
    """A VM's share of the gateway's ports."""

    vms: int = Field(0, ge=0, description="VMs that send calls through the gateway; 0: not known, not checked")
    peak_calls: Count = Field(64_000, description="as in nat-capacity-headroom")
    ports_per_call: Count = Field(2, description="as in nat-capacity-headroom")


def _active_slots(nat: Declared, options: ActiveSlots) -> Iterator[Finding]:
    active = _active(nat)
    if active is None:
        yield Unjudged("natIps")
    elif active < options.minimum:
        yield Violation(f"{_count(active)} active, the minimum is {options.minimum}")


def _headroom(nat: Declared, options: Headroom) -> Iterator[Finding]:
    active = _active(nat)
    if active is None:
        yield Unjudged("natIps")
        return
    left = EgressCapacity(max(active - options.spare_slots, 0), options.ports_per_call, min_ports_per_vm=64)
    if left.concurrent_calls < options.peak_calls:
        spare = f" when {options.spare_slots} of them drains" if options.spare_slots else ""
        yield Violation(
            f"{_count(active)} active: {left.concurrent_calls:,} calls fit{spare}, the peak is {options.peak_calls:,}"
        )


def _share(nat: Declared, _: Sequence[Declared], options: Share) -> Iterator[Finding]:
    """On the stack's outputs: an adopted gateway keeps its earlier minimum."""
    if not options.vms:
        return
    dynamic = nat.at("enableDynamicPortAllocation")
    path, default = ("maxPortsPerVm", MOST_PORTS) if dynamic is True else ("minPortsPerVm", STATIC_PORTS)
    ports = nat.at(path)
    if UNKNOWN in (dynamic, ports):
        yield Unjudged(path)
        return
    ports = int(ports or default)
    calls = options.vms * ports // options.ports_per_call
    if calls < options.peak_calls:
        yield Violation(
            f"{options.vms} VMs with {ports:,} ports each: {calls:,} calls fit to one vendor's address and port,"
            f" the peak is {options.peak_calls:,}"
        )


def _active(nat: Declared) -> int | None:
    """Number of addresses used for new calls, which is known before their self-links are; None: not known either."""
    addresses = nat.at("natIps")
    if addresses is UNKNOWN:
        return None
    known = {each for each in items(addresses) if each is not UNKNOWN}
    return len(known) + sum(each is UNKNOWN for each in items(addresses))


def _count(active: int) -> str:
    return "1 address is" if active == 1 else f"{active} addresses are"


_NAT = frozenset({NAT})
RULES = (
    ResourceRule(
        "nat-manual-only",
        "Cloud NAT uses reserved addresses only (MANUAL_ONLY)",
        "vendors whitelist our addresses; an address that the cloud adds automatically is not on their lists",
        "set natIpAllocateOption to MANUAL_ONLY and give the reserved addresses in natIps",
        _NAT,
        check=expected(
            "natIpAllocateOption", ("MANUAL_ONLY",), "natIpAllocateOption is {}", "absent, which means AUTO_ONLY"
        ),
    ),
    ResourceRule(
        "nat-logging",
        "Cloud NAT has logging enabled",
        "a gateway without free ports drops calls, and only its log says so",
        "set logConfig.enable to true; filter ERRORS_ONLY is enough",
        _NAT,
        check=expected("logConfig.enable", (True,), "logging is off"),
    ),
    ResourceRule(
        "nat-active-slots",
        "Cloud NAT in production has at least two active addresses",
        "a single address cannot be drained: one has to stay active",
        "announce one more slot under warp-edge:egress.slots, then make it active (docs/addresses.md)",
        _NAT,
        options=ActiveSlots,
        check=in_production(_active_slots),
    ),
    ResourceRule(
        "nat-capacity-headroom",
        "The planned peak of calls fits through Cloud NAT, also while an address drains",
        "a gateway without free ports drops new calls; 64,512 ports per address, and vendors need time to whitelist",
        "announce one more slot under warp-edge:egress.slots, then make it active (docs/addresses.md)",
        _NAT,
        options=Headroom,
        check=_headroom,
    ),
    StackRule(
        "nat-ports-per-vm",
        "The VMs behind Cloud NAT get ports for the planned peak",
        "a VM without free ports drops new calls, however many the gateway has left; advisory, because a port serves"
        " several vendors at once, and how calls are spread over vendors is not known",
        "set warp-edge:egress.dynamicPorts to true, or raise .minPortsPerVm; all VMs share 64,512 ports per address",
        _NAT,
        level=Level.ADVISORY,
        options=Share,
        reads=frozenset(),
        check=_share,
    ),
)
