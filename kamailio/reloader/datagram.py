"""JSON-RPC in datagrams: a SIP MESSAGE to the port of kamailio/rpc.cfg, which no connection of anybody's can occupy.

A datagram may be lost: a call is repeated until it is answered, and the proxy does a repeated call once. An answer that
fits in no datagram is fetched in parts.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import Mapping

# As SIP repeats a request over UDP: RFC 3261, 17.1.2.2 (T1, doubled up to T2).
FIRST_WAIT, LONGEST_WAIT = 0.5, 4.0
LARGEST = 1 << 16
Fields = Mapping[str, str]
_HEAD = re.compile(rb"SIP/2\.0 (?P<status>\d{3}) ")


class NotAnswered(Exception):
    """No answer within the time; in words. `refused`: nothing takes datagrams there."""

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


class NotAllowed(Exception):
    """The token is not the proxy's."""


def call(host: str, port: int, token: str, body: str, seconds: float) -> str:
    """The answer's JSON. Raises `NotAllowed`, `NotAnswered`."""
    deadline = time.monotonic() + seconds
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours:
        try:
            ours.connect((host, port))
            name = secrets.token_hex(8)
            answer, length, number = b"", 1, 0
            while len(answer) < length:
                number += 1
                # A late answer to another part, or to another call, has other fields (RFC 3261, 8.2.6.2).
                fields = {"Call-ID": name, "CSeq": f"{number} MESSAGE"}
                part, length = _part(ours, _request(ours, fields, token, body, len(answer)), fields, deadline)
                if not part:
                    break
                answer += part
        except ConnectionRefusedError as error:
            raise NotAnswered(str(error), refused=True) from None
        except OSError as error:
            raise NotAnswered(str(error) or type(error).__name__) from None
    return answer.decode(errors="replace")


def _request(ours: socket.socket, fields: Fields, token: str, body: str, start: int) -> bytes:
    here, there = (_place(address) for address in (ours.getsockname(), ours.getpeername()))
    content, name = body.encode(), fields["Call-ID"]
    lines = (
        f"MESSAGE sip:rpc@{there} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{name}{start}",
        f"From: <sip:reloader@{here}>;tag={name}",
        f"To: <sip:rpc@{there}>",
        *(f"{field}: {value}" for field, value in fields.items()),
        "Max-Forwards: 0",
        f"Authorization: Bearer {token}",
        f"X-WARP-From: {start}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + content


def _place(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _part(ours: socket.socket, request: bytes, fields: Fields, deadline: float) -> tuple[bytes, int]:
    """A part of the answer, and the length of the whole."""
    wait = FIRST_WAIT
    while (left := deadline - time.monotonic()) > 0:
        ours.send(request)
        if answer := _answer(ours, fields, time.monotonic() + min(wait, left)):
            return answer
        wait = min(LONGEST_WAIT, wait * 2)
    raise NotAnswered("timed out")


def _answer(ours: socket.socket, asked: Fields, until: float) -> tuple[bytes, int] | None:
    while (left := until - time.monotonic()) > 0:
        ours.settimeout(left)
        try:
            received = ours.recv(LARGEST)
        except TimeoutError:
            return None
        head, _, content = received.partition(b"\r\n\r\n")
        first = _HEAD.match(head)
        fields = dict(line.split(": ", 1) for line in head.decode(errors="replace").split("\r\n")[1:] if ": " in line)
        if first is None or not asked.items() <= fields.items():
            continue
        if first["status"] == b"403":
            raise NotAllowed
        if first["status"] != b"200":
            raise NotAnswered(f"SIP {first['status'].decode()}")
        return content, int(fields.get("X-WARP-Length", len(content)))
    return None
