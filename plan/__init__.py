"""What the settings declare, as plain values, before any resource: `settings -> plan -> components -> inventory`.

Pure: no module imports `pulumi`, reads a file or reads the clock. Components declare what the plan lists and return
name to IP; the inventory is the plan with IPs filled in. A preview in which some addresses are not known yet, the
review and the adoption use the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.address import Status
from inventory.endpoint import Endpoint, Record
from inventory.outputs import Inventory
from plan import certificate, names
from plan.addresses import addresses
from plan.names import Listener, Listeners
from settings import Settings
from settings.dedicated import own_names
from settings.ingress import PublicListener, ipv6_name

__all__ = ["listeners", "plan"]


def plan(settings: Settings) -> Inventory:
    """One region's inventory, with names in place of IPs."""
    own = names.names(settings.dns, settings.region)
    both = listeners(settings)
    return Inventory(
        region=settings.region,
        domain=own.domain,
        notice_days=settings.notice_days,
        addresses=tuple(addresses(settings)),
        endpoints=(*names.endpoints(own, both), *_dedicated_endpoints(settings)),
        records=(
            *names.records(both, settings.dns.srv, naptr=settings.dns.naptr),
            *_dedicated_records(settings),
            *certificate.of_region(settings),
        ),
        contact=settings.contact.published,
    )


def listeners(settings: Settings) -> Listeners:
    """The region's LoadBalancers."""
    ingress = settings.ingress

    def listener(each: PublicListener) -> Listener:
        return Listener(each.ports, each.address, ipv6_name(each.address) if ingress.has_ipv6(each) else None)

    return Listeners(names.names(settings.dns, settings.region), listener(ingress.udp), listener(ingress.tcp))


def _dedicated_endpoints(settings: Settings) -> Iterator[Endpoint]:
    for each in settings.dedicated_listeners:
        if each.status is Status.ACTIVE:
            name = own_names(settings.dns.domain, settings.dedicated[each.key]).get(each.protocol)
            yield from names.dedicated_endpoints(each.ban, name, each.protocol, each.ports, each.address)


def _dedicated_records(settings: Settings) -> Iterator[Record]:
    own: dict[str, dict[str, Listener]] = {}
    for each in settings.dedicated_listeners:
        own.setdefault(each.key, {})[each.protocol] = Listener(each.ports, each.address)
    for key, of_it in own.items():
        customer = settings.dedicated[key]
        if known_as := own_names(settings.dns.domain, customer):
            yield from names.dedicated_records(customer.ban, known_as, of_it, settings.dns.srv)
