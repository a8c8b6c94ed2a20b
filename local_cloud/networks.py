"""Address allocation of the local cloud.

The first half of the cloud's loopback network is used for external addresses, the second half for private addresses of
Cloud SQL, so that real servers can listen on all of them. Addresses inside a VPC subnetwork are from that subnetwork's
range, and IPv6 addresses from the documentation prefix (RFC 3849).
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Sequence
from typing import Final, get_args

from local_cloud.cloud import LoadBalancerPlace, Transaction
from local_cloud.layout import DEFAULT_NETWORK

CLIENTS: Final = "clients"  # a setting of the cloud
IPV6_PREFIX: Final = ipaddress.IPv6Network("2001:db8::/32")


def external_pool(tx: Transaction) -> ipaddress.IPv4Network:
    return next(iter(ipaddress.IPv4Network(tx.setting("network", DEFAULT_NETWORK)).subnets(1)))


def private_pool(tx: Transaction) -> ipaddress.IPv4Network:
    return list(ipaddress.IPv4Network(tx.setting("network", DEFAULT_NETWORK)).subnets(1))[1]


def allocate(tx: Transaction, pool: ipaddress.IPv4Network, port: int = 0) -> str:
    """The next address of a pool; like at Google, a released address is not reused at once.

    With `port`, only an address on which no other process of this machine listens at that port.
    """
    size = pool.num_addresses - 10
    for _ in range(size):
        address = str(pool[9 + tx.next_number(f"addresses of {pool}") % size])
        if not is_in_use(tx, address) and (not port or _is_free(address, port)):
            return address
    raise RuntimeError(f"no free address in {pool}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def allocate_ipv6(tx: Transaction, prefix_length: int) -> str:
    """The first address of a new range of that length inside the documentation prefix."""
    step = 1 << (128 - prefix_length)
    base = int(IPV6_PREFIX[0]) + (tx.next_number("ipv6 ranges") << 64)
    return str(ipaddress.IPv6Address(base - base % step))


def is_in_use(tx: Transaction, address: str) -> bool:
    """Whether a resource has the address."""
    return bool(
        tx.count("gcp:compute/address:Address", "address", address)
        or any(tx.count("kubernetes:core/v1:Service", place, address) for place in get_args(LoadBalancerPlace))
        or any(
            entry["ipAddress"] == address
            for instance in tx.all("gcp:sql/databaseInstance:DatabaseInstance")
            for entry in instance.body.get("ipAddresses", [])
        )
    )


def clients(tx: Transaction) -> dict[str, str]:
    """Networks of DNS clients -> their nearest regions, in order, comma-separated."""
    found: dict[str, str] = json.loads(tx.setting(CLIENTS, "{}"))
    return found


def place_clients(tx: Transaction, network: str, regions: Sequence[str]) -> None:
    """Set the nearest regions of this network's clients; none: the network is no longer listed."""
    others = {name: value for name, value in clients(tx).items() if name != network}
    tx.set_setting(CLIENTS, json.dumps(others | ({network: ",".join(regions)} if regions else {})))
