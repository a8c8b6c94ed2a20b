"""The addresses that the settings declare, in the words of the inventory.

A preview knows nothing of the output `ipInventory` as soon as one address is not reserved yet. What people are promised
stands in the settings all the same, and only the addresses themselves are missing: they are empty here. The program
does not need this; a test holds it against the inventory that the program made from the same settings.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.address import Address, Direction, Kind, Status
from settings import Settings
from settings.ingress import AnnouncedIngress, Ingress, PublicListener, ipv6_name
from settings.lifecycle import reason_of


def declared(settings: Settings) -> list[Address]:
    """Every address of the stack, in no special order; `replaced_by` are names."""
    return [
        *_ingress(settings),
        *(each.published("", settings.region) for each in settings.dedicated_listeners),
        *(settings.egress.published(name, "", settings.region) for name in settings.egress.slots),
        *(each.published(name, settings.region) for name, each in settings.legacy.items()),
    ]


def _ingress(settings: Settings) -> Iterator[Address]:
    ingress = settings.ingress
    for protocol, listener in (("UDP", ingress.udp), ("TCP", ingress.tcp)):
        coming = {name: each for name, each in ingress.announced.items() if each.protocol == protocol}
        for name in _families(ingress, listener.address):
            ipv6 = name != listener.address
            yield _inbound(
                settings,
                name,
                protocol,
                listener,
                purpose=f"Customer ingress ({protocol})",
                status=Status.ACTIVE,
                replaced_by=tuple(ipv6_name(each) if ipv6 else each for each in coming),
            )
        for announced, each in coming.items():
            purpose = each.purpose or f"Customer ingress ({protocol})"
            for name in _families(ingress, announced):
                yield _inbound(settings, name, protocol, each, purpose=purpose, status=Status.ANNOUNCED)


def _families(ingress: Ingress, name: str) -> tuple[str, ...]:
    return (name, ipv6_name(name)) if ingress.ipv6_subnetwork else (name,)


def _inbound(
    settings: Settings,
    name: str,
    protocol: str,
    life: PublicListener | AnnouncedIngress,
    *,
    purpose: str,
    status: Status,
    replaced_by: tuple[str, ...] = (),
) -> Address:
    listener = settings.ingress.udp if protocol == "UDP" else settings.ingress.tcp
    return Address(
        purpose=purpose,
        name=name,
        address="",
        kind=Kind.LOAD_BALANCER,
        direction=Direction.INBOUND,
        protocols=(protocol,),
        ports=tuple(listener.ports.values()),
        region=settings.region,
        status=status,
        replaced_by=replaced_by,
        announced_on=life.announced_on,
        active_on=life.active_on,
        notice_reason=reason_of(life.notice_override),
    )
