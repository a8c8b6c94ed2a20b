"""Where customers send SIP, and the DNS records that lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from inventory.address import Protocol, to_open
from inventory.dns_routing import Routing
from inventory.json_values import READ, IpAddress, Port

Transport = Literal["UDP", "TCP", "TLS", "WS", "WSS"]
# Port role -> transport on the wire. RFC 3261 section 19.1.2 (sips), RFC 7118 section 3 (WebSocket).
TRANSPORT_OF_ROLE: Mapping[str, Transport] = {"sip": "TCP", "sips": "TLS", "ws": "WS", "wss": "WSS"}


@dataclass(frozen=True)
class Endpoint:
    """One way in for customers."""

    # In a plan `address` is the reserved address's name. `server` is a host name, or the address itself where a
    # customer's own has no name.
    __pydantic_config__ = READ

    role: str
    server: str
    address: IpAddress
    port: Port
    transport: Transport
    customer: Annotated[str | None, Field(description="BAN of the one customer who may use it; absent: everybody")] = (
        None
    )

    @property
    def opened(self) -> tuple[Protocol, ...]:
        """The protocols that customers' firewalls open to it."""
        return to_open(("UDP",) if self.transport == "UDP" else ("TCP",))

    @property
    def nameless(self) -> bool:
        """A customer's own that has no DNS name: its server is the address itself."""
        return self.customer is not None and self.server == self.address

    def at(self, addresses: Mapping[str, str]) -> Endpoint:
        """With the addresses of these names."""
        found = addresses[self.address]
        return replace(self, address=found, server=found if self.server == self.address else self.server)


@dataclass(frozen=True)
class Record:
    """One record set; `name` ends with a dot, `data` are the values in presentation format (RFC 1035, section 5).

    In a plan the data of A and AAAA are names of reserved addresses. `routing`: where its host can choose among several
    addresses it answers one of those; `data` is what other hosts answer. `customer`: BAN of the one whose name it is.
    """

    name: str
    type: str
    data: tuple[str, ...]
    routing: Routing | None = None
    customer: str | None = None

    def values(self, addresses: Mapping[str, Any]) -> list[Any]:
        """The data, with what `addresses` has under each name in its place: strings, or whatever it maps to. Without
        any, as they are. Raises `KeyError` for a name that is missing there."""
        named = addresses and self.type in ("A", "AAAA")
        return [addresses[each] for each in self.data] if named else list(self.data)

    def at(self, addresses: Mapping[str, str]) -> Record:
        """With the addresses of these names."""
        return replace(self, data=tuple(self.values(addresses)))
