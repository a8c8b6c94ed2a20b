"""Whether a zone is signed as claimed: the chain from the parent's DS to every record set (RFC 4035, section 5).

With DS records at the parent, validating resolvers refuse what is not signed accordingly; without them signatures are
not validated, and a missing one is only a warning. Proofs of non-existence are not checked.
"""

from __future__ import annotations

import dns.dnssec
import dns.exception
import dns.name
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from verify.finding import Judgement, Verdict, one_line
from verify.promise import Promise, texts
from verify.records import Reply
from verify.servers import Answered, Server, ask

GIVE_DS = "add the DS records of output `dns` to the parent zone"
SIGN = "check the zone's DNSSEC state and keys; until they match, remove the DS records from the parent"


class UnsignedError(Exception):
    """A signature is missing or invalid."""


def expected(promise: Promise) -> str:
    """The expected DS records at the parent."""
    return one_line(texts(frozenset(promise.ds_records))) or "the DS records of the zone's keys, if it is signed"


def judge_parent(reply: Reply, parent: frozenset[DS], own: frozenset[DS]) -> Judgement:
    """The parent's DS records against the zone's keys."""
    if reply.problem:
        return Judgement(Verdict.BROKEN, reply.problem, "check that this resolver runs and can be reached from here")
    found = one_line(texts(frozenset(parent))) or "nothing"
    if own and not parent:
        shown = "nothing: the zone is signed, but cannot be validated"
        return Judgement(Verdict.WARNING, shown, GIVE_DS, reply.milliseconds)
    if own and not own & parent:
        return Judgement(Verdict.BROKEN, f"{found}: not the zone's keys", GIVE_DS, reply.milliseconds)
    return Judgement(Verdict.HOLDS, found, milliseconds=reply.milliseconds)


async def look(server: Server, promise: Promise, trusted: frozenset[DS], *, at_parent: bool) -> Judgement:
    """Every record set's signature at one name server."""
    zone = dns.name.from_text(promise.domain)
    try:
        keys = await _keys(server, zone, trusted)
        for each in promise.records:
            await _signed(server, dns.name.from_text(each.name), each.type, zone, keys)
    except UnsignedError as problem:
        bad = Verdict.BROKEN if at_parent else Verdict.WARNING
        return Judgement(bad, str(problem), SIGN if at_parent else f"{SIGN}; signatures are not validated until then")
    return Judgement(Verdict.HOLDS, f"{len(promise.records)} record sets, each signed")


async def _keys(server: Server, zone: dns.name.Name, trusted: frozenset[DS]) -> dns.rrset.RRset:
    """The zone's keys, signed by one of them that a DS refers to."""
    found, signed = _sets(await ask(server, str(zone), "DNSKEY", signed=True), zone, "DNSKEY")
    entries = [key for key in found if isinstance(key, DNSKEY) and any(_names(ds, zone, key) for ds in trusted)]
    if not entries:
        raise UnsignedError("no key of the zone matches its DS records")
    entry = dns.rrset.from_rdata_list(zone, found.ttl, entries)
    _validate(found, signed, zone, entry)
    return found


def _names(ds: DS, zone: dns.name.Name, key: DNSKEY) -> bool:
    try:
        return bool(dns.dnssec.make_ds(zone, key, ds.digest_type, validating=True) == ds)
    except (dns.exception.DNSException, ValueError):
        return False


async def _signed(server: Server, name: dns.name.Name, type_: str, zone: dns.name.Name, keys: dns.rrset.RRset) -> None:
    found, signed = _sets(await ask(server, str(name), type_, signed=True), name, type_)
    _validate(found, signed, zone, keys)


def _sets(answered: Answered, name: dns.name.Name, type_: str) -> tuple[dns.rrset.RRset, dns.rrset.RRset]:
    """A record set and its signatures."""
    if answered.message is None:
        raise UnsignedError(answered.problem)
    kind = dns.rdatatype.from_text(type_)
    sets = [each for each in answered.message.answer if each.name == name]
    found = next((each for each in sets if each.rdtype == kind), None)
    signed = next((each for each in sets if each.rdtype == dns.rdatatype.RRSIG and each.covers == kind), None)
    if found is None or signed is None:
        raise UnsignedError(f"{name.to_text(omit_final_dot=True)} {type_}: {'no signature' if found else 'not there'}")
    return found, signed


def _validate(found: dns.rrset.RRset, signed: dns.rrset.RRset, zone: dns.name.Name, keys: dns.rrset.RRset) -> None:
    try:
        dns.dnssec.validate(found, signed, {zone: keys})
    except (dns.exception.DNSException, ValueError) as error:
        name = f"{found.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(found.rdtype)}"
        raise UnsignedError(f"{name}: {one_line(str(error) or type(error).__name__)}") from None
