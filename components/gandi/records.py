"""A record set at Gandi LiveDNS, and the comparison of two of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.dns_hosts import HOSTS

if TYPE_CHECKING:
    from dns.rdata import Rdata

LEAST_TTL = HOSTS["gandi"].least_ttl


@dataclass(frozen=True)
class RecordSet:
    """All records of one name and type. `name` ends with a dot; `values` are in presentation format."""

    domain: str
    name: str
    type: str
    ttl: int
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.type} at Gandi"

    @property
    def label(self) -> str:
        """The name relative to the zone, `@` for its apex, as in Gandi's API."""
        return self.name.removesuffix(f"{self.domain}.").removesuffix(".") or "@"

    @property
    def data(self) -> str:
        """Its data, as text."""
        return f"{', '.join(self.values) or 'nothing'} ({self.ttl} s)"

    def same_as(self, other: RecordSet) -> bool:
        """Whether resolvers would get the same answer."""
        return self.ttl == other.ttl and same_values(self.domain, self.type, self.values, other.values)


def same_values(domain: str, type_: str, values: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists of values are the same records, in any order and spelling."""
    if list(values) == list(others):
        return True
    first, second = ({_meaning(domain, type_, value) for value in each} for each in (values, others))
    return first == second


def _meaning(domain: str, type_: str, value: str) -> Rdata | str:
    """A value in comparable form: names absolute (Gandi uses relative ones) and in lower case (RFC 4343)."""
    # Imported here: values with the same spelling are compared without a DNS library.
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415
    import dns.rdata  # noqa: PLC0415
    import dns.rdataclass  # noqa: PLC0415

    if type_ in ("TXT", "SPF") and not value.lstrip().startswith('"'):
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        origin = dns.name.from_text(f"{domain}.")
        return dns.rdata.from_text(dns.rdataclass.IN, type_, value, origin=origin, relativize=False)
    except (dns.exception.DNSException, ValueError):
        return value
