"""What a name server answered, judged against what it must answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import dns.rdata
from dns.rdtypes.IN.NAPTR import NAPTR

from verify.finding import Judgement, Verdict, judged, one_line
from verify.promise import RecordSet, address_of, texts

# An authority with less than was published breaks the promise only below this: from here on resolvers ask seldom enough
# for callers not to notice. No host's limit: Gandi takes no less, Cloud DNS does, and where less is published it holds.
SHORT_TTL = 300
PUT_BACK = "`pulumi refresh` shows what was changed, `pulumi up` puts it back"
NO_ANSWER = "no answer in time"

Problems = Iterator[tuple[Verdict, str, str]]


@dataclass(frozen=True)
class Reply:
    """One answer. `problem`: why there is none, and nothing else counts then. `cname`: what the name is an alias of."""

    rcode: str = "NOERROR"
    authoritative: bool = False
    cname: str = ""
    data: frozenset[dns.rdata.Rdata] = frozenset()
    ttl: int = 0
    problem: str = ""
    milliseconds: float | None = None


def judge(expected: RecordSet, reply: Reply, standing: Mapping[str, str], *, authority: bool) -> Judgement:
    """One record set at one server. An authority must say it with authority; a resolver may have it for less long."""
    if reply.problem:
        return Judgement(Verdict.BROKEN, reply.problem, "see that this server runs and can be reached from here")
    found = one_line(texts(_ours(expected, reply))) or "nothing"
    problems = [*_answer(reply, authority), *_data(expected, reply, standing, authority)]
    if not problems:
        problems = list(_ttl(expected, reply, authority))
    return judged(found, problems, reply.milliseconds)


def _ours(expected: RecordSet, reply: Reply) -> frozenset[dns.rdata.Rdata]:
    """Other services may have NAPTR records at the apex where we publish none: E.164 numbers, for instance."""
    if expected.type == "NAPTR" and not expected.data:
        return frozenset(
            each
            for each in reply.data
            if isinstance(each, NAPTR) and each.service.upper().startswith((b"SIP+", b"SIPS+"))
        )
    return reply.data


def _answer(reply: Reply, authority: bool) -> Problems:
    # NXDOMAIN is an answer: that there is nothing.
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        yield Verdict.BROKEN, f"it answers {reply.rcode}", "see this server's log, and that it has the zone"
    elif authority and not reply.authoritative:
        yield (
            Verdict.BROKEN,
            "it answers without authority",
            "take this server out of the delegation, or give it the zone",
        )


def _data(expected: RecordSet, reply: Reply, standing: Mapping[str, str], authority: bool) -> Problems:
    if reply.cname:
        # RFC 2782: a target must not be an alias; RFC 2181 section 10.1: an alias has nothing beside it.
        yield Verdict.BROKEN, f"an alias of {one_line(reply.cname)}", f"remove the CNAME; {PUT_BACK}"
        return
    found = _ours(expected, reply)
    late = "" if authority else "where its name servers are right, wait until its copy expires; else "
    if expected.one_of:
        if not found & expected.one_of:
            yield Verdict.BROKEN, f"missing: {one_line(expected.expected)}", f"{late}{PUT_BACK}"
        if len(found & expected.one_of) > 1:
            yield Verdict.BROKEN, "several at a time: clients would draw lots among regions", f"{late}{PUT_BACK}"
    elif missing := expected.data - found:
        yield Verdict.BROKEN, f"missing: {one_line(texts(missing))}", f"{late}{PUT_BACK}"
    for each in sorted(found - expected.may_be):
        address = address_of(each)
        whose = f", which is {standing.get(address, 'none of ours')}" if address else ""
        yield Verdict.BROKEN, f"not ours to be there: {one_line(each.to_text())}{whose}", f"{late}{PUT_BACK}"


def _ttl(expected: RecordSet, reply: Reply, authority: bool) -> Problems:
    if not expected.data or reply.ttl == expected.ttl or (not authority and reply.ttl < expected.ttl):
        return
    told = f"TTL {reply.ttl} s instead of {expected.ttl} s"
    least = min(SHORT_TTL, expected.ttl)
    if authority and reply.ttl < least:
        yield Verdict.BROKEN, f"{told}, below {least} s", PUT_BACK
    else:
        yield Verdict.WARNING, told, PUT_BACK


def is_delegated_elsewhere(delegated: Set[str], own: Set[str]) -> bool:
    """Whether the world asks others altogether for a zone of this name (docs/adopt.md, "The zone")."""
    return bool(own and delegated and not own & delegated)


def judge_delegation(reply: Reply, delegated: set[str], own: frozenset[str]) -> Judgement:
    """Whom the world asks. Others altogether: ours is a twin (docs/adopt.md); a mixture: some answers are theirs."""
    if reply.problem or not delegated:
        return Judgement(
            Verdict.BROKEN,
            reply.problem or f"no name servers ({reply.rcode})",
            "see that the parent zone delegates the domain, and that this resolver runs",
        )
    found = one_line(", ".join(sorted(delegated)))
    if is_delegated_elsewhere(delegated, own):
        return Judgement(
            Verdict.WARNING,
            f"{found}: the world asks others, our zone is a twin of theirs",
            "delegate the domain to the stack's name servers when it shall count (docs/adopt.md, `The zone`)",
            reply.milliseconds,
        )
    if own and own != delegated:
        return Judgement(
            Verdict.BROKEN, f"{found}: not the stack's name servers alone", "make them the same at the parent zone",
            reply.milliseconds,
        )  # fmt: skip
    return Judgement(Verdict.HOLDS, found, milliseconds=reply.milliseconds)
