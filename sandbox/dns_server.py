"""Authoritative DNS answers for the sandbox's zones, over UDP and TCP: what `dig` and SIP clients ask.

Standards: RFC 1034/1035, wildcards 4592, negative answers 2308, EDNS0 6891, minimal ANY 8482, SRV 2782, NAPTR 3403.
Nothing is cached: each query asks `lookup` what the zones hold now.

Leaves to others: which records may exist (the sandbox's Cloud DNS checks them before they get here), recursion, zone
transfer and update (refused), DNSSEC signatures, routing policies.
"""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import logging
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from dnslib import (  # type: ignore[import-untyped]
    CLASS,
    EDNS0,
    OPCODE,
    QTYPE,
    RCODE,
    RDMAP,
    RR,
    TXT,
    DNSHeader,
    DNSLabel,
    DNSQuestion,
    DNSRecord,
)
from dnslib.label import DNSBuffer  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

Name = tuple[bytes, ...]  # labels in lower case, the root is ()
ROOT = DNSLabel("")
# What travels unfragmented almost everywhere: DNS Flag Day 2020. Without EDNS0, 512 (RFC 1035 section 4.2.1).
EDNS_UDP_BYTES, PLAIN_UDP_BYTES, TCP_BYTES = 1232, 512, 65535
ANY_CLASS = 255
HEADER_BYTES = 12
TCP_IDLE_SECONDS = 10.0
TCP_CONNECTIONS = 64
CNAME_CHAIN = 16
TRANSFERS = (QTYPE.AXFR, QTYPE.IXFR, 253, 254)  # and the obsolete MAILB, MAILA
TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


class DnsServerError(Exception):
    """The server cannot be started; the message says where and why."""


@dataclasses.dataclass(frozen=True)
class RecordData:
    """One record set as Cloud DNS holds it: absolute name, type in letters, TTL in seconds, rdata as text."""

    name: str
    type: str
    ttl: int
    rrdatas: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ZoneData:
    """One zone: the absolute name of its apex, and every record set, SOA and NS of the apex included."""

    name: str
    records: tuple[RecordData, ...]


@lru_cache(maxsize=8192)
def labels(name: str) -> Name:
    """A name as it is compared: RFC 4343, without case."""
    return folded(DNSLabel(name))


def folded(label: DNSLabel) -> Name:
    """The same for a name that came with a message or a record."""
    return tuple(part.lower() for part in label.label)


def rdata(kind: str, text: str) -> Any:
    """Rdata from its presentation form; the field's own encoding of quotes and escapes (RFC 1035 section 5.1)."""
    words = [quoted if bare == b"" else bare for quoted, bare in TOKEN.findall(text.encode())]
    words = [ESCAPE.sub(lambda m: bytes([int(m[1])]) if len(m[1]) == 3 else m[1], word) for word in words]
    if kind in ("TXT", "SPF"):
        return TXT(words)
    if kind in ("A", "AAAA"):
        family = ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address
        return RDMAP[kind].fromZone([str(family(text.strip()))])
    return RDMAP[kind].fromZone([word.decode() for word in words], ROOT)


class Zone:
    """A zone's record sets by name and type, and every name that exists because something is below it."""

    def __init__(self, data: ZoneData) -> None:
        self.apex = labels(data.name)
        self.nodes: dict[Name, dict[str, RecordData]] = {self.apex: {}}
        for record in data.records:
            name = labels(record.name)
            if not self.holds(name):
                logger.warning("zone %s: record %s lies outside and is not served", data.name, record.name)
                continue
            self.nodes.setdefault(name, {})[record.type.upper()] = record
            for depth in range(1, len(name) - len(self.apex)):
                self.nodes.setdefault(name[depth:], {})  # an empty non-terminal: NODATA, not NXDOMAIN

    def holds(self, name: Name) -> bool:
        """Whether a name is the apex or below it."""
        return len(name) >= len(self.apex) and name[len(name) - len(self.apex) :] == self.apex

    def cut(self, name: Name, kind: str) -> RecordData | None:
        """The delegation that takes this name out of the zone's authority (RFC 1034 section 4.3.2, step 3b)."""
        for depth in range(len(name) - len(self.apex) - 1, -1, -1):
            found = self.nodes.get(name[depth:], {}).get("NS")
            if found and not (depth == 0 and kind == "DS"):
                return found
        return None

    def node(self, name: Name) -> dict[str, RecordData] | None:
        """The record sets of a name, its wildcard's where that applies (RFC 4592 section 3.3); None: no such name."""
        if name in self.nodes:
            return self.nodes[name]
        encloser = next(name[depth:] for depth in range(1, len(name) + 1) if name[depth:] in self.nodes)
        return self.nodes.get((b"*", *encloser))


class Answer:
    """The sections of one response, built from the zones as they are at this moment."""

    def __init__(self, zones: list[Zone]) -> None:
        self.zones = zones
        self.rcode: int = RCODE.NOERROR
        self.authoritative = False
        self.answer: list[RR] = []
        self.authority: list[RR] = []
        self.additional: list[RR] = []

    def zone_of(self, name: Name) -> Zone | None:
        """The closest of the zones that hold a name."""
        return max((zone for zone in self.zones if zone.holds(name)), key=lambda zone: len(zone.apex), default=None)

    def resolve(self, question: DNSQuestion) -> None:
        """Fill the sections: RFC 1034 section 4.3.2, without recursion."""
        kind, owner, seen = str(QTYPE.get(question.qtype)), question.qname, set[Name]()
        for step in range(CNAME_CHAIN):
            name = folded(owner)
            zone = self.zone_of(name)
            if zone is None:
                self.rcode = RCODE.NOERROR if step else RCODE.REFUSED
                return
            if delegation := zone.cut(name, kind):
                self._add(self.authority, DNSLabel(delegation.name), delegation)
                self._complete(self.authority)
                return
            self.authoritative = True
            node = zone.node(name)
            if not node or not (alias := node.get("CNAME")) or kind in ("CNAME", "ANY"):
                self._finish(zone, node, owner, kind)
                return
            self._add(self.answer, owner, alias)
            seen.add(name)
            owner = DNSLabel(alias.rrdatas[0].strip())
            if folded(owner) in seen:
                return

    def _finish(self, zone: Zone, node: dict[str, RecordData] | None, owner: DNSLabel, kind: str) -> None:
        if node is None:
            self.rcode = RCODE.NXDOMAIN
        elif kind == "ANY" and node:
            self._add(self.answer, owner, next(iter(node.values())))
        elif found := node.get(kind):
            self._add(self.answer, owner, found)
            self._complete(self.answer)
            return
        if (node is None or kind != "ANY" or not node) and (soa := zone.nodes[zone.apex].get("SOA")):
            # A negative answer's TTL is the lesser of the SOA's own and its minimum field (RFC 2308 section 3).
            minimum = int(soa.rrdatas[0].split()[-1])
            self._add(self.authority, DNSLabel(zone.apex), dataclasses.replace(soa, ttl=min(soa.ttl, minimum)))

    def _add(self, section: list[RR], owner: DNSLabel, record: RecordData) -> None:
        kind = record.type.upper()
        section += [RR(owner, getattr(QTYPE, kind), ttl=record.ttl, rdata=rdata(kind, text)) for text in record.rrdatas]

    def _complete(self, section: list[RR]) -> None:
        """The addresses that whoever asked for these records will ask for next (RFC 1035 section 3.3, RFC 2782)."""
        done: set[Name] = set()
        for record in list(section):
            target = getattr(record.rdata, "target", None) if record.rtype == QTYPE.SRV else None
            if record.rtype in (QTYPE.NS, QTYPE.MX):
                target = record.rdata.label
            elif record.rtype == QTYPE.NAPTR:
                target = record.rdata.replacement
            name = folded(target) if target else ()
            zone = self.zone_of(name) if name else None
            if zone is None or name in done:
                continue
            done.add(name)
            node = zone.node(name) or {}
            for kind in ("A", "AAAA"):
                if kind in node:
                    self._add(self.additional, target, node[kind])


class Offsets(dict[Name, int]):
    """Names that may be pointed at: a compression pointer has 14 bits, which dnslib does not check."""

    def __setitem__(self, name: Name, offset: int) -> None:
        if offset < 1 << 14:
            super().__setitem__(name, offset)


class Query:
    """One message that asks for an answer: what it wants to know, and in what form it takes the answer."""

    def __init__(self, packet: bytes, *, udp: bool) -> None:
        identity, flags, *self.counts = struct.unpack("!6H", packet[:12])
        self.header = DNSHeader(id=identity, bitmap=flags)
        self.question: DNSQuestion | None = None
        self.edns: EDNS0 | None = None
        self.limit = PLAIN_UDP_BYTES if udp else TCP_BYTES
        self._packet, self._udp = packet, udp

    def read(self) -> int | None:
        """Parse it; gives back the response code where there is nothing to look up. Raises for a malformed message."""
        if self.header.opcode != OPCODE.QUERY:
            return int(RCODE.NOTIMP)
        # Before it is parsed: thousands of compressed names would keep dnslib busy for minutes.
        if self.counts[0] != 1 or self.counts[1] or self.counts[2] or self.counts[3] > 2:
            return int(RCODE.FORMERR)
        message = DNSRecord.parse(self._packet)
        self.question = message.q
        options = [record for record in message.ar if record.rtype == QTYPE.OPT]
        if len(options) > 1 or message.q.qtype == QTYPE.OPT:
            return int(RCODE.FORMERR)
        if options:
            if self._udp:
                self.limit = min(max(options[0].rclass, PLAIN_UDP_BYTES), EDNS_UDP_BYTES)
            version = options[0].ttl >> 16 & 0xFF
            # BADVERS is 16: its high bits are here, its low ones in the header (RFC 6891 section 6.1.3).
            self.edns = EDNS0(udp_len=EDNS_UDP_BYTES, ext_rcode=1 if version else 0)
            if version:
                return int(RCODE.NOERROR)
        if message.q.qclass not in (CLASS.IN, ANY_CLASS) or message.q.qtype in TRANSFERS:
            return int(RCODE.REFUSED)
        return None

    def response(self, answer: Answer) -> bytes:
        """Pack it; over the limit, the additional section goes, then everything, with TC set (RFC 2181 section 9)."""
        whole = self._packed(answer, answer.answer, answer.authority, answer.additional)
        if len(whole) > self.limit:
            whole = self._packed(answer, answer.answer, answer.authority)
        if len(whole) > self.limit and not self._udp:
            raise OverflowError(f"{len(whole)} bytes do not fit into a message")
        if len(whole) > self.limit:
            whole = self._packed(answer, truncated=True)
        return whole

    def _packed(self, answer: Answer, *sections: list[RR], truncated: bool = False) -> bytes:
        header = DNSHeader(id=self.header.id, bitmap=0)
        header.qr, header.opcode, header.rd, header.cd = 1, self.header.opcode, self.header.rd, self.header.cd
        header.aa, header.tc, header.rcode = int(answer.authoritative), int(truncated), answer.rcode
        counts = [len(section) for section in sections] + [0] * (3 - len(sections))
        header.q, header.a, header.auth, header.ar = int(self.question is not None), *counts
        header.ar += int(self.edns is not None)
        buffer = DNSBuffer()
        buffer.names = Offsets()
        header.pack(buffer)
        for part in ([self.question], *sections, [self.edns]):
            for one in part:
                if one is not None:
                    one.pack(buffer)
        return bytes(buffer.data)


def respond(packet: bytes, zones: Callable[[], Iterable[ZoneData]], *, udp: bool) -> bytes | None:
    """The response to one message; None for what deserves none. Never raises, whatever the message holds."""
    if len(packet) < HEADER_BYTES:
        return None
    query = Query(packet, udp=udp)
    if query.header.qr:
        return None  # answering answers makes loops
    try:
        refusal = query.read()
        answer = Answer([] if refusal is not None else [Zone(zone) for zone in zones()])
        if refusal is not None:
            answer.rcode = refusal
        elif query.question is not None:
            answer.resolve(query.question)
        return query.response(answer)
    except Exception as problem:  # whatever it is, the next query has to be served
        failed = Answer([])
        failed.rcode = RCODE.FORMERR if query.question is None else RCODE.SERVFAIL
        if query.question is not None:
            logger.warning("no answer to %s: %s: %s", query.question, type(problem).__name__, problem)
        query.question = query.edns = None  # neither is known to be packable
        return query.response(failed)


class UdpServer(socketserver.UDPServer):
    """One thread: an answer is computed from memory."""

    max_packet_size = 65535

    def __init__(self, place: tuple[str, int], lookup: Callable[[], Iterable[ZoneData]]) -> None:
        self.lookup, self.address_family = lookup, family_of(place[0])
        super().__init__(place, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one datagram."""
        packet, channel = request
        if response := respond(packet, self.lookup, udp=True):
            channel.sendto(response, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go; socketserver would print a traceback for each."""
        logger.debug("UDP client %s went away", client_address, exc_info=True)


class TcpServer(socketserver.ThreadingTCPServer):
    """A thread for each connection, within a limit; idle ones are closed."""

    allow_reuse_address = True  # not for UDP, where it would let two servers share one port
    request_queue_size = TCP_CONNECTIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], lookup: Callable[[], Iterable[ZoneData]]) -> None:
        self.lookup, self.address_family = lookup, family_of(place[0])
        self.free = threading.BoundedSemaphore(TCP_CONNECTIONS)
        super().__init__(place, socketserver.BaseRequestHandler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take one of the limited places, or have the connection closed."""
        return self.free.acquire(blocking=False)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Any number of queries on one connection, each behind its length (RFC 7766)."""
        try:
            request.settimeout(TCP_IDLE_SECONDS)
            with request.makefile("rb") as stream:
                for packet in messages(stream):
                    response = respond(packet, self.lookup, udp=False)
                    if response is None:
                        return
                    request.sendall(struct.pack("!H", len(response)) + response)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go; socketserver would print a traceback for each."""
        logger.debug("TCP client %s went away", client_address, exc_info=True)


def messages(stream: Any) -> Iterator[bytes]:
    """The messages of a TCP stream, each behind two bytes of length (RFC 1035 section 4.2.2)."""
    while len(head := stream.read(2)) == 2:
        (length,) = struct.unpack("!H", head)
        packet = stream.read(length)
        if len(packet) < length:
            return
        yield packet


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 addresses have colons."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class DnsServer:
    """UDP and TCP on one port. `port` is the real one after start(), also where 0 was given."""

    def __init__(self, host: str, port: int, lookup: Callable[[], Iterable[ZoneData]]) -> None:
        self.host, self.port = host, port
        self._wanted, self._lookup = port, lookup
        self._servers: list[UdpServer | TcpServer] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Answer from now on; a second call does nothing."""
        if self._servers:
            return
        self._servers = self._bind()
        self.port = int(self._servers[0].server_address[1])
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox-dns", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Close both sockets; the server can be started again."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._servers, self._threads = [], []

    def _bind(self) -> list[UdpServer | TcpServer]:
        """Both on one port. Where the system chooses it, TCP chooses, and UDP may find that one taken: try another."""
        for attempt in range(50):
            try:
                tcp = TcpServer((self.host, self._wanted), self._lookup)
                try:
                    return [tcp, UdpServer((self.host, tcp.server_address[1]), self._lookup)]
                except OSError:
                    tcp.server_close()
                    raise
            except OSError as problem:
                if self._wanted == 0 and attempt < 49 and problem.errno == errno.EADDRINUSE:
                    continue
                reason = "another program has this port" if problem.errno == errno.EADDRINUSE else problem.strerror
                raise DnsServerError(
                    f"the DNS server cannot listen on {self.host} port {self._wanted}: {reason}; "
                    "choose another port, or stop what uses it"
                ) from None
        raise AssertionError("unreachable")
