"""Every record set at every relevant name server: the resolvers, and each authoritative server separately.

The resolver gives the delegated name servers; they and the stack's own are queried directly, so that one that lags
behind, or is not ours, is reported by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NS import NS

from verify import records, servers, signatures
from verify.checks import Checks, Look
from verify.finding import Judgement, Part, Subject, Verdict, one_line
from verify.promise import ADDRESS_TYPES, SERVICES, Promise, RecordSet, address_of, texts
from verify.servers import Place, Server, ask, lookup

# Limits per delegation and per name server: more is never needed, and would let others keep us busy.
MOST_SERVERS = 16
MOST_PLACES = 4


async def dns_checks(
    checks: Checks,
    promise: Promise,
    resolvers: Sequence[Server],
    authorities: Sequence[Server],
    retired: Sequence[str] = (),
) -> None:
    """All checks of names. `authorities`, if given, are used instead of the delegated name servers; `retired`: names
    that were given up."""
    for problem in promise.contradictions():
        expected = "names that resolve to active ingress addresses"
        checks.settled(
            Subject(Part.DNS, "the outputs themselves", "ipInventory, dns", expected),
            Judgement(Verdict.BROKEN, problem, "run `pulumi up`, and read its outputs again"),
        )
    async with asyncio.TaskGroup() as group:
        names = Names(group, checks, promise, resolvers[0], tuple(dict.fromkeys(retired)))
        for server in resolvers:
            names.ask_all(server)
            for name in promise.foreign_targets:
                names.ask_target(server, name)
        group.create_task(names.ask_authorities(authorities))


@dataclass(frozen=True)
class Names:
    """Queries to name servers; each is a task of the group. `resolver` finds the name servers' addresses."""

    group: asyncio.TaskGroup
    checks: Checks
    promise: Promise
    resolver: Server
    retired: tuple[str, ...] = ()

    def ask_all(self, server: Server) -> None:
        """Every record set that has to exist, and those that must not."""
        for expected in (*self.promise.records, *self.promise.absences):
            subject = Subject(Part.DNS, expected.what, server.name, one_line(expected.expected))
            self._begin(subject, partial(self._record_set, server, expected))
        for name in self.retired:
            subject = Subject(Part.DNS, f"{one_line(name)} (retired)", server.name, "no address or name of ours")
            self._begin(subject, partial(self._retired, server, name))

    def ask_target(self, server: Server, name: str) -> None:
        """An SRV target that is not among our record sets."""
        self._begin(
            Subject(Part.DNS, f"{one_line(name)} (SRV target)", server.name, "an address"),
            partial(_leads, server, name),
        )

    async def ask_authorities(self, given: Sequence[Server]) -> None:
        """The delegation and the parent's DS first: they determine which servers to query and which signatures to
        expect."""
        promise, delegated, parent = self.promise, set[str](), set[DS]()

        async def delegation() -> Judgement:
            reply = await self._reply(promise.domain, "NS")
            targets = [data.target for data in reply.data if isinstance(data, NS)]
            delegated.update(target.to_text(omit_final_dot=True).lower() for target in targets)
            return records.judge_delegation(reply, delegated, promise.name_servers)

        async def ds_records() -> Judgement:
            reply = await self._reply(promise.domain, "DS")
            parent.update(data for data in reply.data if isinstance(data, DS))
            own = (
                frozenset[DS]()
                if records.is_delegated_elsewhere(delegated, promise.name_servers)
                else promise.ds_records
            )
            return signatures.judge_parent(reply, frozenset(parent), own)

        shown = one_line(", ".join(sorted(promise.name_servers))) or "name servers"
        await self.checks.check(self._asked(f"{promise.domain} NS", shown), delegation)
        await self.checks.check(self._asked(f"{promise.domain} DS", signatures.expected(promise)), ds_records)
        for server in given:
            self._ask_authority(server, frozenset(parent), promise.ds_records)
        for name in () if given else sorted(delegated | promise.name_servers)[:MOST_SERVERS]:
            # The parent's DS applies to the servers it delegates to; our zone's keys only to our own name servers.
            above = frozenset(parent) if name in delegated else frozenset[DS]()
            below = promise.ds_records if name in promise.name_servers else frozenset[DS]()
            self.group.create_task(self._ask_name_server(name, above, below))

    async def _ask_name_server(self, name: str, parent: frozenset[DS], own: frozenset[DS]) -> None:
        """One name server: its addresses, then everything it has to answer."""
        found: list[str] = []

        async def addresses() -> Judgement:
            replies = await lookup(self.resolver, name, ADDRESS_TYPES)
            # IPv4 first: not every machine that checks has IPv6.
            found.extend(address_of(data) for reply in replies for data in sorted(reply.data))
            if not found:
                why = next((reply.problem for reply in replies if reply.problem), "no address")
                remedy = "check that the name server's own name resolves, or name it: --authority"
                return Judgement(Verdict.BROKEN, why, remedy)
            return Judgement(Verdict.HOLDS, one_line(", ".join(found)), milliseconds=replies[0].milliseconds)

        await self.checks.check(self._asked(f"name server {one_line(name)}", "an address"), addresses)
        if places := tuple(Place(address) for address in found[:MOST_PLACES]):
            self._ask_authority(Server(one_line(name), places, authority=True), parent, own)

    def _ask_authority(self, server: Server, parent: frozenset[DS], own: frozenset[DS]) -> None:
        self.ask_all(server)
        if trusted := parent or own:
            tags = ", ".join(str(each.key_tag) for each in sorted(trusted))
            subject = Subject(
                Part.DNS, f"{self.promise.domain} signatures", server.name, f"signed by the keys of DS {tags}"
            )
            self._begin(subject, partial(signatures.look, server, self.promise, trusted, at_parent=bool(parent)))

    def _begin(self, subject: Subject, look: Look) -> None:
        self.group.create_task(self.checks.check(subject, look))

    def _asked(self, what: str, expected: str) -> Subject:
        return Subject(Part.DNS, what, self.resolver.name, expected)

    async def _reply(self, name: str, type_: str) -> records.Reply:
        return servers.reply(await ask(self.resolver, name, type_), name, type_)

    async def _record_set(self, server: Server, expected: RecordSet) -> Judgement:
        answered = await ask(server, expected.name, expected.type)
        reply = servers.reply(answered, expected.name, expected.type)
        return records.judge(expected, reply, self.promise.standing, authority=server.authority)

    async def _retired(self, server: Server, name: str) -> Judgement:
        """A name that was given up, and the services below it."""
        replies = await lookup(server, name, ADDRESS_TYPES)
        for service in SERVICES:
            replies += await lookup(server, f"{service}.{name}", ("SRV",))
        return records.judge_retired(replies, self.promise)


async def _leads(server: Server, name: str) -> Judgement:
    """RFC 2782: the target of a service has addresses, and is no alias."""
    replies = await lookup(server, name, ADDRESS_TYPES)
    if alias := next((each.cname for each in replies if each.cname), ""):
        return Judgement(Verdict.BROKEN, f"an alias of {one_line(alias)}", records.PUT_BACK)
    found = frozenset(data for each in replies for data in each.data)
    if not found:
        why = next((each.problem for each in replies if each.problem), "nothing: the target has no address")
        return Judgement(Verdict.BROKEN, why, records.PUT_BACK)
    return Judgement(Verdict.HOLDS, one_line(texts(found)), milliseconds=replies[0].milliseconds)


def servers_of(places: Sequence[Place], *, authority: bool) -> Iterator[Server]:
    """Name servers given by address: each is queried separately."""
    for place in places:
        yield Server(f"{'authority' if authority else 'resolver'} {place}", (place,), authority)
