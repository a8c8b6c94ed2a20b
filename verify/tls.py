"""A TLS handshake as a SIP client does it, which returns the certificate, trusted or not."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from verify.finding import one_line
from verify.sip import Peer, SilentError, SipError, unverified, why

SECONDS = 8.0


@dataclass(frozen=True)
class Shown:
    """The server's certificate (DER); `untrusted`: OpenSSL's error about its chain."""

    der: bytes
    untrusted: str
    milliseconds: float


def trusting(authority: Path | None) -> ssl.SSLContext:
    """The system's CAs, or those of a file. Names are judged by `certificate.py`: SIP has its own rules.

    Raises `OSError` (`ssl.SSLError` is one) for a file without any.
    """
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    return context


async def show(peer: Peer, name: str, trust: ssl.SSLContext) -> Shown:
    """The certificate that clients of `name` get. Raises `SipError`."""
    try:
        async with asyncio.timeout(SECONDS):
            try:
                return await _shake(peer, name, trust, "")
            except ssl.SSLCertVerificationError as refused:
                return await _shake(peer, name, unverified(), refused.verify_message)
    except TimeoutError:
        raise SilentError(f"no TLS within {SECONDS:g} s") from None
    except ssl.SSLError as error:
        raise SipError(f"no TLS: {one_line(error.reason or str(error))}") from None
    except OSError as error:
        raise why(error) from None


async def _shake(peer: Peer, name: str, context: ssl.SSLContext, untrusted: str) -> Shown:
    began = time.monotonic()
    source = (peer.source, 0) if peer.source else None
    _, writer = await asyncio.open_connection(
        peer.address, peer.port, ssl=context, server_hostname=name, local_addr=source
    )
    try:
        der: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return Shown(der or b"", untrusted, (time.monotonic() - began) * 1000)
    finally:
        writer.transport.abort()
