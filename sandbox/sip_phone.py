"""A phone over UDP: a call, and what it needs after its first answer."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from sandbox.layout import SandboxError
from verify.sip import Peer, request


def contact(source: str) -> str:
    """The header of a phone at this address."""
    return f"Contact: <sip:probe@{source}:5099>\r\n"


@dataclass
class Phone:
    """At an address and port, `place`, of a proxy."""

    place: tuple[str, int]
    source: str

    def __post_init__(self) -> None:
        self.text = request("INVITE", Peer(*self.place, "udp", self.source), contact(self.source))
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind((self.source, 0))
        self.socket.settimeout(20)
        self.answer = ""

    def send(self, text: str) -> None:
        """Send a message."""
        self.socket.sendto(text.encode(), self.place)

    def final(self, number: str) -> str:
        """The final answer to a request with this CSeq."""
        while True:
            answer = self.socket.recv(65535).decode()
            if not answer.startswith("SIP/2.0 1") and f"CSeq: {number}\r\n" in answer:
                return answer

    def call(self) -> int:
        """Status of the final answer to the INVITE, which is the same each time."""
        self.send(self.text)
        self.answer = self.final("1 INVITE")
        return int(self.answer.split()[1])

    def within(self, method: str, number: int, *, routed: bool = True) -> str:
        """A request in the call."""
        routes = re.findall(r"^Record-Route: (.*)\r$", self.answer, re.MULTILINE)
        (target,) = re.findall(r"^Contact: <(.*)>\r$", self.answer, re.MULTILINE)
        (to,) = re.findall(r"^To: (.*)\r$", self.answer, re.MULTILINE)
        lines = self.text.splitlines()
        lines[0] = f"{method} {target} SIP/2.0"
        lines = [f"To: {to}" if line.startswith("To:") else line for line in lines]
        lines = [f"CSeq: {number} {method}" if line.startswith("CSeq:") else line for line in lines]
        lines = [re.sub(r"branch=z9hG4bK", f"branch=z9hG4bK{number}{method}", line) for line in lines]
        if routed:
            lines[2:2] = [f"Route: {route}" for route in reversed(routes)]
        return "\r\n".join(lines) + "\r\n\r\n"

    def hang_up(self) -> None:
        """ACK, and BYE. Raises `SandboxError` if the BYE is not accepted."""
        self.send(self.within("ACK", 1))
        self.send(self.within("BYE", 2))
        answer = self.final("2 BYE")
        if not answer.startswith("SIP/2.0 200 "):
            raise SandboxError(f"the BYE of a call from {self.source} was answered {answer.splitlines()[0]}")

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
