"""Packet filters. For vendors a rule accepts our calls; for customers it allows calls to us.

The source port of our calls is arbitrary (Cloud NAT), so rules for vendors match source address and destination port.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.address import Address
from inventory.formats.selection import (
    FOR_ANYBODY,
    FOR_ONE_SIDE,
    Audience,
    Family,
    Format,
    NothingToListError,
    Selection,
    described,
    lines,
)

FAMILIES: tuple[Family, ...] = (4, 6)


def _flows(selection: Selection) -> Iterator[tuple[Address, str, int]]:
    """Every address with each of its protocols and destination ports."""
    for address in selection.living:
        for protocol in address.protocols:
            for port in address.ports:
                yield address, protocol.lower(), port


def nftables(selection: Selection) -> str:
    """Two named sets, replaced in one transaction: loading it again leaves no old entries (nft(8))."""
    text = [f"# {selection.heading}", "# nft -f FILE; then: ip saddr @egress_v4 udp dport 5060 accept"]
    text += ["add table inet warp"]
    for family in FAMILIES:
        name = f"{selection.audience.label}_v{family}"
        text += [f"add set inet warp {name} {{ type ipv{family}_addr; }}", f"flush set inet warp {name}"]
        if found := {address.address: address for address in selection.of_family(family)}:
            elements = [f'  {ip} comment "{described(address)}"' for ip, address in found.items()]
            text += [f"add element inet warp {name} {{", ",\n".join(elements), "}"]
    return lines(*text)


def iptables(selection: Selection) -> str:
    """A separate chain for `iptables-restore --noflush` (IPv6: `ip6tables-restore`), which flushes it first."""
    chain = f"WARP-{selection.audience.label.upper()}"
    side = "-s" if selection.audience is Audience.VENDORS else "-d"
    restore = "ip6tables-restore" if selection.family == 6 else "iptables-restore"
    rules = (
        f"-A {chain} {side} {address.cidr} -p {protocol} -m {protocol} --dport {port}"
        f' -m comment --comment "{described(address)}" -j ACCEPT'
        for address, protocol, port in _flows(selection)
    )
    return lines(
        f"# {selection.heading}", f"# {restore} --noflush FILE", "*filter", f":{chain} - [0:0]", *rules, "COMMIT"
    )


def cisco_acl(selection: Selection) -> str:
    """A named extended access list of Cisco IOS; IPv6 if requested."""
    name = f"WARP-{selection.audience.label.upper()}"
    head = f"ipv6 access-list {name}-V6" if selection.family == 6 else f"ip access-list extended {name}"
    text = [f"! {selection.heading}", head]
    remarked: set[str] = set()
    for address, protocol, port in _flows(selection):
        if address.address not in remarked:
            remarked.add(address.address)
            text.append(f" remark {described(address)}")
        host = f"host {address.address}"
        pair = f"{host} any" if selection.audience is Audience.VENDORS else f"any {host}"
        text.append(f" permit {protocol} {pair} eq {port}")
    return lines(*text, "!")


def cube_trusted_list(selection: Selection) -> str:
    """The toll-fraud list of a Cisco Unified Border Element (`ip address trusted list`), IPv4."""
    if selection.family == 6:
        raise NothingToListError("the trusted list has IPv4 only")
    trusted = dict.fromkeys(f"  ipv4 {address.address} 255.255.255.255" for address in selection.living)
    return lines(f"! {selection.heading}", "voice service voip", " ip address trusted list", *trusted, "!")


FIREWALLS = (
    Format(
        "nftables", "nftables.nft", "named sets, IPv4 and IPv6, for `nft -f`", nftables, FOR_ANYBODY, customers_too=True
    ),
    Format(
        "iptables",
        "iptables.rules",
        "a chain for iptables-restore or ip6tables-restore",
        iptables,
        FOR_ONE_SIDE,
        one_family=True,
        customers_too=True,
    ),
    Format(
        "cisco-acl",
        "cisco-acl.txt",
        "extended access list of Cisco IOS",
        cisco_acl,
        FOR_ONE_SIDE,
        one_family=True,
        customers_too=True,
    ),
    Format(
        "cube",
        "cube.txt",
        "trusted list of a Cisco Unified Border Element, IPv4",
        cube_trusted_list,
        FOR_ANYBODY,
        one_family=True,
    ),
)
