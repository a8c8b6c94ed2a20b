"""The zones, and where a name falls in one: on records, on a wildcard, below a delegation.

Not here: the response (`answers.py`).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from functools import lru_cache

from dnslib import DNSLabel  # type: ignore[import-untyped]

from local_cloud.dns_server.routing import Policy

logger = logging.getLogger(__name__)

Name = tuple[bytes, ...]  # labels in lower case, the root is ()


@dataclasses.dataclass(frozen=True)
class RecordData:
    """One record set as stored in Cloud DNS: absolute name, type mnemonic, TTL in seconds, and rdata as text or a
    routing policy."""

    name: str
    type: str
    ttl: int
    rrdatas: tuple[str, ...]
    policy: Policy | None = None


@dataclasses.dataclass(frozen=True)
class ZoneData:
    """One zone: the absolute name of its apex, and every record set, SOA and NS of the apex included."""

    name: str
    records: tuple[RecordData, ...]


Lookup = Callable[[], Iterable[ZoneData]]  # the current zones


@lru_cache(maxsize=8192)
def labels(name: str) -> Name:
    """A name for comparison, case-insensitive (RFC 4343)."""
    return folded(DNSLabel(name))


def folded(label: DNSLabel) -> Name:
    """The same for a name from a message or a record."""
    return tuple(part.lower() for part in label.label)


class Zone:
    """A zone's record sets by name and type, and its empty non-terminals."""

    def __init__(self, data: ZoneData) -> None:
        self.apex = labels(data.name)
        self.nodes: dict[Name, dict[str, RecordData]] = {self.apex: {}}
        for record in data.records:
            name = labels(record.name)
            if not self.holds(name):
                logger.warning("zone %s: record %s lies outside and is not served", data.name, record.name)
                continue
            self.nodes.setdefault(name, {})[record.type.upper()] = record
            for depth in range(1, len(name) - len(self.apex)):
                self.nodes.setdefault(name[depth:], {})  # an empty non-terminal: NODATA, not NXDOMAIN

    def holds(self, name: Name) -> bool:
        """Whether a name is the apex or below it."""
        return len(name) >= len(self.apex) and name[len(name) - len(self.apex) :] == self.apex

    def cut(self, name: Name, kind: str) -> RecordData | None:
        """The delegation that covers this name (RFC 1034 section 4.3.2, step 3b)."""
        for depth in range(len(name) - len(self.apex) - 1, -1, -1):
            found = self.nodes.get(name[depth:], {}).get("NS")
            if found and not (depth == 0 and kind == "DS"):
                return found
        return None

    def node(self, name: Name) -> dict[str, RecordData] | None:
        """The record sets of a name, or of its wildcard (RFC 4592 section 3.3); None: no such name."""
        if name in self.nodes:
            return self.nodes[name]
        encloser = next(name[depth:] for depth in range(1, len(name) + 1) if name[depth:] in self.nodes)
        return self.nodes.get((b"*", *encloser))
