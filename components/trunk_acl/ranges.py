"""Ranges as three integers, for the hundred thousand of a folder: `ipaddress` needs ten times as long for each."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from trunk_text import Network

# IP version, first address, prefix length. Sorts as networks do: by family, first address, and wider ones first.
Range = tuple[int, int, int]


def parsed(text: str) -> Range | None:
    """The range that a text in the usual spelling means; None for any other, which `ipaddress` may still read."""
    address, slash, length = text.partition("/")
    version, family, bits = (6, AF_INET6, 128) if ":" in address else (4, AF_INET, 32)
    try:
        packed = inet_pton(family, address)
    except (OSError, ValueError):
        return None
    # The C library may take more than `ipaddress`, such as 010: what it writes itself both read the same way.
    if inet_ntop(family, packed) != address:
        return None
    prefix = bits
    if slash:
        if not (length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= bits):
            return None
        prefix = int(length)
    first = int.from_bytes(packed, "big")
    return None if first & ((1 << (bits - prefix)) - 1) else (version, first, prefix)


def of_network(network: Network) -> Range:
    """The same of a network."""
    return network.version, int(network.network_address), network.prefixlen


def written(version: int, first: int, length: int) -> str:
    """As `str(network)` has it."""
    if version == 4:
        return f"{inet_ntop(AF_INET, first.to_bytes(4, 'big'))}/{length}"
    text = inet_ntop(AF_INET6, first.to_bytes(16, "big"))
    # The C library writes the end of some as IPv4.
    return f"{IPv6Network((first, length))}" if "." in text else f"{text}/{length}"


def last(version: int, first: int, length: int) -> int:
    """The last address."""
    return first | ((1 << ((32 if version == 4 else 128) - length)) - 1)


def network(version: int, first: int, length: int) -> Network:
    """The inverse of `of_network`."""
    return IPv4Network((first, length)) if version == 4 else IPv6Network((first, length))
