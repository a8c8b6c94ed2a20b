"""Where customers send SIP, and the DNS records that lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inventory.routing import Routing

# Port role -> transport on the wire. RFC 3261 section 19.1.2 (sips), RFC 7118 section 3 (WebSocket).
TRANSPORT_OF_ROLE = {"sip": "TCP", "sips": "TLS", "ws": "WS", "wss": "WSS"}


@dataclass(frozen=True)
class Endpoint:
    """One way in for a customer; `customer`: BAN of the only one who may use it, None: all may.

    `server` is a host name, or the address itself where a customer's own has no name. In a plan `address` is the
    reserved address's name.
    """

    role: str
    server: str
    address: str
    port: int
    transport: str
    customer: str | None = None

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
        """The data, with what `addresses` has under a name in its place: strings, or whatever it maps to."""
        return [addresses.get(each, each) for each in self.data] if self.type in ("A", "AAAA") else list(self.data)

    def at(self, addresses: Mapping[str, str]) -> Record:
        """With the addresses of these names."""
        return replace(self, data=tuple(self.values(addresses)))
