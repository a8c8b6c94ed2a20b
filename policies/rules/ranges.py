"""Address ranges in rules."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

# The widest range that a registry allocates to one network; wider ones are large parts of the Internet.
WIDEST = {4: 8, 6: 16}


def is_the_world(value: Any) -> bool:
    """Whether a range is as good as the whole Internet. An invalid range is not judged here: the cloud refuses it."""
    try:
        network = ip_network(str(value).strip(), strict=False)
    except ValueError:
        return False
    return network.prefixlen < WIDEST[network.version]
