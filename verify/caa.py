"""Whether the CA of the certificate in use may issue the next one: CAA records (RFC 8659).

A CA looks for them at the name, then at each parent below the root, and the first set counts. A set that does not name
the CA stops the renewal, months after the record was written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.exception
import dns.message
import dns.rcode
from dns.rdtypes.ANY.CAA import CAA

from verify.finding import Judgement, Verdict, judged, one_line
from verify.servers import Server, ask

# By the organisation in a certificate's issuer: the domains that its CA recognises in CAA records, as its certification
# practice statement lists them (section 4.2; for ACME `caaIdentities` of its directory). No other CA is judged.
SECTIGO = {"sectigo.com", "comodo.com", "comodoca.com", "usertrust.com", "trust-provider.com"}
DIGICERT = {"digicert.com", "symantec.com", "geotrust.com", "rapidssl.com", "thawte.com"}
ISSUER_DOMAINS = {
    "Let's Encrypt": {"letsencrypt.org"},
    "Google Trust Services": {"pki.goog"},
    "Google Trust Services LLC": {"pki.goog"},
    "DigiCert Inc": DIGICERT,
    "DigiCert, Inc.": DIGICERT,
    "Sectigo Limited": SECTIGO,
    "ZeroSSL": SECTIGO | {"entrust.net", "affirmtrust.com"},
    "GlobalSign nv-sa": {"globalsign.com"},
    "Amazon": {"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"},
}
# Properties of RFC 8659 and of the IANA registry "CAA Parameters" that do not restrict certificates for TLS.
UNDERSTOOD = {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
CRITICAL = 128
# Section 4.2: an issuer's domain, then parameters such as `accounturi` and `validationmethods` (RFC 8657), which bind
# the account and the method: from outside both are unknown.
_ISSUE = re.compile(
    r"[ \t]*(?P<domain>[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)*)?[ \t]*"
    r"(?:;(?:[ \t]*[A-Za-z0-9][A-Za-z0-9-]*[ \t]*=[ \t]*[\x21-\x3a\x3c-\x7e]*[ \t]*;?)*[ \t]*)?"
)
ADD = "add it to the zone of {owner}: `issue` with the CA's domain"


@dataclass(frozen=True)
class Relevant:
    """The records that count for a name, and their owner; none: any CA may issue. `problem`: why they are unknown."""

    owner: str = ""
    records: tuple[CAA, ...] = ()
    problem: str = ""
    milliseconds: float | None = None


@dataclass(frozen=True)
class Lookup:
    """CAA records at one resolver; each name is looked up once."""

    resolver: Server
    _found: dict[str, asyncio.Task[Relevant]] = field(default_factory=dict)

    async def of(self, name: str) -> Relevant:
        """The relevant set of a name (RFC 8659, section 3)."""
        if name not in self._found:
            self._found[name] = asyncio.ensure_future(self._climb(name))
        return await asyncio.shield(self._found[name])

    async def _climb(self, name: str) -> Relevant:
        milliseconds: float | None = None
        for owner in _upwards(name):
            answered = await ask(self.resolver, owner, "CAA")
            milliseconds = answered.milliseconds
            if answered.message is None:
                return Relevant(owner, problem=answered.problem)
            if answered.message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return Relevant(owner, problem=f"it answers {dns.rcode.to_text(answered.message.rcode())}")
            try:
                records = _records(answered.message)
            except dns.exception.DNSException as error:
                return Relevant(owner, problem=one_line(f"no usable answer: {type(error).__name__}"))
            if records:
                return Relevant(owner, records, milliseconds=milliseconds)
        return Relevant(milliseconds=milliseconds)


def _upwards(name: str) -> Iterator[str]:
    """The name and its parents; not the root."""
    labels = name.rstrip(".").split(".")
    return (".".join(labels[number:]) for number in range(len(labels)))


def _records(message: dns.message.Message) -> tuple[CAA, ...]:
    """At the end of the aliases: the set of an alias's target is the alias's own."""
    if not isinstance(message, dns.message.QueryMessage):
        return ()
    answer = message.resolve_chaining().answer
    return tuple(sorted(data for data in answer or () if isinstance(data, CAA)))


def judge(organisation: str, relevant: Relevant) -> Judgement:
    """May the CA of this organisation (the certificate's issuer) issue? Not judged: `issuewild`, because SIP has no
    wildcards (RFC 5922, section 7.2)."""
    if relevant.problem:
        return Judgement(
            Verdict.WARNING,
            f"CAA of {one_line(relevant.owner)}: {relevant.problem}",
            "no CA issues while its lookup fails: check the resolver, and the zone's name servers",
        )
    if not relevant.records:
        return Judgement(Verdict.HOLDS, "no CAA record: any CA may issue", milliseconds=relevant.milliseconds)
    shown = one_line(f"{relevant.owner}: {', '.join(each.to_text() for each in relevant.records)}")
    return judged(shown, _problems(organisation, relevant), relevant.milliseconds)


def _problems(organisation: str, relevant: Relevant) -> Iterator[tuple[Verdict, str, str]]:
    by_tag = [(each.tag.decode(errors="replace").lower(), each) for each in relevant.records]
    for tag, each in by_tag:
        if each.flags & CRITICAL and tag not in UNDERSTOOD:
            yield (
                Verdict.BROKEN,
                f"critical property {one_line(tag)} is not known: no CA may issue",
                f"remove it from the zone of {one_line(relevant.owner)}",
            )
    allowed = [_issuer(each.value) for tag, each in by_tag if tag == "issue"]
    add = ADD.format(owner=one_line(relevant.owner))
    if not allowed:
        return
    if not any(allowed):
        yield Verdict.BROKEN, "no CA may issue", add
    elif organisation not in ISSUER_DOMAINS:
        who = one_line(organisation) or "without an organisation"
        yield (
            Verdict.UNCHECKED,
            f"the certificate's issuer, {who}, is not one whose domains are known here",
            "compare the CA's documentation with the records",
        )
    elif not ISSUER_DOMAINS[organisation] & set(allowed):
        yield Verdict.BROKEN, f"the CA in use, {one_line(organisation)}, may not issue: it cannot renew", add


def _issuer(value: bytes) -> str:
    """The domain in a value of `issue`; empty if it names none, or cannot be read (then it allows no CA)."""
    found = _ISSUE.fullmatch(value.decode("ascii", errors="replace"))
    return (found["domain"] or "").lower() if found else ""
