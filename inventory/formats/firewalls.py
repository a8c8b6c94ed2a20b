"""Linux packet filters. For vendors a rule accepts our calls; for customers it allows calls to us.

The source port of our calls is arbitrary (Cloud NAT), so rules for vendors match source address and destination port.
Each file has a chain of ours, and replaces it as a whole; the device's own chain jumps to it, once.
"""

from __future__ import annotations

from ipaddress import ip_address

from inventory.formats.flows import calls, flows
from inventory.formats.selection import FOR_ONE_SIDE, Audience, Family, Format, Selection, described, lines

FAMILIES: tuple[Family, ...] = (4, 6)
IPTABLES_FILE = "iptables.rules"


def nftables(selection: Selection) -> str:
    """Two sets and a chain in the device's own table, replaced in one transaction (nft(8)).

    In a table of its own an `accept` would be of no use: the packet still passes the device's chain, which drops it
    (nft(8), "Verdict statement").
    """
    vendors = selection.audience is Audience.VENDORS
    own, side, hook = (
        f"warp_{selection.audience.label}",
        "saddr" if vendors else "daddr",
        "input" if vendors else "output",
    )
    text = [
        selection.heading,
        calls(selection),
        "Each load replaces our sets and our chain, in one transaction, and nothing else: nft -f FILE",
        f"Once, after the first load (on a router: forward for {hook}):",
        f"  nft insert rule inet filter {hook} jump {own}",
        "In /etc/nftables.conf, if that is what your system loads at boot: `include` this file below `flush ruleset`,",
        f"above your table, and write `jump {own}` into your chain.",
        "If your table is not `inet filter`: replace `inet filter` by its name throughout this file.",
        "The table `inet warp` of files before 2026-11-28 is no longer used: nft delete table inet warp",
    ]
    text = [*(f"# {each}" for each in text), "add table inet filter"]
    for family in FAMILIES:
        name = f"{own}_v{family}"
        elements = [
            f'  {address.address} . {protocol} . {port} comment "{described(address)}"'
            for address, protocol, port in flows(selection)
            if ip_address(address.address).version == family
        ]
        text += [
            f"add set inet filter {name} {{ type ipv{family}_addr . inet_proto . inet_service; }}",
            f"flush set inet filter {name}",
            *([f"add element inet filter {name} {{", ",\n".join(elements), "}"] if elements else []),
        ]
    text += [f"add chain inet filter {own}", f"flush chain inet filter {own}"]
    text += [
        f"add rule inet filter {own} {ip} {side} . meta l4proto . th dport @{own}_v{family} accept"
        for ip, family in (("ip", 4), ("ip6", 6))
    ]
    return lines(*text)


def iptables(selection: Selection) -> str:
    """A chain of ours for `iptables-restore --noflush` (IPv6: `ip6tables-restore`), which flushes it first."""
    chain = f"WARP-{selection.audience.label.upper()}"
    vendors = selection.audience is Audience.VENDORS
    side, hook = ("-s", "INPUT") if vendors else ("-d", "OUTPUT")
    program = "ip6tables" if selection.family == 6 else "iptables"
    text = [
        selection.heading,
        *selection.sibling(IPTABLES_FILE),
        calls(selection),
        f"Each load replaces our chain, in one transaction, and nothing else: {program}-restore --noflush FILE",
        f"Once, after the first load (on a router: FORWARD for {hook}):",
        f"  {program} -I {hook} -j {chain}",
    ]
    rules = (
        f"-A {chain} {side} {address.cidr} -p {protocol} -m {protocol} --dport {port}"
        f' -m comment --comment "{described(address)}" -j ACCEPT'
        for address, protocol, port in flows(selection)
    )
    return lines(*(f"# {each}" for each in text), "*filter", f":{chain} - [0:0]", *rules, "COMMIT")


FIREWALLS = (
    Format(
        "nftables",
        "nftables.nft",
        "a chain with its sets, IPv4 and IPv6, for `nft -f`",
        nftables,
        FOR_ONE_SIDE,
        customers_too=True,
        comment="#",
    ),
    Format(
        "iptables",
        IPTABLES_FILE,
        "a chain for iptables-restore or ip6tables-restore",
        iptables,
        FOR_ONE_SIDE,
        one_family=True,
        customers_too=True,
        comment="#",
    ),
)
