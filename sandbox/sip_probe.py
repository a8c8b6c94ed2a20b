"""Sends one SIP OPTIONS, from an address of choice, and gives the status of the answer."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from sandbox.process import SandboxError

SECONDS: Final = 3.0
LARGEST: Final = 65535


@dataclass(frozen=True)
class Answer:
    """Of a SIP request: the status code and the headers, names in lower case."""

    status: int
    headers: dict[str, str]


def options(address: str, port: int = 5060, transport: str = "udp", source: str = "127.0.0.1") -> int:
    """Status code of one OPTIONS; TLS takes any certificate, because it is the ACL that is asked."""
    return ask(request("OPTIONS", address, port, transport, source), address, port, transport, source).status


def request(method: str, address: str, port: int, transport: str, source: str, more: str = "") -> str:
    """A request as short as RFC 3261 allows. `more` is header lines, each with its end."""
    host, origin = _bracketed(address), _bracketed(source)
    return (
        f"{method} sip:probe@{host}:{port};transport={transport} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport.upper()} {origin};branch=z9hG4bK{secrets.token_hex(8)};rport\r\n"
        f"From: <sip:probe@{origin}>;tag={secrets.token_hex(4)}\r\n"
        f"To: <sip:probe@{host}>\r\n"
        f"Call-ID: {secrets.token_hex(8)}\r\n"
        f"CSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\n"
        f"{more}"
        "Content-Length: 0\r\n\r\n"
    )


def ask(text: str, address: str, port: int, transport: str, source: str, authority: bytes | None = None) -> Answer:
    """Send a request and wait for the final answer. With an authority (PEM), TLS checks the certificate by it."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as plain:
        plain.settimeout(SECONDS)
        try:
            plain.bind((source, 0))
            plain.connect((address, port))
            if transport != "tls":
                return _exchange(plain, text)
            with _context(authority).wrap_socket(plain, server_hostname=address) as encrypted:
                return _exchange(encrypted, text)
        except OSError as error:
            where = f"{_bracketed(address)}:{port}/{transport}"
            raise SandboxError(f"no SIP answer from {where} to {source}: {error}; does it run? `make status`") from None


def _exchange(connection: socket.socket, text: str) -> Answer:
    connection.sendall(text.encode())
    received = b""
    while b"\r\n\r\n" not in received:
        some = connection.recv(LARGEST)
        if not some:
            raise ConnectionError("the connection was closed")
        received += some
    first, *lines = received.partition(b"\r\n\r\n")[0].decode(errors="replace").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers)


def _context(authority: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
