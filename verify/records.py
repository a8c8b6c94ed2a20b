"""Judges a name server's answer against the promise. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import dns.rdata
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from verify.finding import Judgement, Verdict, judged, one_line
from verify.promise import Promise, RecordSet, address_of, texts

# A name server with a lower TTL than published breaks the promise only below this value: above it, resolvers query
# rarely enough for callers not to notice. Not a host's limit: Gandi accepts no less, Cloud DNS does, and a lower
# published TTL counts.
SHORT_TTL = 300
PUT_BACK = "`pulumi refresh` shows what was changed, `pulumi up` restores it"
NO_ANSWER = "no answer in time"

Problems = Iterator[tuple[Verdict, str, str]]


@dataclass(frozen=True)
class Reply:
    """One answer. `problem`: why there is none; the other fields are then unset. `cname`: target if the name is an
    alias."""

    rcode: str = "NOERROR"
    authoritative: bool = False
    cname: str = ""
    data: frozenset[dns.rdata.Rdata] = frozenset()
    ttl: int = 0
    problem: str = ""
    milliseconds: float | None = None


def judge(expected: RecordSet, reply: Reply, standing: Mapping[str, str], *, authority: bool) -> Judgement:
    """One record set at one server. A name server of the zone has to answer authoritatively; a resolver's TTL may be
    lower."""
    if reply.problem:
        return Judgement(Verdict.BROKEN, reply.problem, "check that this server runs and can be reached from here")
    found = one_line(texts(_ours(expected, reply))) or "nothing"
    problems = [*_answer(reply, authority), *_data(expected, reply, standing, authority)]
    if not problems:
        problems = list(_ttl(expected, reply, authority))
    return judged(found, problems, reply.milliseconds)


def _ours(expected: RecordSet, reply: Reply) -> frozenset[dns.rdata.Rdata]:
    """Where we publish no NAPTR records, others may have some at the apex: for E.164 numbers, for instance."""
    if expected.type == "NAPTR" and not expected.data:
        return frozenset(
            each
            for each in reply.data
            if isinstance(each, NAPTR) and each.service.upper().startswith((b"SIP+", b"SIPS+"))
        )
    return reply.data


def _answer(reply: Reply, authority: bool) -> Problems:
    # NXDOMAIN is a valid answer: there is no record.
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        yield Verdict.BROKEN, f"it answers {reply.rcode}", "check this server's log, and that it serves the zone"
    elif authority and not reply.authoritative:
        yield (
            Verdict.BROKEN,
            "its answer is not authoritative",
            "remove this server from the delegation, or let it serve the zone",
        )


def _data(expected: RecordSet, reply: Reply, standing: Mapping[str, str], authority: bool) -> Problems:
    if reply.cname and expected.type != "CNAME":
        # RFC 2782: a target must not be an alias; RFC 2181 section 10.1: an alias has no other data.
        yield Verdict.BROKEN, f"an alias of {one_line(reply.cname)}", f"remove the CNAME; {PUT_BACK}"
        return
    found = _alike(_ours(expected, reply))
    late = "" if authority else "if the zone's name servers are right, wait until its cache expires; otherwise "
    if expected.one_of:
        if not found & expected.one_of:
            yield Verdict.BROKEN, f"missing: {one_line(expected.expected)}", f"{late}{PUT_BACK}"
        if len(found & expected.one_of) > 1:
            yield (
                Verdict.BROKEN,
                "several addresses at a time: clients would choose a region at random",
                f"{late}{PUT_BACK}",
            )
    elif missing := _alike(expected.data) - found:
        yield Verdict.BROKEN, f"missing: {one_line(texts(missing))}", f"{late}{PUT_BACK}"
    for each in sorted(found - _alike(expected.may_be)):
        address = address_of(each)
        whose = f", which is {standing.get(address, 'not in the inventory')}" if address else ""
        yield Verdict.BROKEN, f"unexpected: {one_line(each.to_text())}{whose}", f"{late}{PUT_BACK}"


def _alike(data: frozenset[dns.rdata.Rdata]) -> frozenset[dns.rdata.Rdata]:
    """Data as it compares: the case of a NAPTR record's flags and service means nothing (RFC 3403, section 4.1)."""
    return frozenset(
        each.replace(flags=each.flags.upper(), service=each.service.upper()) if isinstance(each, NAPTR) else each
        for each in data
    )


def _ttl(expected: RecordSet, reply: Reply, authority: bool) -> Problems:
    if not expected.data or reply.ttl == expected.ttl or (not authority and reply.ttl < expected.ttl):
        return
    shown = f"TTL {reply.ttl} s instead of {expected.ttl} s"
    least = min(SHORT_TTL, expected.ttl)
    if authority and reply.ttl < least:
        yield Verdict.BROKEN, f"{shown}, below {least} s", PUT_BACK
    else:
        yield Verdict.WARNING, shown, PUT_BACK


def judge_retired(replies: Sequence[Reply], promise: Promise) -> Judgement:
    """A name that was given up: callers who still have it must not reach us, nor whoever has our retired addresses."""
    if problem := next((each.problem for each in replies if each.problem), ""):
        return Judgement(Verdict.BROKEN, problem, "check that this server runs and can be reached from here")
    found = frozenset(data for each in replies for data in each.data)
    shown = ", ".join(each for each in (texts(found), *(f"an alias of {r.cname}" for r in replies if r.cname)) if each)
    leads = [f"{address}, {promise.standing[address]}" for each in sorted(found)
             if (address := address_of(each)) in promise.standing]  # fmt: skip
    targets = [data.target.to_text() for data in sorted(found) if isinstance(data, SRV)]
    targets += [each.cname for each in replies if each.cname]
    leads += [name for each in targets if (name := each.rstrip(".").lower()) in promise.names]
    problems = [(Verdict.BROKEN, f"it still leads to {one_line(each)}", "remove its records") for each in leads]
    return judged(one_line(shown) or "nothing", dict.fromkeys(problems), replies[0].milliseconds)


def is_delegated_elsewhere(delegated: Set[str], own: Set[str]) -> bool:
    """Whether the domain is delegated to other name servers only, and our zone is not live (docs/adopt.md, "The
    zone")."""
    return bool(own and delegated and not own & delegated)


def judge_delegation(reply: Reply, delegated: set[str], own: frozenset[str]) -> Judgement:
    """The delegation. To other name servers only: our zone is not live (docs/adopt.md); to both: some answers are
    theirs."""
    if reply.problem or not delegated:
        return Judgement(
            Verdict.BROKEN,
            reply.problem or f"no name servers ({reply.rcode})",
            "check that the parent zone delegates the domain, and that this resolver runs",
        )
    found = one_line(", ".join(sorted(delegated)))
    if is_delegated_elsewhere(delegated, own):
        return Judgement(
            Verdict.WARNING,
            f"{found}: the domain is delegated elsewhere, our zone is not live yet",
            "delegate the domain to the stack's name servers to make it live (docs/adopt.md, `The zone`)",
            reply.milliseconds,
        )
    if own and own != delegated:
        return Judgement(
            Verdict.BROKEN, f"{found}: not only the stack's name servers", "set exactly the stack's name"
            " servers at the parent zone",
            reply.milliseconds,
        )  # fmt: skip
    return Judgement(Verdict.HOLDS, found, milliseconds=reply.milliseconds)
