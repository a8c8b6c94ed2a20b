"""One SIP request over UDP, TCP or TLS, from a chosen source address, and the final answer to it (RFC 3261).

Answers are untrusted: limited in size and time, and only an answer to this very request counts. What a status means is
judged in `answering.py`, the certificate in `certificate.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

# RFC 3261 section 17.1.2.2: a request over UDP is sent again after T1, then after twice as long each time, T2 at most.
T1: Final = 0.5
T2: Final = 4.0
SECONDS: Final = 8.0
# Limit of an answer's head. Proxies accept 64 KiB at most; ours sends some 500 bytes.
LARGEST_HEAD: Final = 16_384
LARGEST_BODY: Final = 65_536
DATAGRAMS_WAITING: Final = 64

_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: .*)?")
# A server may ask something itself before it answers: an OPTIONS to see whether the connection lives.
_REQUEST_LINE: Final = re.compile(r"[A-Z]+ \S+ SIP/2\.0")
_BRANCH: Final = re.compile(r";\s*branch\s*=\s*([^;,\s]+)", re.IGNORECASE)
# RFC 3261 section 7.3.3.
_COMPACT: Final = {"v": "via", "i": "call-id", "f": "from", "t": "to", "l": "content-length", "k": "supported"}
_NOT_HERE: Final = (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class SipError(Exception):
    """The request got no answer; the message says why."""


class SilentError(SipError):
    """Nothing listens: connection refused, or no answer in time."""


class NoWayError(SipError):
    """This machine cannot send to the peer: it lacks the address family, the route or the source address."""


@dataclass(frozen=True)
class Peer:
    """Destination of a request, and its source address on this machine; empty: the system's choice."""

    address: str
    port: int
    transport: str
    source: str = ""

    def __str__(self) -> str:
        return f"{bracketed(self.address)}:{self.port}/{self.transport}"


@dataclass(frozen=True)
class Answer:
    """Status code and headers, names in lower case; the first of several with the same name. `certificate`: the
    server's (DER), not verified; empty where the transport has none."""

    status: int
    headers: dict[str, str]
    milliseconds: float = 0.0
    certificate: bytes = b""


def request(method: str, peer: Peer, more: str = "") -> str:
    """A minimal request (RFC 3261); the peer needs a source. `more`: header lines, each with its line end."""
    host, origin = bracketed(peer.address), bracketed(peer.source)
    return (
        f"{method} sip:probe@{host}:{peer.port};transport={peer.transport} SIP/2.0\r\n"
        f"Via: SIP/2.0/{peer.transport.upper()} {origin};branch=z9hG4bK{secrets.token_hex(8)};rport\r\n"
        f"From: <sip:probe@{origin}>;tag={secrets.token_hex(4)}\r\n"
        f"To: <sip:probe@{host}>\r\n"
        f"Call-ID: {secrets.token_hex(8)}\r\n"
        f"CSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\n"
        f"{more}"
        "Content-Length: 0\r\n\r\n"
    )


def unverified() -> ssl.SSLContext:
    """A TLS context without verification: certificates are judged elsewhere."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(
    text: str,
    peer: Peer,
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """Send a request and wait for the final answer to it. Raises `SipError`."""
    connected = False
    try:
        async with asyncio.timeout(seconds):
            if peer.transport == "udp":
                return await _by_datagram(text, peer)
            reader, writer = await _connect(peer, tls, server_name)
            connected = True
            return await _by_stream(text, reader, writer)
    except TimeoutError:
        if connected:
            raise SipError(f"connected, and no answer within {seconds:g} s") from None
        raise SilentError(f"no answer within {seconds:g} s") from None
    except ssl.SSLError as error:
        raise SipError(f"no TLS: {error.reason or error}") from None
    except OSError as error:
        raise why(error) from None


async def options(peer: Peer, *, server_name: str | None = None, seconds: float = SECONDS) -> Answer:
    """The answer to OPTIONS, without verifying the certificate. Raises `SipError`."""
    peer = replace(peer, source=peer.source or _own_address(peer))
    return await ask(request("OPTIONS", peer), peer, server_name=server_name, seconds=seconds)


def _own_address(peer: Peer) -> str:
    """The source address the system would use: connecting a datagram socket selects it without sending."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in peer.address else socket.AF_INET, socket.SOCK_DGRAM) as chosen:
            chosen.connect((peer.address, peer.port))
            return str(chosen.getsockname()[0])
    except OSError as error:
        raise why(error) from None


def why(error: OSError) -> SipError:
    """The `SipError` for a network failure."""
    if error.errno in _NOT_HERE:
        return NoWayError(f"not from this machine: {error.strerror or error}")
    if isinstance(error, ConnectionRefusedError):
        return SilentError("refused: nothing listens there")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return SipError("the connection was reset")
    return SilentError(f"no answer: {error.strerror or error}")


async def _by_datagram(text: str, peer: Peer) -> Answer:
    mailbox = _Mailbox()
    source = (peer.source, 0) if peer.source else None
    channel, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: mailbox, local_addr=source, remote_addr=(peer.address, peer.port)
    )
    try:
        began, interval = time.monotonic(), T1
        while True:
            channel.sendto(text.encode())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    return await _final(_datagrams(mailbox), text, began)
            interval = min(2 * interval, T2)
    finally:
        channel.abort()


class _Mailbox(asyncio.DatagramProtocol):
    """Received datagrams, and errors that the network reports; when it is full, further datagrams are dropped."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes | OSError] = asyncio.Queue(DATAGRAMS_WAITING)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's
        """The socket is connected: the kernel drops datagrams from other peers."""
        with contextlib.suppress(asyncio.QueueFull):
            self.waiting.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """For instance an ICMP message that nothing listens there."""
        if isinstance(exc, OSError):
            with contextlib.suppress(asyncio.QueueFull):
                self.waiting.put_nowait(exc)


async def _datagrams(mailbox: _Mailbox) -> AsyncIterator[bytes]:
    while True:
        came = await mailbox.waiting.get()
        if isinstance(came, OSError):
            raise came
        yield came.partition(b"\r\n\r\n")[0][:LARGEST_HEAD]


async def _connect(
    peer: Peer, tls: ssl.SSLContext | None, server_name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    encrypted = {"ssl": tls or unverified(), "server_hostname": server_name or peer.address}
    return await asyncio.open_connection(
        peer.address,
        peer.port,
        limit=LARGEST_HEAD,
        local_addr=(peer.source, 0) if peer.source else None,
        **(encrypted if peer.transport == "tls" else {}),  # type: ignore[arg-type]
    )


async def _by_stream(text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    try:
        began = time.monotonic()
        writer.write(text.encode())
        answer = await _final(_heads(reader), text, began)
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        return replace(answer, certificate=(tls and tls.getpeercert(binary_form=True)) or b"")
    finally:
        writer.transport.abort()


async def _heads(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The heads of the messages on a connection. Anything that is not SIP ends it: the next message cannot be found."""
    while True:
        try:
            # Empty lines before a message are keep-alives (RFC 3261 section 7.5, RFC 5626 section 4.4.1).
            head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").lstrip(b"\r\n")
        except asyncio.LimitOverrunError:
            raise SipError(f"an answer whose head is longer than {LARGEST_HEAD} bytes") from None
        except asyncio.IncompleteReadError as cut:
            began = "in the middle of an answer" if cut.partial else "without an answer"
            raise SipError(f"the connection was closed {began}") from None
        if not head:
            continue
        first, headers = _read(head)
        if not (_STATUS_LINE.fullmatch(first) or _REQUEST_LINE.fullmatch(first)):
            raise SipError(f"not SIP: {head[:60].decode(errors='replace')!r}")
        yield head
        length = headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > LARGEST_BODY:
            raise SipError("an answer with too large a body")
        await reader.readexactly(int(length))


async def _final(heads: AsyncIterator[bytes], text: str, began: float) -> Answer:
    """The first final answer to this request; provisional ones and answers to other requests are skipped."""
    async for head in heads:
        answer = parse(head)
        if answer and answer.status >= 200 and _answers(answer, text):
            return Answer(answer.status, answer.headers, (time.monotonic() - began) * 1000)
    raise SipError("the connection was closed without an answer")


def parse(head: bytes) -> Answer | None:
    """The status line and headers of an answer; None if it is not one."""
    first, headers = _read(head)
    status = _STATUS_LINE.fullmatch(first)
    return Answer(int(status[1]), headers) if status else None


def _read(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line and the headers of a message."""
    first, *lines = head.decode(errors="replace").split("\r\n")
    headers: dict[str, str] = {}
    # A line that begins with a blank continues the previous one (section 7.3.1).
    for line in re.sub(r"\r\n[ \t]+", " ", "\r\n".join(lines)).split("\r\n"):
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.setdefault(_COMPACT.get(name, name), value.strip())
    return first, headers


def _answers(answer: Answer, text: str) -> bool:
    """Section 17.1.3: the branch of the topmost Via, and the method of CSeq."""
    sent = parse_request(text)
    branch = _BRANCH.search(answer.headers.get("via", ""))
    came = answer.headers.get("cseq", "").split()
    return branch is not None and (branch[1], *came) == sent


def parse_request(text: str) -> tuple[str, ...]:
    """What identifies a request: its branch, and number and method of its CSeq."""
    branch = _BRANCH.search(text)
    cseq = re.search(r"^CSeq: (\d+) (\w+)\r$", text, re.MULTILINE)
    assert branch and cseq, "a request of request()"
    return branch[1], cseq[1], cseq[2]


def bracketed(address: str) -> str:
    """A host as written in a URI."""
    return f"[{address}]" if ":" in address else address
