"""Where customers send SIP: names, listeners, and the DNS records that lead from one to the other.

The order in which a client looks (RFC 3263, section 4): transport parameter; numeric or explicit port; NAPTR; SRV per
transport; address record. Whoever types `host:5060` skips SRV and speaks UDP, so the plain name is the UDP address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from inventory.routing import Routing

T = TypeVar("T")

# Port role -> transport on the wire. RFC 3261 section 19.1.2 (sips), RFC 7118 section 3 (WebSocket).
TRANSPORT_OF_ROLE = {"sip": "TCP", "sips": "TLS", "ws": "WS", "wss": "WSS"}


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
        """What the labels stand right below, and whose services SRV and NAPTR tell."""
        return f"{self.region}.{self.domain}" if self.region else self.domain

    def fqdn(self, label: str) -> str:
        """Without the final dot, as people write it."""
        return f"{label}.{self.base}"


@dataclass(frozen=True)
class Listener(Generic[T]):
    """One LoadBalancer: where it answers and on which ports, by role (`sip`, `sips`, `ws`, `wss`).

    `T` is `str` where addresses are known, an Output of it inside the program.
    """

    ports: Mapping[str, int]
    ipv4: T
    ipv6: T | None = None

    @property
    def addresses(self) -> list[T]:
        """IPv4 first."""
        return [self.ipv4] if self.ipv6 is None else [self.ipv4, self.ipv6]


@dataclass(frozen=True)
class Record(Generic[T]):
    """One record set; `name` ends with a dot, `data` are the values in presentation format (RFC 1035, section 5).

    `routing`: where its host can choose among several addresses it answers one of those; `data` is what other hosts
    answer.
    """

    name: str
    type: str
    data: tuple[str | T, ...]
    routing: Routing | None = None


@dataclass(frozen=True)
class Srv:
    """RFC 2782: lowest priority first, `weight` shares among equals."""

    priority: int = 10
    weight: int = 50


@dataclass(frozen=True)
class Endpoint:
    """One way in for a customer; `customer`: BAN of the one who may use it, None: all may."""

    role: str
    server: str
    address: str
    port: int
    transport: str
    customer: str | None = None


def address_records(names: SipNames, udp: Listener[T], tcp: Listener[T]) -> Iterator[Record[T]]:
    """The addresses of the edge's three names."""
    for label, listener in ((names.primary, udp), (names.udp, udp), (names.tcp, tcp)):
        name = f"{names.fqdn(label)}."
        yield Record(name, "A", (listener.ipv4,))
        if listener.ipv6 is not None:
            yield Record(name, "AAAA", (listener.ipv6,))


def records(names: SipNames, udp: Listener[T], tcp: Listener[T], srv: Srv, *, naptr: bool) -> list[Record[T]]:
    """Every record set of the edge, in the order people read them."""
    found = list(address_records(names, udp, tcp))
    services = _services(names, udp, tcp)
    for service, port, label in services:
        data = f"{srv.priority} {srv.weight} {port} {names.fqdn(label)}."
        found.append(Record(f"{service}.{names.base}.", "SRV", (data,)))
    if naptr:
        found.append(Record(f"{names.base}.", "NAPTR", tuple(naptr_data(names, [s for s, _, _ in services]))))
    return found


def _services(names: SipNames, udp: Listener[T], tcp: Listener[T]) -> list[tuple[str, int, str]]:
    services = [("_sip._udp", udp.ports["sip"], names.udp), ("_sip._tcp", tcp.ports["sip"], names.tcp)]
    if "sips" in tcp.ports:
        services.append(("_sips._tcp", tcp.ports["sips"], names.tcp))
    return services


def naptr_data(names: SipNames, services: Sequence[str]) -> list[str]:
    """RFC 3263 section 4.1: one entry per transport, our preference first (UDP, TCP, TLS)."""
    field = {"_sip._udp": "SIP+D2U", "_sip._tcp": "SIP+D2T", "_sips._tcp": "SIPS+D2T"}
    return [
        f'{order} 50 "s" "{field[service]}" "" {service}.{names.base}.'
        for order, service in enumerate(services, start=1)
    ]


def endpoints(names: SipNames, udp: Listener[str], tcp: Listener[str]) -> list[Endpoint]:
    """What a customer may configure: UDP first, then what the TCP LoadBalancer offers."""
    # The secondary has its own name: the plain one leads to the UDP address, where nothing answers over TCP.
    ways = [
        ("primary", names.primary, udp, udp.ports["sip"], "UDP"),
        ("secondary", names.tcp, tcp, tcp.ports["sip"], "TCP"),
    ]
    ways += [
        (TRANSPORT_OF_ROLE[role].lower(), names.tcp, tcp, port, TRANSPORT_OF_ROLE[role])
        for role, port in tcp.ports.items()
        if role != "sip"
    ]
    return [
        Endpoint(role, names.fqdn(label), address, port, transport)
        for role, label, listener, port, transport in ways
        for address in listener.addresses
    ]


def dedicated_endpoints(
    customer: str, name: str | None, protocol: str, ports: Mapping[str, int], address: str
) -> list[Endpoint]:
    """What one customer alone may configure; without a DNS name the server is the address itself."""
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


def dedicated_records(names: Mapping[str, str], own: Mapping[str, Listener[T]], srv: Srv) -> list[Record[T]]:
    """The record sets of one customer's own name, UDP's before TCP's; `names` and `own` by protocol.

    The plain name is the UDP address, as that of the edge is; SRV records stand below it, so that a client that is
    given the name alone finds each transport (RFC 3263, section 4.1).
    """
    found: list[Record[T]] = [
        Record(f"{names[protocol]}.", "A", (listener.ipv4,)) for protocol, listener in own.items()
    ]
    plain = next(iter(names.values()))
    for protocol, listener in own.items():
        services = {"sip": f"_sip._{protocol.lower()}", "sips": "_sips._tcp"}
        for role, service in services.items():
            if role in listener.ports:
                data = f"{srv.priority} {srv.weight} {listener.ports[role]} {names[protocol]}."
                found.append(Record(f"{service}.{plain}.", "SRV", (data,)))
    return found
