"""Routers with named lists of addresses, which the device's own rules refer to."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from inventory.formats.flows import Service, calls, services
from inventory.formats.selection import FOR_ONE_SIDE, Audience, Format, Selection, lines

MENUS = {4: "ip", 6: "ipv6"}
LOOPBACK = {4: "127.0.0.1/32", 6: "::1/128"}


def mikrotik(selection: Selection) -> str:
    """Address lists of RouterOS, both families: first what is missing is added, then what is gone is removed.

    Entries are found by their comment, because a list may hold names, networks and addresses. RouterOS, "Scripting" and
    "Address-lists".
    """
    vendors = selection.audience is Audience.VENDORS
    own = f"warp-{selection.audience.label}"
    found = {f"{own}-{each.name}": each for each in services(selection)}
    chain, side = ("input", "src") if vendors else ("output", "dst")
    head = [
        selection.heading,
        calls(selection),
        f"/import FILE: afterwards the lists named {own}-... have these addresses and no others. No address that stays",
        "is missing at any moment, and nothing else is changed.",
        f"Once, after the first import (on a router: chain=forward for chain={chain}; without place-before=0 if the",
        "menu has no rule yet, because there is no number 0 then):",
        *(
            f"  /{MENUS[family]} firewall filter add chain={chain} {side}-address-list={name} protocol={protocol}"
            f" dst-port={','.join(ports)} action=accept place-before=0"
            for family in MENUS
            for name, service in found.items()
            if _of_family(service, family)
            for protocol, ports in _ports(service).items()
        ),
    ]
    return lines(
        *(f"# {each}" for each in head), *(line for family in MENUS for line in _address_lists(found, family, own))
    )


def _address_lists(found: dict[str, Service], family: int, own: str) -> Iterator[str]:
    menu = f"/{MENUS[family]} firewall address-list"
    kept: dict[str, list[str]] = {}
    for name, service in found.items():
        for address in _of_family(service, family):
            comment = f"WARP {address}"
            kept.setdefault(name, []).append(f'comment!="{comment}"')
            yield (
                f':if ([:len [{menu} find where list="{name}" and comment="{comment}"]] = 0)'
                f' do={{ {menu} add list="{name}" address={address} comment="{comment}" }}'
            )
    for name, others in kept.items():
        yield f'{menu} remove [find where list="{name}" and {" and ".join(others)}]'
    ended = " and ".join([f'list~"^{own}-"', *(f'list!="{name}"' for name in kept)])
    yield f"{menu} remove [find where {ended}]"


def _of_family(service: Service, family: int) -> list[str]:
    return [each.address for each in service.addresses if ip_address(each.address).version == family]


def _ports(service: Service) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for protocol, port in service.flows:
        found.setdefault(protocol, []).append(str(port))
    return found


def juniper(selection: Selection) -> str:
    """Prefix lists of Junos, both families, for `load replace` (Junos, "load replace", "prefix-list").

    The comment is inside of the list: Junos keeps one as an annotation of the statement after it, which has to be ours.
    """
    side = "source" if selection.audience is Audience.VENDORS else "destination"
    text = ["policy-options {"]
    for service in services(selection):
        name = f"WARP-{selection.audience.label.upper()}-{service.name.upper()}"
        head = [
            selection.heading,
            calls(selection),
            "load replace FILE, then commit: replaces this prefix list as a whole at the commit, and nothing else.",
            "A list WARP-... that this file no longer names has ended: remove its terms from your filter, then it.",
            "Once, in your filter (family inet; inet6 with next-header for protocol), in front of what discards:",
            *(
                f"  from {{ {side}-prefix-list {name}; protocol {protocol}; destination-port [ {' '.join(ports)} ]; }}"
                " then accept;"
                for protocol, ports in _ports(service).items()
            ),
        ]
        text += ["    replace:", f"    prefix-list {name} {{", "        /*", *(f"         * {each}" for each in head)]
        # A term must not match a list that is empty for its family: loopback stands for one without addresses.
        prefixes = [each.cidr for each in service.addresses]
        prefixes += [host for family, host in LOOPBACK.items() if not _of_family(service, family)]
        text += ["         */", *(f"        {each};" for each in prefixes), "    }"]
    return lines(*text, "}")


ROUTERS = (
    Format(
        "mikrotik",
        "mikrotik.rsc",
        "address lists of MikroTik RouterOS, IPv4 and IPv6",
        mikrotik,
        FOR_ONE_SIDE,
        customers_too=True,
        comment="#",
    ),
    Format(
        "juniper",
        "juniper-prefix-list.conf",
        "prefix lists of Junos, IPv4 and IPv6",
        juniper,
        FOR_ONE_SIDE,
        customers_too=True,
    ),
)
