"""The addresses that the settings declare, in the words of the inventory.

A preview knows nothing of the output `ipInventory` as soon as one address is not reserved yet. What people are promised
stands in the settings all the same, and only the addresses themselves are missing: they are empty here. The program
does not need this; a test holds it against the inventory that the program made from the same settings.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.address import Address, Direction, Kind, Status
from settings import Settings
from settings.ingress import AnnouncedIngress, Ipv6, PublicListener, ipv6_name
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
    dual = ingress.ipv6_subnetwork is not None
    for protocol, listener in ingress.listeners.items():
        coming = {name: each for name, each in ingress.announced.items() if each.protocol == protocol}
        own, name = f"Customer ingress ({protocol})", listener.address
        following = tuple(coming)
        yield _inbound(settings, name, protocol, listener, purpose=own, status=Status.ACTIVE, replaced_by=following)
        if dual:
            ipv6, beside = listener.ipv6, ipv6_name(name)
            following = tuple(map(ipv6_name, coming)) if ingress.has_ipv6(listener) else ()
            yield _inbound(settings, beside, protocol, ipv6, purpose=own, status=ipv6.state, replaced_by=following)
        for announced, each in coming.items():
            purpose = each.purpose or own
            yield _inbound(settings, announced, protocol, each, purpose=purpose, status=Status.ANNOUNCED)
            if dual:
                beside = ipv6_name(announced)
                yield _inbound(settings, beside, protocol, each.ipv6, purpose=purpose, status=Status.ANNOUNCED)


def _inbound(
    settings: Settings,
    name: str,
    protocol: str,
    life: PublicListener | AnnouncedIngress | Ipv6,
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
