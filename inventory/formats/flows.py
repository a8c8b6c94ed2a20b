"""What a firewall opens: the flows of an audience, which its sheet and all its rules have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inventory.address import Address, Direction, Protocol
from inventory.formats.selection import Audience, NothingToListError, Selection

# Names of groups on a device: IOS and ASA allow 64 characters, with a prefix and suffixes of ours
# (`WARP-INGRESS-...-V6-NEXT`).
LONGEST_NAME = 43


def opened(address: Address) -> tuple[Protocol, ...]:
    """The protocols that a firewall opens for an address.

    To an ingress address for UDP, both: a request too large for UDP is tried over TCP (RFC 3261, section 18.1.1).
    """
    if address.direction is Direction.INBOUND and address.protocols == ("UDP",):
        return ("UDP", "TCP")
    return address.protocols


def flows(selection: Selection) -> Iterator[tuple[Address, str, int]]:
    """Every living address with each protocol (`udp`, `tcp`) and destination port that is opened for it, once each."""
    seen: set[tuple[str, str, int]] = set()
    for address in selection.living:
        for protocol in opened(address):
            for port in address.ports:
                flow = (address.address, protocol.lower(), port)
                if flow not in seen:
                    seen.add(flow)
                    yield address, *flow[1:]


def calls(selection: Selection) -> str:
    """The comment below the heading: what is let through, and whose file has the other direction."""
    if selection.audience is Audience.VENDORS:
        return "Lets in our calls to you."
    return "Lets out your calls to us. Our calls to you come from our egress addresses: load the vendors' file as well."


@dataclass(frozen=True)
class Service:
    """Addresses for which the same protocols and ports are opened, for devices that name groups of addresses."""

    flows: Sequence[tuple[str, int]]
    addresses: Sequence[Address]

    @property
    def name(self) -> str:
        """`udp-5060-tcp-5060-5061`: made of what is opened, so that a rule that names it never has to change."""
        ports = {protocol: [str(port) for each, port in self.flows if each == protocol] for protocol, _ in self.flows}
        name = "-".join("-".join((protocol, *found)) for protocol, found in ports.items())
        if len(name) > LONGEST_NAME:
            raise NothingToListError(f"more ports than the name of a group can hold: {name}")
        return name


def services(selection: Selection) -> list[Service]:
    """The living addresses by what is opened for them, in the order of the inventories.

    A service whose addresses are all retired has none: devices that loaded an earlier file have to let go of them.
    """
    found: dict[str, tuple[Address, list[tuple[str, int]]]] = {}
    for address, protocol, port in flows(selection):
        found.setdefault(address.address, (address, []))[1].append((protocol, port))
    groups: dict[tuple[tuple[str, int], ...], list[Address]] = {}
    for address, opens in found.values():
        groups.setdefault(_sorted(opens), []).append(address)
    for address in selection.everything:
        opens = [(protocol.lower(), port) for protocol in opened(address) for port in address.ports]
        groups.setdefault(_sorted(opens), [])
    return [Service(opens, addresses) for opens, addresses in groups.items()]


def _sorted(opens: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(set(opens), key=lambda flow: (flow[0] != "udp", flow[1])))
