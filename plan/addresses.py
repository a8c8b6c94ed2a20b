"""Every address that the settings declare, as listed in the inventory; IPs are not reserved yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from typing import Any, Literal

from inventory.address import Address, Direction, Kind, NoticeOverride, Status
from settings import Settings
from settings.base import Section
from settings.egress import Slot
from settings.ingress import ipv6_name
from settings.retired import RetiredAddress


def addresses(settings: Settings) -> Iterator[Address]:
    """All addresses, in the order of publication; `replaced_by` are names."""
    ingress, region = settings.ingress, settings.region
    for protocol, listener in ingress.listeners.items():
        own = _inbound(settings, protocol)
        coming = tuple(name for name, each in ingress.announced.items() if each.protocol == protocol)
        yield _living(own, listener.address, listener, Status.ACTIVE, coming)
        if ingress.ipv6_subnetwork:
            following = tuple(map(ipv6_name, coming)) if ingress.has_ipv6(listener) else ()
            yield _living(own, ipv6_name(listener.address), listener.ipv6, listener.ipv6.state, following)
    for name, each in ingress.announced.items():
        own = _inbound(settings, each.protocol, each.purpose)
        yield _living(own, name, each, Status.ANNOUNCED)
        if ingress.ipv6_subnetwork:
            yield _living(own, ipv6_name(name), each.ipv6, Status.ANNOUNCED)
    for own_listener in settings.dedicated_listeners:
        common = _inbound(settings, own_listener.protocol, f"Dedicated ingress ({own_listener.protocol})")
        own = replace(common, customer=own_listener.ban)
        yield _living(own, own_listener.address, own_listener.settings, own_listener.status)
    yield from (_slot(name, each, settings) for name, each in settings.egress.slots.items())
    yield from (_retired(name, each, region) for name, each in settings.retired.items())


def _inbound(settings: Settings, protocol: Literal["UDP", "TCP"], purpose: str | None = None) -> Address:
    """Common fields of the addresses of one LoadBalancer."""
    return Address(
        purpose=purpose or f"Customer ingress ({protocol})",
        name="",
        address="",
        kind=Kind.LOAD_BALANCER,
        direction=Direction.INBOUND,
        protocol=protocol,
        ports=tuple(settings.ingress.listeners[protocol].ports.values()),
        region=settings.region,
        status=Status.ACTIVE,
    )


def _living(common: Address, name: str, life: Section, status: Status, replaced_by: tuple[str, ...] = ()) -> Address:
    return replace(common, name=name, status=status, replaced_by=replaced_by, **_said(life))


def _slot(name: str, slot: Slot, settings: Settings) -> Address:
    return Address(
        purpose=slot.purpose,
        name=name,
        address="",
        kind=Kind.NAT,
        direction=Direction.OUTBOUND,
        protocol="UDP/TCP",
        ports=settings.egress.vendor_ports,
        region=settings.region,
        status=slot.state,
        **_said(slot),
    )


def _retired(name: str, retired: RetiredAddress, region: str) -> Address:
    """A retired address: it is released and cannot be looked up, so its IP is in the settings."""
    return Address(
        purpose=retired.purpose,
        name=name,
        address=retired.address,
        kind=retired.kind,
        direction=retired.direction,
        protocol="/".join(retired.protocols),
        ports=retired.ports,
        region=region,
        status=Status.RETIRED,
        **_said(retired),
    )


def _said(group: Section) -> dict[str, Any]:
    """What a group of settings says of its address: the fields of an address that need not be there, by their names."""
    known = {each.name for each in fields(Address) if each.default is not MISSING}
    found = {name: value for name, value in group if name in known}
    if override := found.get("notice_override"):
        found["notice_override"] = NoticeOverride(override.reason)
    return found
