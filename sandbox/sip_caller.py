"""A caller that knows only a name: locates its SIP servers by RFC 3263 and fails over to the next when one fails.

The client of `verify/sip.py` sends; dnspython orders the SRV records. Left out: NAPTR (the caller has chosen its
transport, section 4.1), and caching, so that it sees the name server's current answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.resolver

from sandbox.layout import SandboxError
from verify.sip import SECONDS, Answer, Peer, SipError, ask, request

# Default ports: RFC 3261 sections 18.2 and 26.2.
PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
# RFC 3263 section 4.3: on this response, a transport error or a timeout, the next server is tried.
UNAVAILABLE = 503


@dataclass(frozen=True)
class Caller:
    """Its source address and name server. `authorities`: PEM of the CAs that certificates are checked against."""

    source: str
    name_server: tuple[str, int]
    seconds: float = SECONDS
    authorities: str = ""


@dataclass(frozen=True)
class Reached:
    """The server that answered, and the failed attempts before it, one text each."""

    peer: Peer
    answer: Answer
    failed: list[str] = field(default_factory=list)


def servers(name: str, transport: str, caller: Caller) -> Iterator[Peer]:
    """Servers to try, in order (RFC 3263 section 4.2): SRV targets, else the addresses of the name itself."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [caller.name_server[0]], caller.name_server[1]
    targets = [
        (str(each.target), int(each.port)) for each in _answers(resolver, f"{SERVICES[transport]}.{name}.", "SRV")
    ]
    for target, port in targets or [(f"{name}.", PORTS[transport])]:
        for type_ in ("A", "AAAA"):
            for address in _answers(resolver, target, type_):
                yield Peer(str(address.address), port, transport, caller.source)


def call(name: str, transport: str, caller: Caller, method: str = "OPTIONS") -> Reached:
    """Send the request to one server after another until one answers. Raises `SandboxError` if none does."""
    failed: list[str] = []
    tls = ssl.create_default_context(cadata=caller.authorities) if caller.authorities else None
    for peer in servers(name, transport, caller):
        try:
            # RFC 5922 section 4: the certificate must match the name that was called, not the SRV target.
            exchange = ask(request(method, peer), peer, tls=tls, server_name=name, seconds=caller.seconds)
            answer = asyncio.run(exchange)
        except SipError as error:
            failed.append(f"{peer}: {error}")
            continue
        if answer.status != UNAVAILABLE:
            return Reached(peer, answer, failed)
        failed.append(f"{peer}: {UNAVAILABLE}")
    raise SandboxError(f"no server answers for {name} over {transport}: {'; '.join(failed) or 'no server in DNS'}")


def _answers(resolver: dns.resolver.Resolver, name: str, type_: str) -> list[Any]:
    """In order of use: SRV by priority and weight (RFC 2782)."""
    try:
        found = resolver.resolve(name, type_)
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []
    except dns.exception.DNSException as error:
        raise SandboxError(f"no answer for {name} {type_}: {error}") from None
    return list(found.rrset.processing_order()) if found.rrset is not None else []
