"""A name server, built with dnslib, that answers as a test needs, also in ways that no correct server would."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dnslib import QTYPE, RCODE, RD, RR, DNSRecord  # type: ignore[import-untyped]

Key = tuple[str, str]


@dataclass
class Zone:
    """Answers by name (without the final dot) and type, and other deliberate faults."""

    answers: dict[Key, list[str]]
    ttl: int = 300
    authoritative: bool = True
    rcodes: dict[Key, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    wire: dict[Key, list[tuple[int, bytes]]] = field(default_factory=dict)
    silent: set[Key] = field(default_factory=set)
    short: bool = False  # over UDP only the truncation flag
    noise: bytes = b""
    asked: list[tuple[Key, bool]] = field(default_factory=list)

    def respond(self, packet: bytes, *, udp: bool) -> bytes | None:
        query = DNSRecord.parse(packet)
        kind = str(QTYPE.get(query.q.qtype))
        key = (str(query.q.qname).rstrip(".").lower(), kind)
        self.asked.append((key, udp))
        if key in self.silent or ("*", "*") in self.silent:
            return None
        if self.noise:
            return bytes(packet[:2]) + self.noise
        reply = query.reply(aa=int(self.authoritative), ra=0)
        if udp and self.short:
            reply.header.tc = 1
            return bytes(reply.pack())
        if key in self.rcodes:
            reply.header.rcode = getattr(RCODE, self.rcodes[key])
        elif target := self.aliases.get(key[0]):
            reply.add_answer(*RR.fromZone(f"{key[0]}. {self.ttl} CNAME {target}"))
            for text in self.answers.get((target.rstrip("."), kind), []):
                reply.add_answer(*RR.fromZone(f"{target} {self.ttl} {kind} {text}"))
        else:
            for text in self.answers.get(key, []):
                reply.add_answer(*RR.fromZone(f"{key[0]}. {self.ttl} {kind} {text}"))
            for number, data in self.wire.get(key, []):
                reply.add_answer(RR(f"{key[0]}.", number, rdata=RD(data), ttl=self.ttl))
        return bytes(reply.pack())


def _pair(udp: Callable[[int], Any], tcp: Callable[[int], Any]) -> tuple[Any, Any]:
    """Both on one free port: a port that is free for one may be in use for the other."""
    for _ in range(20):
        first = udp(0)
        try:
            return first, tcp(first.server_address[1])
        except OSError:
            first.server_close()
    raise AssertionError("no port is free for UDP and TCP")


@contextmanager
def serving(zone: Zone, host: str = "127.0.0.1") -> Iterator[int]:
    """The port on which it answers, over UDP and TCP."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, channel = self.request
            if (reply := zone.respond(packet, udp=True)) is not None:
                channel.sendto(reply, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            if (reply := zone.respond(self.rfile.read(length), udp=False)) is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    class Tcp(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    udp, tcp = _pair(
        lambda port: socketserver.ThreadingUDPServer((host, port), Datagram), lambda port: Tcp((host, port), Stream)
    )
    port = int(udp.server_address[1])
    threads = [threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True) for each in (udp, tcp)]
    for thread in threads:
        thread.start()
    try:
        yield port
    finally:
        for server in (udp, tcp):
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()
