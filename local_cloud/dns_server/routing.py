"""Routing policies: which of a record set's items an asker gets.

docs.cloud.google.com/dns/docs/routing-policies-overview; the asker is where the query comes from, or what it says of it
(EDNS client subnet, RFC 7871).

An item's addresses are probed when somebody asks, by a real connection: intervals and thresholds are not waited for,
and an answer is remembered for a moment only. Leaves to others: what a policy may look like (`local_cloud/gcp/`).
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

# The server answers one datagram after the other: a silent endpoint must not keep everybody waiting.
LONGEST_PROBE_SECONDS = 1.0
REMEMBERED_SECONDS = 0.2


@dataclass(frozen=True)
class Probe:
    """How an address is probed: that its port takes connections, or that a path is answered with 200."""

    port: int
    timeout: float
    path: str = ""
    tls: bool = False

    def answers(self, address: str) -> bool:
        """Whether it is healthy now."""
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
                )  # health checks look at no certificate
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
    """One answer of a policy. `checked`: only healthy ones of its addresses are given."""

    rrdatas: tuple[str, ...]
    location: str = ""
    weight: float = 0.0
    checked: bool = False


@dataclass(frozen=True)
class Policy:
    """A record set's policy: weighted items, or located ones, behind a primary where it fails over."""

    items: tuple[Item, ...]
    primary: Item | None = None
    weighted: bool = False
    fenced: bool = False
    trickle: float = 0.0
    probe: Probe | None = None


Nearest = Callable[[str], Sequence[str]]  # an asker's address -> regions, the nearest first


def nowhere(_asker: str) -> Sequence[str]:
    """Nobody is near anything."""
    return ()


def order_of(networks: Sequence[tuple[str, Sequence[str]]], asker: str) -> Sequence[str]:
    """Regions as the narrowest of these networks has them that the asker is in."""
    try:
        address = ipaddress.ip_address(asker)
    except ValueError:
        return ()
    found = [(ipaddress.ip_network(network), regions) for network, regions in networks]
    fits = [(network.prefixlen, regions) for network, regions in found if address in network]
    return max(fits, key=lambda each: each[0])[1] if fits else ()


class Health:
    """What probes said a moment ago, so that one message does not ask twice."""

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
    """The answer for an asker to whom these regions are the nearest."""
    if policy.primary:
        trickles = random.random() < policy.trickle  # noqa: S311 - traffic is spread, nothing is kept secret
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
    # Nobody answers: as if all did.
    return policy.primary.rrdatas if policy.primary else items[0].rrdatas


def _healthy(policy: Policy, item: Item) -> tuple[str, ...]:
    if not item.checked or policy.probe is None:
        return item.rrdatas
    return tuple(each for each in item.rrdatas if HEALTH.answers(policy.probe, each))
