"""Which sources the cloud's firewall admits to the shared ingress, where these are the customers (`ingress.admit`).

The ranges of the trunk files become `loadBalancerSourceRanges` of both Services. A customer's range is admitted by the
firewall before the trunk ACL has it, and leaves it after the ACL: what the ACL accepts is never dropped on the way
(docs/protection.md, docs/adr/0044-firewall-opens-before-the-acl.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

import pulumi

from components.load_balancer import Admission
from components.look_up import Sought, look_up
from components.sdk.google import get_uptime_check_ips
from components.trunk_acl.places import of_trunk
from components.trunk_acl.trunk_files import TrunkFiles
from engine.refusal import RefusedError
from settings.ingress import Ingress
from trunk_text import Network, by_trunk

# External passthrough Network Load Balancers (docs.cloud.google.com/load-balancing/docs/health-checks). A constant, as
# in the plugin itself: its function `getLBIPRanges` calls no API and has no IPv6.
HEALTH_CHECKERS = ("35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22", "2600:1901:8001::/48")
SHOWN = 5  # trunks named in a message


def admission(
    ingress: Ingress, files: TrunkFiles | None, before: Mapping[str, Set[str]], project: str
) -> Admission | None:
    """None where everybody is admitted, and was. `before`: source ranges of each of the shared LoadBalancers after the
    last update, by logical name; empty where it admits everybody.

    Call it before anything is declared. Raises `RefusedError` if callers may come from anywhere, if there is no
    customer, for more ranges than allowed, and if Google's uptime checkers cannot be looked up.
    """
    if ingress.admit == "everybody" or files is None:
        own = joined(map(ip_network, ingress.source_ranges))
        # A new customer may be in the same update.
        return Admission(opens=True) if any(not own or _lacks(each, own) for each in _closed(before).values()) else None
    customers = _customers(files)
    others = (*HEALTH_CHECKERS, *_uptime_checkers(project), *ingress.admit_also)
    wanted = joined((*customers, *map(ip_network, others)))
    if len(wanted) > ingress.admit_at_most:
        raise RefusedError(
            f"ingress.admit: customers needs {len(wanted)} source ranges ({len(customers)} of customers, neighbours"
            f" joined), and ingress.admitAtMost is {ingress.admit_at_most}",
            "raise ingress.admitAtMost, up to 5000, or set ingress.admit: everybody: the trunk ACL alone decides then",
        )
    found = planned(wanted, before)
    if len(found.ranges) > ingress.admit_at_most:
        raise RefusedError(
            f"ingress.admit: customers: this update adds source ranges while {found.left} that are not needed any more"
            f" are still admitted: {len(found.ranges)} together, and ingress.admitAtMost is {ingress.admit_at_most}",
            "close first: run `pulumi up` without the new ranges in the trunk files and ingress.admitAlso, then add"
            " them; or raise ingress.admitAtMost, up to 5000",
        )
    if found.left or found.open:
        more = [f"{found.left} ranges more than ingress.admit: customers needs"] if found.left else []
        more += [f"every source at {each}" for each in sorted(found.open)]
        pulumi.log.warn(
            f"the firewall admits {' and '.join(more)}, because this update also adds some: new ranges are admitted"
            " before the trunk ACL has them. Another `pulumi up` closes them; until then the trunk ACL alone rejects"
            " their calls"
        )
    return found


def planned(wanted: tuple[Network, ...], before: Mapping[str, Set[str]]) -> Admission:
    """What the Services get in this update, and whether before the trunk ACL or after it.

    An update that opens closes nothing, neither a range nor a Service that admits every source: a closing has to come
    after the trunk ACL, which checks that no rows but those of the files are there.
    """
    closed = _closed(before)
    if any(_lacks(each, wanted) for each in closed.values()):
        ranges = joined((*wanted, *(each for service in closed.values() for each in service)))
        left, every = len(set(ranges) - set(wanted)), frozenset(before.keys() - closed)
        return Admission(ranges, opens=True, left=left, open=every)
    closes = len(closed) < len(before) or any(joined((*wanted, *each)) != wanted for each in closed.values())
    return Admission(wanted, closes=closes)


def _closed(before: Mapping[str, Set[str]]) -> dict[str, tuple[Network, ...]]:
    """The Services that do not admit every source."""
    return {name: joined(map(ip_network, ranges)) for name, ranges in before.items() if ranges}


def joined(ranges: Iterable[Network]) -> tuple[Network, ...]:
    """The same addresses in as few ranges as possible, IPv4 first."""
    all_ = list(ranges)
    return (
        *collapse_addresses(each for each in all_ if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in all_ if isinstance(each, IPv6Network)),
    )


def _lacks(service: tuple[Network, ...], wanted: tuple[Network, ...]) -> bool:
    """Whether a Service has to admit more. One that had no IPv6 has nothing that could be dropped there."""
    families = {each.version for each in service}
    return joined((*service, *(each for each in wanted if each.version in families))) != service


def _customers(files: TrunkFiles) -> tuple[Network, ...]:
    from_anywhere, ranges = list[str](), list[Network]()
    for trunk, entries in by_trunk(files.customers):
        if not trunk.active:
            continue
        if trunk.auth_type != "IP_ACL":
            where = of_trunk(files.places, trunk.ban, trunk.name)
            from_anywhere.append(f"{trunk.name} of BAN {trunk.ban} is {trunk.auth_type} ({where})")
        ranges += (ip_network(range_) for range_, active in entries if active)
    if from_anywhere:
        more = f" and {len(from_anywhere) - SHOWN} more" if len(from_anywhere) > SHOWN else ""
        raise RefusedError(
            "ingress.admit: customers would drop callers of trunks that sign in by password, from any address:"
            f" {', '.join(from_anywhere[:SHOWN])}{more}",
            "make them `auth: IP_ACL` or `active: false`, or set ingress.admit: everybody",
        )
    if not ranges:
        raise RefusedError(
            "ingress.admit: customers would admit no customer: the trunk files have no active range of an active trunk",
            "add the customers first, or set ingress.admit: everybody",
        )
    return joined(ranges)


def _uptime_checkers(project: str) -> Iterator[str]:
    """Looked up, because Google changes them."""
    sought = Sought(
        what=f"list of Google's uptime checkers, by project {project}",
        keys="gcp:project, or set warp-edge:ingress.admit: everybody",
        listed_by="gcloud monitoring uptime list-ips",
        role="roles/monitoring.viewer",
        api="monitoring.googleapis.com",
    )
    found = [each.get("ipAddress") for each in look_up(sought, get_uptime_check_ips)]
    if not found or not all(found):
        raise RefusedError(
            f"the {sought.what}, is empty or has an entry without an address: its checks would be dropped",
            f"try again (`{sought.listed_by}` lists them), or set ingress.admit: everybody",
        )
    # With or without a length: an address is a range as well.
    yield from map(str, found)
