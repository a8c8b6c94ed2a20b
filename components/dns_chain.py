"""Before CAA records are declared: is the DNSSEC chain of their zone whole?

Since March 2026 CAs have to validate DNSSEC where they look up CAA and challenges (CA/Browser Forum, ballot SC-085v2):
with DS records at the parent that do not fit, none issues or renews. A few queries, in stacks with CAA records alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from engine.refusal import RefusedError

SECONDS = 2.0  # for one query
Place = tuple[str, int]


class _Unanswered(Exception):
    """The resolver did not help."""


class _Broken(Exception):
    """The chain, in a few words."""


def look(domain: str, resolvers: Sequence[str] = ()) -> str:
    """Advice, or nothing: one line where the chain could not be looked at. `resolvers`: `address:port`, the first of
    which is asked; else this machine's. Raises `RefusedError` for a chain that does not validate."""
    try:
        place = _place(resolvers)
        zone = _zone_of(place, dns.name.from_text(domain))
        _check(place, zone)
    except _Unanswered as problem:
        return (
            f"the DNSSEC chain of {domain} could not be looked at ({problem}); where it is broken no CA issues a"
            " certificate: `python -m verify` looks at it"
        )
    except _Broken as problem:
        raise RefusedError(
            f"the DNSSEC chain of {domain} is broken: {problem}; no CA issues a certificate while it is",
            "let the parent's DS records and the zone's keys fit, or remove the DS records (docs/certificates.md)",
        ) from None
    return ""


def _place(resolvers: Sequence[str]) -> Place:
    if resolvers:
        host, _, port = resolvers[0].rpartition(":")
        return host.strip("[]"), int(port)
    try:
        return str(dns.resolver.Resolver().nameservers[0]), 53
    except (dns.exception.DNSException, OSError, IndexError):
        raise _Unanswered("this machine has no resolver") from None


def _zone_of(place: Place, name: dns.name.Name) -> dns.name.Name:
    """The zone that has the name: the owner of the SOA record in the answer, or in the authority section."""
    answer = _ask(place, name, "SOA")
    if not answer.flags & dns.flags.RA:
        # The zone's own server does not have the parent's DS records: every chain would be whole.
        raise _Unanswered(f"{place[0]} is no resolver, see tls.resolvers")
    if answer.rcode() == dns.rcode.SERVFAIL:
        if _ask(place, name, "SOA", checked=False).rcode() == dns.rcode.NOERROR:
            raise _Broken(f"{place[0]} validates, and refuses the zone")
        raise _Unanswered(f"{place[0]} answers SERVFAIL")
    found = (each for each in (*answer.answer, *answer.authority) if each.rdtype == dns.rdatatype.SOA)
    if soa := next(found, None):
        return soa.name
    raise _Unanswered(f"{place[0]} knows no zone of it")


def _check(place: Place, zone: dns.name.Name) -> None:
    """An unsigned zone is whole as well: without DS records nobody expects a signature."""
    parents = [each for each in _set(_ask(place, zone, "DS"), zone, "DS") or () if isinstance(each, DS)]
    if not parents:
        return
    answer = _ask(place, zone, "DNSKEY", checked=False)
    keys = _set(answer, zone, "DNSKEY")
    entries = [each for each in keys or () if isinstance(each, DNSKEY) and any(_fits(ds, zone, each) for ds in parents)]
    if keys is None or not entries:
        tags = ", ".join(str(ds.key_tag) for ds in parents)
        raise _Broken(f"the parent has DS {tags}, and no key of the zone fits")
    _validate(answer, zone, "DNSKEY", dns.rrset.from_rdata_list(zone, keys.ttl, entries))
    _validate(_ask(place, zone, "SOA", checked=False), zone, "SOA", keys)


def _fits(ds: DS, zone: dns.name.Name, key: DNSKEY) -> bool:
    try:
        return bool(dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True) == ds)
    except (dns.exception.DNSException, ValueError):
        return False


def _validate(answer: dns.message.Message, zone: dns.name.Name, type_: str, keys: dns.rrset.RRset) -> None:
    found, signatures = _set(answer, zone, type_), _set(answer, zone, type_, signatures=True)
    if found is None or signatures is None:
        raise _Broken(f"{zone} {type_} is not signed")
    try:
        dns.dnssec.validate(found, signatures, {zone: keys})
    except (dns.exception.DNSException, ValueError) as error:
        raise _Broken(f"the signature of {zone} {type_} is not valid ({error})") from None


def _set(
    answer: dns.message.Message, name: dns.name.Name, type_: str, *, signatures: bool = False
) -> dns.rrset.RRset | None:
    kind = dns.rdatatype.from_text(type_)
    wanted = (dns.rdatatype.RRSIG, kind) if signatures else (kind, dns.rdatatype.NONE)
    return next((each for each in answer.answer if each.name == name and (each.rdtype, each.covers) == wanted), None)


def _ask(place: Place, name: dns.name.Name, type_: str, *, checked: bool = True) -> dns.message.Message:
    """`checked` false: a resolver that validates also gives what does not hold (RFC 4035, section 3.2.2)."""
    query = dns.message.make_query(name, type_, want_dnssec=True)
    if not checked:
        query.flags |= dns.flags.CD
    host, port = place
    try:
        answer, _ = dns.query.udp_with_fallback(query, host, SECONDS, port, ignore_unexpected=True, ignore_errors=True)
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        raise _Unanswered(f"{host}: {str(error) or type(error).__name__}") from None
    return answer
