"""Routing policies: which of a record set's items a client gets.

docs.cloud.google.com/dns/docs/routing-policies-overview; the client is the query's source address, or its EDNS client
subnet (RFC 7871).

An item's addresses are probed on each query, by a real connection: intervals and thresholds are not simulated, and
results are cached only briefly. Validation of policies is in `local_cloud/gcp/`.
"""

from __future__ import annotations

import http.client
import ipaddress
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# The server answers datagrams one at a time: a silent endpoint must not delay other clients.
LONGEST_PROBE_SECONDS = 1.0
REMEMBERED_SECONDS = 0.2


@dataclass(frozen=True)
class Probe:
    """How an address is probed: its port accepts connections, or an HTTP path returns 200."""

    port: int
    timeout: float
    path: str = ""
    tls: bool = False

    def answers(self, address: str) -> bool:
        """Whether the address is healthy now."""
        timeout = min(self.timeout, LONGEST_PROBE_SECONDS)
        try:
            if not self.path:
                socket.create_connection((address, self.port), timeout).close()
                return True
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = (
                    False,
                    ssl.CERT_NONE,
                )  # health checks do not verify certificates
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    address, self.port, timeout=timeout, context=context
                )
            else:
                connection = http.client.HTTPConnection(address, self.port, timeout=timeout)
            try:
                connection.request("GET", self.path)
                return connection.getresponse().status == http.client.OK
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False


@dataclass(frozen=True)
class Item:
    """One answer of a policy. `checked`: only its healthy addresses are returned."""

    rrdatas: tuple[str, ...]
    location: str = ""
    weight: float = 0.0
    checked: bool = False


@dataclass(frozen=True)
class Policy:
    """A record set's policy: weighted or geolocated items, for failover with a primary in front."""

    items: tuple[Item, ...]
    primary: Item | None = None
    weighted: bool = False
    fenced: bool = False
    trickle: float = 0.0
    probe: Probe | None = None


Nearest = Callable[[str], Sequence[str]]  # a client's address -> regions, nearest first


def nowhere(_client: str) -> Sequence[str]:
    """No region is near any client."""
    return ()


def order_of(networks: Sequence[tuple[str, Sequence[str]]], client: str) -> Sequence[str]:
    """Regions of the most specific of these networks that contains the client."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return ()
    found = [(ipaddress.ip_network(network), regions) for network, regions in networks]
    fits = [(network.prefixlen, regions) for network, regions in found if address in network]
    return max(fits, key=lambda each: each[0])[1] if fits else ()


class Health:
    """Recent probe results, so that one message does not probe twice."""

    def __init__(self) -> None:
        self._said: dict[tuple[Probe, str], tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def answers(self, probe: Probe, address: str) -> bool:
        """Whether an address is healthy."""
        with self._lock:
            at, said = self._said.get((probe, address), (0.0, False))
        if at and time.monotonic() - at < REMEMBERED_SECONDS:
            return said
        said = probe.answers(address)
        with self._lock:
            self._said[probe, address] = (time.monotonic(), said)
        return said


HEALTH = Health()


def chosen(policy: Policy, near: Sequence[str]) -> tuple[str, ...]:
    """The answer for a client with these nearest regions."""
    if policy.primary:
        trickles = random.random() < policy.trickle  # noqa: S311 - load distribution, not security
        if not trickles and (healthy := _healthy(policy, policy.primary)):
            return healthy
    if policy.weighted:
        items = [item for item in policy.items if _healthy(policy, item)] or list(policy.items)
        weights = [item.weight for item in items]
        if not any(weights):
            return ()
        (item,) = random.choices(items, weights)  # noqa: S311 - as above
        return _healthy(policy, item) or item.rrdatas
    items = sorted(policy.items, key=lambda item: near.index(item.location) if item.location in near else len(near))
    for item in items[:1] if policy.fenced else items:
        if healthy := _healthy(policy, item):
            return healthy
    # If none is healthy, all are treated as healthy.
    return policy.primary.rrdatas if policy.primary else items[0].rrdatas


def _healthy(policy: Policy, item: Item) -> tuple[str, ...]:
    if not item.checked or policy.probe is None:
        return item.rrdatas
    return tuple(each for each in item.rrdatas if HEALTH.answers(policy.probe, each))
