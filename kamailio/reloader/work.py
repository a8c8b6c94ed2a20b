"""What a notification asks for. Pure: payloads in, `Work` out.

A payload is `all`, `dedicated`, the ranges whose entries changed, or `limits` and the trunks whose limits changed,
separated by spaces (components/trunk_acl/sql, 0007_changes.sql and 0012_call_limits.sql). It says where to look, never
what is there.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Above it one reload of the hosts, or of the limits, is less work for everybody.
MOST_SINGLE = 200


@dataclass(frozen=True)
class Work:
    """Single hosts and trunks (`trunk|BAN`, their limits) to look up again, and parts to load anew. The sum of two is
    what both ask for."""

    hosts: frozenset[Network] = frozenset()
    all_hosts: bool = False
    ranges: bool = False
    dedicated: bool = False
    limits: frozenset[str] = frozenset()
    all_limits: bool = False

    def __or__(self, other: Work) -> Work:
        hosts, limits = self.hosts | other.hosts, self.limits | other.limits
        all_hosts = self.all_hosts or other.all_hosts or len(hosts) > MOST_SINGLE
        all_limits = self.all_limits or other.all_limits or len(limits) > MOST_SINGLE
        return Work(
            frozenset() if all_hosts else hosts,
            all_hosts,
            self.ranges or other.ranges,
            self.dedicated or other.dedicated,
            frozenset() if all_limits else limits,
            all_limits,
        )

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def reloads(self) -> bool:
        """Whether any part is loaded anew."""
        return self.all_hosts or self.ranges or self.dedicated


NOTHING = Work()
EVERYTHING = Work(all_hosts=True, ranges=True, dedicated=True, all_limits=True)
LIMITS = "limits"
# What the database lets a trunk and a BAN be called (0002_trunks.sql).
_TRUNK = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\|[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def work_for(payload: str) -> Work:
    """What one notification asks for; everything when it is not understood."""
    if payload == "dedicated":
        return Work(dedicated=True)
    first, *trunks = payload.split() or [""]
    if first == LIMITS:
        known = all(map(_TRUNK.fullmatch, trunks))
        return NOTHING | (Work(limits=frozenset(trunks)) if trunks and known else Work(all_limits=True))
    try:
        networks = [ipaddress.ip_network(word) for word in payload.split()]
    except ValueError:
        return EVERYTHING
    if not networks:
        return EVERYTHING
    hosts = frozenset(network for network in networks if is_host(network))
    return NOTHING | Work(hosts=hosts, ranges=len(hosts) < len(set(networks)))


def is_host(network: Network) -> bool:
    """Whether it is a single address."""
    return network.prefixlen == network.max_prefixlen


def name(host: Network) -> str:
    """What a host's entry is called in view acl_hosts and in Kamailio: its address, or for IPv6 `6` and hexadecimal."""
    address = host.network_address
    return str(address) if host.version == 4 else f"6{address.packed.hex()}"
