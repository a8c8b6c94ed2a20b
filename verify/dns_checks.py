"""Every record set at every name server that counts: the resolvers people use, and each authority by itself.

Which authorities the world asks is what the resolver says; they and the stack's own are asked directly, so that one
that lags behind, or is not ours, has a name.
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
from verify.promise import ADDRESS_TYPES, Promise, RecordSet, address_of, texts
from verify.servers import Place, Server, ask, lookup

# Of one delegation and of one name server: more is nobody's need, and a way to keep us busy.
MOST_SERVERS = 16
MOST_PLACES = 4


async def dns_checks(
    checks: Checks, promise: Promise, resolvers: Sequence[Server], authorities: Sequence[Server]
) -> None:
    """Everything about names. `authorities` given take the place of those that the delegation leads to."""
    for problem in promise.contradictions():
        expected = "names that lead to active ingress addresses"
        checks.settled(
            Subject(Part.DNS, "the outputs themselves", "ipInventory, dns", expected),
            Judgement(Verdict.BROKEN, problem, "`pulumi up`, and read its outputs again"),
        )
    async with asyncio.TaskGroup() as group:
        names = Names(group, checks, promise, resolvers[0])
        for server in resolvers:
            names.ask_all(server)
            for name in promise.foreign_targets:
                names.ask_target(server, name)
        group.create_task(names.ask_authorities(authorities))


@dataclass(frozen=True)
class Names:
    """What is asked of name servers; each question is a task of the group. `resolver` leads from one to the next."""

    group: asyncio.TaskGroup
    checks: Checks
    promise: Promise
    resolver: Server

    def ask_all(self, server: Server) -> None:
        """Every record set that must be there, and those that must not."""
        for expected in (*self.promise.records, *self.promise.absences):
            subject = Subject(Part.DNS, expected.what, server.name, one_line(expected.expected))
            self._begin(subject, partial(self._record_set, server, expected))

    def ask_target(self, server: Server, name: str) -> None:
        """A name that a service leads to and that is not among our record sets."""
        self._begin(
            Subject(Part.DNS, f"{one_line(name)} (SRV target)", server.name, "an address"),
            partial(_leads, server, name),
        )

    async def ask_authorities(self, given: Sequence[Server]) -> None:
        """The delegation and the parent's DS first: they say whom to ask, and what signatures to expect."""
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

        told = one_line(", ".join(sorted(promise.name_servers))) or "name servers"
        await self.checks.check(self._asked(f"{promise.domain} NS", told), delegation)
        await self.checks.check(self._asked(f"{promise.domain} DS", signatures.expected(promise)), ds_records)
        for server in given:
            self._ask_authority(server, frozenset(parent), promise.ds_records)
        for name in () if given else sorted(delegated | promise.name_servers)[:MOST_SERVERS]:
            # The parent's DS speaks of whom it delegates to; the keys of our own zone are its name servers' alone.
            above = frozenset(parent) if name in delegated else frozenset[DS]()
            below = promise.ds_records if name in promise.name_servers else frozenset[DS]()
            self.group.create_task(self._ask_name_server(name, above, below))

    async def _ask_name_server(self, name: str, parent: frozenset[DS], own: frozenset[DS]) -> None:
        """One name server: its addresses, then everything it must answer."""
        found: list[str] = []

        async def addresses() -> Judgement:
            replies = await lookup(self.resolver, name, ADDRESS_TYPES)
            # IPv4 first: not every machine that checks has IPv6.
            found.extend(address_of(data) for reply in replies for data in sorted(reply.data))
            if not found:
                why = next((reply.problem for reply in replies if reply.problem), "no address")
                remedy = "see that the name server's own name resolves, or name it: --authority"
                return Judgement(Verdict.BROKEN, why, remedy)
            return Judgement(Verdict.HOLDS, one_line(", ".join(found)), milliseconds=replies[0].milliseconds)

        await self.checks.check(self._asked(f"name server {one_line(name)}", "an address"), addresses)
        if places := tuple(Place(address) for address in found[:MOST_PLACES]):
            self._ask_authority(Server(one_line(name), places, authority=True), parent, own)

    def _ask_authority(self, server: Server, parent: frozenset[DS], own: frozenset[DS]) -> None:
        self.ask_all(server)
        if trusted := parent or own:
            tags = ", ".join(str(each.key_tag) for each in sorted(trusted))
            subject = Subject(Part.DNS, f"{self.promise.domain} signatures", server.name, f"signed as DS {tags} says")
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


async def _leads(server: Server, name: str) -> Judgement:
    """RFC 2782: the target of a service has addresses, and is no alias."""
    replies = await lookup(server, name, ADDRESS_TYPES)
    if alias := next((each.cname for each in replies if each.cname), ""):
        return Judgement(Verdict.BROKEN, f"an alias of {one_line(alias)}", records.PUT_BACK)
    found = frozenset(data for each in replies for data in each.data)
    if not found:
        why = next((each.problem for each in replies if each.problem), "nothing: the service leads nowhere")
        return Judgement(Verdict.BROKEN, why, records.PUT_BACK)
    return Judgement(Verdict.HOLDS, one_line(texts(found)), milliseconds=replies[0].milliseconds)


def servers_of(places: Sequence[Place], *, authority: bool) -> Iterator[Server]:
    """Name servers that somebody named by their addresses: each is asked by itself."""
    for place in places:
        yield Server(f"{'authority' if authority else 'resolver'} {place}", (place,), authority)
