"""The DNS names of the ingress: endpoints and record sets, by the names of reserved addresses.

A client's order of resolution (RFC 3263, section 4): transport parameter; numeric or explicit port; NAPTR; SRV per
transport; address record. A client configured with `host:5060` skips SRV and uses UDP, so the primary name is the UDP
address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inventory.endpoint import TRANSPORT_OF_ROLE, Endpoint, Record, Transport
from settings.dns import Dns

# Service -> port role and protocol of its LoadBalancer, and the service field of its NAPTR entry (RFC 3263, section
# 4.1), in our order of preference.
SERVICES = {
    "_sip._udp": ("sip", "UDP", "SIP+D2U"),
    "_sip._tcp": ("sip", "TCP", "SIP+D2T"),
    "_sips._tcp": ("sips", "TCP", "SIPS+D2T"),
}


class Weights(Protocol):
    """RFC 2782: lowest priority first, `weight` shares among equals."""

    @property
    def priority(self) -> int: ...  # noqa: D102
    @property
    def weight(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class SipNames:
    """The zone's domain and the labels below it, `sip-udp` in `sip-udp.ringer.tel`.

    `region`: of a region's own names, `sip-udp.us-east1.ringer.tel`; empty: right below the domain.
    """

    domain: str
    primary: str
    udp: str
    tcp: str
    region: str = ""

    @property
    def base(self) -> str:
        """The parent of the labels, and the name of the SRV and NAPTR services."""
        return f"{self.region}.{self.domain}" if self.region else self.domain

    def fqdn(self, label: str) -> str:
        """The full name of a label, without final dot."""
        return f"{label}.{self.base}"


@dataclass(frozen=True)
class Listener:
    """One LoadBalancer: its addresses, and its ports by role (`sip`, `sips`, `ws`, `wss`)."""

    ports: Mapping[str, int]
    ipv4: str
    ipv6: str | None = None

    @property
    def addresses(self) -> list[str]:
        """IPv4 first."""
        return [self.ipv4] if self.ipv6 is None else [self.ipv4, self.ipv6]


@dataclass(frozen=True)
class Listeners:
    """Both LoadBalancers of a region, and the region's own names."""

    names: SipNames
    udp: Listener
    tcp: Listener

    def listener(self, protocol: str) -> tuple[str, Listener]:
        """The host name of a protocol's LoadBalancer, and the LoadBalancer."""
        label, found = (self.names.udp, self.udp) if protocol == "UDP" else (self.names.tcp, self.tcp)
        return self.names.fqdn(label), found


def names(dns: Dns, region: str = "") -> SipNames:
    """The names of a region, or the shared names."""
    return SipNames(
        dns.domain, dns.names.primary, dns.names.udp, dns.names.tcp, region if dns.scope == "region" else ""
    )


def endpoints(known_as: SipNames, both: Listeners) -> list[Endpoint]:
    """The endpoints that a customer may configure: UDP first, then those of the TCP LoadBalancer."""
    # TCP has its own name: the primary one resolves to the UDP address, which does not answer over TCP.
    ways: list[tuple[str, str, Listener, int, Transport]] = [
        ("primary", known_as.primary, both.udp, both.udp.ports["sip"], "UDP"),
        ("secondary", known_as.tcp, both.tcp, both.tcp.ports["sip"], "TCP"),
    ]
    ways += [
        (TRANSPORT_OF_ROLE[role].lower(), known_as.tcp, both.tcp, port, TRANSPORT_OF_ROLE[role])
        for role, port in both.tcp.ports.items()
        if role != "sip"
    ]
    return [
        Endpoint(role, known_as.fqdn(label), address, port, transport)
        for role, label, listener, port, transport in ways
        for address in listener.addresses
    ]


def address_records(known_as: SipNames, both: Listeners) -> Iterator[Record]:
    """Address records of the three names."""
    for label, listener in ((known_as.primary, both.udp), (known_as.udp, both.udp), (known_as.tcp, both.tcp)):
        name = f"{known_as.fqdn(label)}."
        yield Record(name, "A", (listener.ipv4,))
        if listener.ipv6 is not None:
            yield Record(name, "AAAA", (listener.ipv6,))


def service_records(
    known_as: SipNames, shares: Sequence[tuple[Weights, Listeners]], *, naptr: bool
) -> Iterator[Record]:
    """SRV of every service of these regions, each with its own priority and weight, and NAPTR."""
    entries: list[str] = []
    for service, (role, protocol, field) in SERVICES.items():
        data = [
            srv(weights, listener.ports[role], target)
            for weights, both in shares
            for target, listener in [both.listener(protocol)]
            if role in listener.ports
        ]
        if data:
            yield Record(f"{service}.{known_as.base}.", "SRV", tuple(data))
            entries.append(f'{len(entries) + 1} 50 "s" "{field}" "" {service}.{known_as.base}.')
    if naptr:
        yield Record(f"{known_as.base}.", "NAPTR", tuple(entries))


def srv(weights: Weights, port: int, target: str) -> str:
    """The data of an SRV record (RFC 2782)."""
    return f"{weights.priority} {weights.weight} {port} {target}."


def records(both: Listeners, weights: Weights, *, naptr: bool) -> list[Record]:
    """Every record set of one region, in the order of reports."""
    return [*address_records(both.names, both), *service_records(both.names, [(weights, both)], naptr=naptr)]


def dedicated_endpoints(
    customer: str, name: str | None, protocol: Transport, ports: Mapping[str, int], address: str
) -> list[Endpoint]:
    """A dedicated customer's endpoints; without a DNS name the server is the address itself."""
    return [
        Endpoint(
            role="dedicated",
            server=name or address,
            address=address,
            port=port,
            transport=protocol if role == "sip" else TRANSPORT_OF_ROLE[role],
            customer=customer,
        )
        for role, port in ports.items()
    ]


def dedicated_records(
    customer: str, known_as: Mapping[str, str], own: Mapping[str, Listener], weights: Weights
) -> Iterator[Record]:
    """The record sets of a dedicated customer's name, UDP before TCP; `known_as` and `own` by protocol.

    The plain name is the UDP address, as for the edge; SRV records are below it, so that a client configured with the
    name alone finds each transport (RFC 3263, section 4.1).
    """
    for protocol, listener in own.items():
        yield Record(f"{known_as[protocol]}.", "A", (listener.ipv4,), customer=customer)
    plain = next(iter(known_as.values()))
    for protocol, listener in own.items():
        for service, (role, served, _) in SERVICES.items():
            if served == protocol and role in listener.ports:
                data = srv(weights, listener.ports[role], known_as[protocol])
                yield Record(f"{service}.{plain}.", "SRV", (data,), customer=customer)
