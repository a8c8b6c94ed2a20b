"""Every endpoint of the inventory: SIP OPTIONS, certificates and CAA; and that no egress address answers SIP."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from inventory.endpoint import Endpoint
from verify import answering, caa, certificate, tls
from verify.checks import Checks
from verify.finding import Judgement, Part, Subject, Verdict, one_line
from verify.promise import Promise
from verify.servers import Server
from verify.sip import NoWayError, Peer, SilentError, SipError, bracketed, options

# How long without an answer counts as silence: three retransmissions.
SILENCE_SECONDS = 4.0
SIP_PORT = 5060
ASKED = {"UDP": "udp", "TCP": "tcp", "TLS": "tls"}
ELSEWHERE = "run the check on a machine that can"

Work = Coroutine[Any, Any, object]


@dataclass(frozen=True)
class Caller:
    """The client: source address, expected status, trusted CAs, and the minimum validity of certificates."""

    trust: ssl.SSLContext
    now: datetime
    source: str = ""
    expected: int = answering.ANY
    expiry_days: int = 14

    def towards(self, way: Endpoint) -> Peer:
        """The endpoint as a peer for `verify.sip`."""
        return _peer(way.address, way.port, ASKED[way.transport], self.source)


def sip_checks(checks: Checks, promise: Promise, caller: Caller) -> Iterator[Work]:
    """One OPTIONS to every endpoint, and to every egress address, which must not answer."""
    for way in promise.endpoints:
        # A dedicated address serves only its customer: any answer from it shows that it is up.
        status = answering.ANY if way.customer else caller.expected
        expected = answering.expectation(status)
        subject = Subject(Part.SIP, f"OPTIONS {way.transport} ({one_line(way.role)})", _where(way), expected)
        if way.transport not in ASKED:
            checks.settled(subject, Judgement(Verdict.UNCHECKED, "SIP over WebSocket is not checked"))
            continue
        yield checks.check(subject, _looking(partial(_options, caller.towards(way), way.server, status)))
    for address in promise.egress:
        for transport in ("udp", "tcp"):
            peer = _peer(address, SIP_PORT, transport, caller.source)
            what = f"silence {transport.upper()} (egress)"
            subject = Subject(Part.SIP, what, f"{bracketed(address)}:{SIP_PORT}", "no answer")
            yield checks.check(subject, _looking(partial(_silence, peer)))


def tls_checks(checks: Checks, promise: Promise, caller: Caller, resolver: Server) -> Iterator[Work]:
    """The certificate of every TLS endpoint, for each name that clients connect to, and whether its CA may renew it."""
    lookup = caa.Lookup(resolver)
    for way in promise.endpoints:
        names = [promise.domain] if way.nameless else [way.server.lower(), promise.domain]
        for name in dict.fromkeys(names) if way.transport == "TLS" else ():
            yield _certificate(checks, caller, lookup, way, name)


async def _certificate(checks: Checks, caller: Caller, lookup: caa.Lookup, way: Endpoint, name: str) -> None:
    issuers: list[str] = []

    async def certificate_shown() -> Judgement:
        shown = await tls.show(caller.towards(way), name, caller.trust)
        try:
            found = certificate.read(shown.der, shown.untrusted)
        except certificate.UnreadableCertificateError as error:
            return Judgement(Verdict.BROKEN, f"no readable certificate: {error}", certificate.RENEW)
        issuers.append(found.issuer)
        return certificate.judge(found, name, caller.now, caller.expiry_days, shown.milliseconds)

    async def renewal() -> Judgement:
        return caa.judge(issuers[0], await lookup.of(name))

    expected = f"{name}, trusted, {caller.expiry_days} days left"
    await checks.check(Subject(Part.TLS, f"certificate for {name}", _where(way), expected), _looking(certificate_shown))
    if issuers:
        expected = "the CA in use may issue"
        await checks.check(Subject(Part.TLS, f"CAA of {name}", lookup.resolver.name, expected), renewal)


def _where(way: Endpoint) -> str:
    return f"{bracketed(way.address)}:{way.port}"


def _peer(address: str, port: int, transport: str, source: str) -> Peer:
    """The source address applies only to peers of its own address family."""
    return Peer(address, port, transport, source if (":" in source) == (":" in address) else "")


def _looking(look: Callable[[], Awaitable[Judgement]]) -> Callable[[], Awaitable[Judgement]]:
    """Turn errors on the way to an answer into judgements."""

    async def looked() -> Judgement:
        try:
            return await look()
        except NoWayError as error:
            return Judgement(Verdict.UNCHECKED, str(error), ELSEWHERE)
        except SipError as error:
            return Judgement(Verdict.BROKEN, str(error), answering.LIVES)

    return looked


async def _options(peer: Peer, name: str, expected: int) -> Judgement:
    return answering.judge(await options(peer, server_name=name), expected)


async def _silence(peer: Peer) -> Judgement:
    remedy = "vendors whitelist this address, but something listens on it: check what uses it besides the gateway"
    try:
        answer = await options(peer, seconds=SILENCE_SECONDS)
    except SilentError as silent:
        return Judgement(Verdict.HOLDS, str(silent))
    except NoWayError:
        raise
    except SipError as error:
        return Judgement(Verdict.BROKEN, f"something listens: {error}", remedy)
    return Judgement(Verdict.BROKEN, f"it answers {answer.status} to OPTIONS", remedy, answer.milliseconds)
