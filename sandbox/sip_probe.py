"""Sends one SIP request with the client of `verify/sip.py` from a given source address."""

from __future__ import annotations

import asyncio
import ssl

from sandbox.layout import SandboxError
from verify.sip import Answer, Peer, SipError, request
from verify.sip import ask as ask_peer

SECONDS = 3.0


def options(address: str, port: int = 5060, transport: str = "udp", source: str = "127.0.0.1") -> int:
    """Status code of one OPTIONS; TLS accepts any certificate, because only the ACL is tested."""
    peer = Peer(address, port, transport, source)
    return ask(request("OPTIONS", peer), peer).status


def ask(text: str, peer: Peer, authority: bytes | None = None) -> Answer:
    """Send a request and wait for the final response. `authority`: PEM of the CA to check the certificate against."""
    context = ssl.create_default_context(cadata=authority.decode()) if authority else None
    try:
        return asyncio.run(ask_peer(text, peer, tls=context, seconds=SECONDS))
    except SipError as error:
        problem = f"no SIP answer from {peer} to {peer.source}: {error}; is it running? `make status`"
        raise SandboxError(problem) from None
