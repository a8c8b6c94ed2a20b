"""Sends one query to one name server, with dnspython: over UDP, and over TCP if the answer was truncated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from verify.finding import one_line
from verify.records import NO_ANSWER, Reply

# Datagrams get lost: two attempts. RFC 1035 section 4.2.1 suggests 2 to 5 s.
ATTEMPTS = 2
SECONDS = 3.0
# Limit of records of one type in an answer; a message of 64 KiB has room for thousands.
MOST_RECORDS = 200


@dataclass(frozen=True)
class Place:
    """Address and port of a name server."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"


@dataclass(frozen=True)
class Server:
    """A name server: its display name and its places; the next is tried if one does not answer."""

    name: str
    places: tuple[Place, ...]
    authority: bool = False


@dataclass(frozen=True)
class Answered:
    """A message and its response time; or None, and the problem."""

    message: dns.message.Message | None
    problem: str = ""
    milliseconds: float | None = None


async def ask(server: Server, name: str, type_: str, *, signed: bool = False) -> Answered:
    """Send one query. `signed` also requests signatures (RFC 4035, section 3.2.1)."""
    # Without recursion: a name server that recursed for us could hide that it does not serve the zone.
    flags = dns.flags.Flag(0) if server.authority else dns.flags.RD
    problem = NO_ANSWER
    for place in server.places:
        for _ in range(ATTEMPTS):
            query = dns.message.make_query(name, type_, use_edns=0, want_dnssec=signed, flags=flags)
            began = time.monotonic()
            try:
                async with asyncio.timeout(SECONDS):
                    answer, _ = await dns.asyncquery.udp_with_fallback(
                        query, place.address, SECONDS, place.port, ignore_unexpected=True, ignore_errors=True
                    )
                return Answered(answer, milliseconds=(time.monotonic() - began) * 1000)
            except (TimeoutError, dns.exception.Timeout):
                problem = NO_ANSWER
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                problem = f"no answer: {one_line(str(error) or type(error).__name__)}"
    return Answered(None, problem)


def reply(answered: Answered, name: str, type_: str) -> Reply:
    """The part of a message that answers the query."""
    message = answered.message
    if message is None:
        return Reply(problem=answered.problem)
    owner, wanted = dns.name.from_text(name), dns.rdatatype.from_text(type_)
    sets = [found for found in message.answer if found.name == owner]
    aliases = [data.target.to_text() for found in sets if found.rdtype == dns.rdatatype.CNAME for data in found]
    right = [found for found in sets if found.rdtype == wanted]
    if sum(len(found) for found in right) > MOST_RECORDS:
        return Reply(problem=f"an answer with more than {MOST_RECORDS} records")
    return Reply(
        rcode=dns.rcode.to_text(message.rcode()),
        authoritative=bool(message.flags & dns.flags.AA),
        cname=next(iter(aliases), ""),
        data=frozenset(data for found in right for data in found),
        ttl=min((found.ttl for found in right), default=0),
        milliseconds=answered.milliseconds,
    )


async def lookup(server: Server, name: str, types: Iterable[str]) -> list[Reply]:
    """Several types of one name, concurrently."""
    asked = list(types)
    answers = await asyncio.gather(*(ask(server, name, type_) for type_ in asked))
    return [reply(answer, name, type_) for answer, type_ in zip(answers, asked, strict=True)]
