"""Domains at LiveDNS and their record sets: what Gandi refuses, and its messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from local_cloud.cloud import Transaction
from local_cloud.dns_server import RecordData, ZoneData
from local_cloud.values import Props

DOMAIN: Final = "gandi:livedns/domain:Domain"
RECORD: Final = "gandi:livedns/record:Record"
LEAST_TTL, GREATEST_TTL = 300, 2_592_000
NAME_SERVERS: Final = ("ns-1-a.gandi.net.", "ns-2-b.gandi.net.", "ns-3-c.gandi.net.")
# The commonly used types of LiveDNS; SOA and the apex NS are managed by it.
TYPES: Final = frozenset(("A", "AAAA", "ALIAS", "CAA", "CNAME", "DS", "MX", "NAPTR", "NS", "PTR", "SRV", "TLSA", "TXT"))
LABEL: Final = re.compile(r"@|(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
# The records that Gandi creates in a new zone.
DEFAULT_RECORDS: Final = (
    ("@", "A", 10800, ("217.70.184.38",)),
    ("@", "MX", 10800, ("10 spool.mail.gandi.net.", "50 fb.mail.gandi.net.")),
    ("@", "TXT", 10800, ('"v=spf1 include:_mailcust.gandi.net ?all"',)),
    ("www", "CNAME", 10800, ("webredir.vip.gandi.net.",)),
)

Error = dict[str, str]


def new_domain(tx: Transaction, domain: str, *, ours: bool = True) -> None:
    """A domain with Gandi's initial records; `ours`: whether the token has access to it."""
    if tx.get(DOMAIN, domain) is None:
        tx.put(DOMAIN, domain, {"fqdn": domain, "ours": ours})
        for label, type_, ttl, values in DEFAULT_RECORDS:
            tx.put(RECORD, record_id(domain, label, type_), body_of(label, type_, ttl, values))


def record_id(domain: str, label: str, type_: str) -> str:
    return f"{domain}/{label}/{type_}"


def body_of(label: str, type_: str, ttl: int, values: Sequence[str]) -> Props:
    return {"rrset_name": label, "rrset_type": type_, "rrset_ttl": ttl, "rrset_values": list(values)}


def records(tx: Transaction, domain: str) -> list[Props]:
    return [each.body for each in tx.all(RECORD, f"{domain}/")]


def refusals(domain: str, label: str, type_: str, given: Any) -> Iterator[Error]:
    """All errors in a record set to be written, as Gandi reports them."""
    if not LABEL.fullmatch(label):
        yield _error("path", "rrset_name", f"{label} is not a valid name")
    if type_ not in TYPES or (label == "@" and type_ in ("CNAME", "NS")):
        yield _error("path", "rrset_type", f"{type_} is not a valid type here")
        return
    if not isinstance(given, Mapping):
        yield _error("body", "", "not a JSON object")
        return
    yield from (_error("body", str(key), "Unrecognized field") for key in given.keys() - {"rrset_ttl", "rrset_values"})
    yield from _ttl_refusals(given.get("rrset_ttl", 10800))
    values = given.get("rrset_values")
    if not isinstance(values, list) or not values or not all(isinstance(each, str) for each in values):
        yield _error("body", "rrset_values", "Required, a list of at least 1 string")
        return
    if type_ == "CNAME" and len(values) > 1:
        yield _error("body", "rrset_values", "a CNAME has one value")
    for index, value in enumerate(values):
        if absolute(domain, type_, value) is None or values.count(value) > 1:
            yield _error("body", f"rrset_values.{index}", f"{value} is not a valid {type_} value")


def _ttl_refusals(ttl: Any) -> Iterator[Error]:
    if type(ttl) is not int:
        yield _error("body", "rrset_ttl", f"{ttl!r} is not a number")
    elif ttl < LEAST_TTL:
        yield _error("body", "rrset_ttl", f"{ttl} is less than minimum value {LEAST_TTL}")
    elif ttl > GREATEST_TTL:
        yield _error("body", "rrset_ttl", f"{ttl} is greater than maximum value {GREATEST_TTL}")


def clash(tx: Transaction, domain: str, label: str, type_: str) -> bool:
    """A CNAME excludes other records of the name (RFC 1034, section 3.6.2)."""
    others = {each["rrset_type"] for each in records(tx, domain) if each["rrset_name"] == label} - {type_}
    return bool(others) and (type_ == "CNAME" or "CNAME" in others)


def absolute(domain: str, type_: str, value: str) -> str | None:
    """A value with every name made absolute (without a final dot it is relative to the zone); None: invalid."""
    if type_ == "ALIAS":
        return value
    try:
        origin = dns.name.from_text(f"{domain}.")
        rdtype = dns.rdatatype.from_text(type_)
        return dns.rdata.from_text(dns.rdataclass.IN, rdtype, value, origin=origin, relativize=False).to_text()
    except (dns.exception.DNSException, ValueError):
        return None


def served(tx: Transaction) -> Iterator[ZoneData]:
    """Every domain, for Gandi's name server."""
    for each in tx.all(DOMAIN):
        domain = each.id
        soa = f"{NAME_SERVERS[0]} hostmaster.gandi.net. 1 10800 3600 604800 10800"
        sets = [
            RecordData(f"{domain}.", "NS", 10800, NAME_SERVERS),
            RecordData(f"{domain}.", "SOA", 10800, (soa,)),
        ]
        for record in records(tx, domain):
            label, type_ = record["rrset_name"], record["rrset_type"]
            values = (absolute(domain, type_, value) for value in record["rrset_values"])
            name = f"{domain}." if label == "@" else f"{label}.{domain}."
            if type_ != "ALIAS":
                sets.append(RecordData(name, type_, int(record["rrset_ttl"]), tuple(filter(None, values))))
        yield ZoneData(f"{domain}.", tuple(sets))


def _error(location: str, name: str, description: str) -> Error:
    return {"location": location, "name": name, "description": description}
