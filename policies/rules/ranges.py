"""Address ranges as rules read them."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

# The widest range that one registry hands to one network; wider ones are halves and quarters of the world.
WIDEST = {4: 8, 6: 16}


def is_the_world(value: Any) -> bool:
    """Whether a range lets in anybody. What is no range at all is not ours to judge: the cloud refuses it."""
    try:
        network = ip_network(str(value).strip(), strict=False)
    except ValueError:
        return False
    return network.prefixlen < WIDEST[network.version]
