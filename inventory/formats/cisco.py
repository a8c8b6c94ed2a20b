"""Cisco's routers, firewalls and border elements.

Their access lists cannot include one another, and a list that is taken away and typed again is open or closed while it
is typed. So our addresses are an object group that the device's own access list names, once.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.formats.flows import Service, calls, services
from inventory.formats.selection import (
    FOR_ANYBODY,
    FOR_ONE_SIDE,
    Audience,
    Format,
    NothingToListError,
    Selection,
    described,
    lines,
)

IOS_FILE = "cisco-acl.txt"


def cisco_acl(selection: Selection) -> str:
    """Object groups of Cisco IOS for the device's own extended access list; IPv6 if requested.

    Cisco, "Object Groups for ACLs" and "IPv6 Object Groups for ACLs".
    """
    six = selection.family == 6
    kind, suffix = ("v6-network", "-V6") if six else ("network", "")
    found = {_name(selection, each, suffix): each for each in services(selection)}
    head = [
        selection.heading,
        *selection.sibling(IOS_FILE),
        calls(selection),
        *_head(found, "IPv6 access list" if six else "extended access list"),
        *(
            f"  permit {protocol} {_ends(selection, f'object-group {name}')} eq {port}"
            for name, service in found.items()
            if service.addresses
            for protocol, port in service.flows
        ),
        f"The access list WARP-{selection.audience.label.upper()}{suffix} of files before 2026-11-28 had a line per",
        "address: remove it when your own list has the lines above.",
    ]
    loopback = "::1" if six else "127.0.0.1"
    return lines(*(f"! {each}" for each in head), *_replaced(found, f"object-group {kind}", "host", loopback))


def cisco_asa(selection: Selection) -> str:
    """Network object groups of Cisco ASA, with both families (Cisco ASA 9, "Objects for Access Control")."""
    found = {_name(selection, each): each for each in services(selection)}
    head = [
        selection.heading,
        calls(selection),
        *_head(found, "access list (here OUTSIDE)"),
        *(
            f"  access-list OUTSIDE line 1 extended permit {protocol} {ends} eq {port}"
            for name, service in found.items()
            if service.addresses
            for ends in [_ends(selection, f"object-group {name}")]
            for protocol, port in service.flows
        ),
    ]
    return lines(*(f"! {each}" for each in head), *_replaced(found, "object-group network", "network-object host"))


def _name(selection: Selection, service: Service, suffix: str = "") -> str:
    return f"WARP-{selection.audience.label.upper()}-{service.name.upper()}{suffix}"


def _ends(selection: Selection, group: str) -> str:
    return f"{group} any" if selection.audience is Audience.VENDORS else f"any {group}"


def _head(found: dict[str, Service], access_list: str) -> list[str]:
    return [
        f"Each load replaces as a whole: {', '.join(found)}",
        "Nothing else is changed, and no address that stays is missing at any moment. Load it in configuration mode,",
        "line by line or as a file. Messages that a group or an entry to be removed does not exist are harmless.",
        "A group WARP-... that this file no longer names has ended: remove its lines from your access list, then it.",
        f"Once, after the first load, in your {access_list} and in front of what denies:",
    ]


def _replaced(found: dict[str, Service], group: str, host: str, loopback: str = "127.0.0.1") -> Iterator[str]:
    """A group holds another one, so it never is without the addresses that stay: NEXT, complete, is put beside NOW; NOW
    is made anew while it is not in use, and takes over."""
    for name, service in found.items():
        now, following = f"{name}-NOW", f"{name}-NEXT"
        hosts = [f" {host} {address.address}" for address in service.addresses]
        remarks = [f"! {described(address)}" for address in service.addresses]
        if not hosts:
            # No packet comes from or goes to a loopback address.
            hosts, remarks = [f" {host} {loopback}"], ["! Its addresses are retired; a group in use cannot be empty."]
        remarked = [line for each in zip(remarks, hosts, strict=True) for line in each]
        yield f"no {group} {following}"
        yield from (f"{group} {following}", *remarked)
        yield from (f"{group} {name}", f" group-object {following}", f" no group-object {now}")
        yield f"no {group} {now}"
        yield from (f"{group} {now}", *hosts)
        yield from (f"{group} {name}", f" group-object {now}", f" no group-object {following}")
        yield f"no {group} {following}"


def cube_trusted_list(selection: Selection) -> str:
    """The toll-fraud list of a Cisco Unified Border Element (`ip address trusted list`), IPv4.

    It holds all of the device's peers and has no groups: what is ours is added, and what is retired is taken away.
    """
    if selection.family == 6:
        raise NothingToListError("the trusted list has IPv4 only")
    trusted = dict.fromkeys(f"  ipv4 {address.address} 255.255.255.255" for address in selection.living)
    head = [
        selection.heading,
        "Each load adds our addresses, and removes those that we retired; other entries stay. Load it in configuration",
        "mode. Messages that an entry to be removed does not exist are harmless.",
        "A retired address that another carrier of yours has now: leave out its line with `no`.",
        "Then compare: every address of WARP in `show ip address trusted list` must be one of these.",
    ]
    if selection.other_family:
        six = Selection(selection.inventories, selection.audience, 6)
        head.append("IPv6: calls from the session target of a dial peer are accepted without the list. Ours:")
        head += [f"  {address.address}" for address in six.living]
    return lines(
        *(f"! {each}" for each in head),
        "voice service voip",
        " ip address trusted list",
        *trusted,
        *(f"  no ipv4 {address} 255.255.255.255" for address in selection.retired),
    )


CISCO = (
    Format(
        "cisco-acl",
        IOS_FILE,
        "object groups for your access list of Cisco IOS",
        cisco_acl,
        FOR_ONE_SIDE,
        one_family=True,
        customers_too=True,
        comment="!",
    ),
    Format(
        "cisco-asa",
        "cisco-asa.txt",
        "object groups for your access list of Cisco ASA, IPv4 and IPv6",
        cisco_asa,
        FOR_ONE_SIDE,
        customers_too=True,
        comment="!",
    ),
    Format(
        "cube",
        "cube.txt",
        "trusted list of a Cisco Unified Border Element, IPv4",
        cube_trusted_list,
        FOR_ANYBODY,
        one_family=True,
        ipv4_only=True,
        comment="!",
    ),
)
