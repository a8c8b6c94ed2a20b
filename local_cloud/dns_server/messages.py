"""Messages: parses a query, and packs the response in the format and size that the client accepts.

Not here: the answer itself (`answers.py`), and transport (`server.py`).
"""

from __future__ import annotations

import logging
import struct
from ipaddress import IPv4Address, IPv6Address

from dnslib import (  # type: ignore[import-untyped]
    CLASS,
    EDNS0,
    OPCODE,
    QTYPE,
    RCODE,
    RR,
    DNSHeader,
    DNSQuestion,
    DNSRecord,
    EDNSOption,
)
from dnslib.label import DNSBuffer  # type: ignore[import-untyped]

from local_cloud.dns_server.answers import Answer
from local_cloud.dns_server.routing import Nearest, nowhere
from local_cloud.dns_server.zones import Lookup, Name, Zone

logger = logging.getLogger(__name__)

HEADER_BYTES = 12
# Avoids fragmentation almost everywhere: DNS Flag Day 2020. Without EDNS0, 512 (RFC 1035 section 4.2.1).
EDNS_UDP_BYTES, PLAIN_UDP_BYTES, TCP_BYTES = 1232, 512, 65535
ANY_CLASS = 255
CLIENT_SUBNET, SUBNET_HEADER = 8, 4  # RFC 7871
FAMILIES = {1: (IPv4Address, 32), 2: (IPv6Address, 128)}
TRANSFERS = (QTYPE.AXFR, QTYPE.IXFR, 253, 254)  # and the obsolete MAILB, MAILA


def respond(packet: bytes, lookup: Lookup, *, udp: bool, client: str = "", nearest: Nearest = nowhere) -> bytes | None:
    """The response to one message; None if it must not be answered. Never raises, whatever the message contains.

    `client`: its source address; `nearest`: regions nearest to an address.
    """
    if len(packet) < HEADER_BYTES:
        return None
    query = Query(packet, udp=udp)
    if query.header.qr:
        return None  # answering responses would make loops
    try:
        refusal = query.read()
        if refusal is not None:
            return query.response(Answer([], refusal))
        answer = Answer([Zone(zone) for zone in lookup()], near=nearest(query.subnet or client))
        answer.resolve(query.question)
        query.tell_scope(answer.routed)
        return query.response(answer)
    except Exception as problem:  # whatever the error, the next query must be served
        rcode = RCODE.FORMERR
        if query.question is not None:
            rcode = RCODE.SERVFAIL
            logger.warning("no answer to %s: %s: %s", query.question, type(problem).__name__, problem)
        query.question = query.edns = None  # either may not be packable
        return query.response(Answer([], rcode))


class Query:
    """One query: the question, and the format in which the client accepts the response."""

    def __init__(self, packet: bytes, *, udp: bool) -> None:
        identity, flags, *self.counts = struct.unpack("!6H", packet[:HEADER_BYTES])
        self.header = DNSHeader(id=identity, bitmap=flags)
        self.question: DNSQuestion | None = None
        self.edns: EDNS0 | None = None
        self.subnet = ""  # the client subnet option's network
        self.limit = PLAIN_UDP_BYTES if udp else TCP_BYTES
        self._packet, self._udp = packet, udp
        self._subnet = b""

    def read(self) -> int | None:
        """Parse it; returns the response code if there is nothing to look up. Raises for a malformed message."""
        if self.header.opcode != OPCODE.QUERY:
            return int(RCODE.NOTIMP)
        # Checked before parsing: thousands of compressed names would keep dnslib busy for minutes.
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
            subnets = [option.data for option in options[0].rdata if option.code == CLIENT_SUBNET]
            if subnets and not self._read_subnet(*subnets):
                return int(RCODE.FORMERR)
        if message.q.qclass not in (CLASS.IN, ANY_CLASS) or message.q.qtype in TRANSFERS:
            return int(RCODE.REFUSED)
        return None

    def _read_subnet(self, *given: bytes) -> bool:
        """RFC 7871, section 6: family, both prefix lengths, and the address truncated to the first one."""
        if len(given) != 1 or len(given[0]) < SUBNET_HEADER:
            return False
        family, source, scope = struct.unpack("!HBB", given[0][:SUBNET_HEADER])
        address = given[0][SUBNET_HEADER:]
        if family not in FAMILIES or scope or len(address) != (source + 7) // 8:
            return False
        kind, bits = FAMILIES[family]
        if source > bits:
            return False
        self.subnet = str(kind(address.ljust(bits // 8, b"\0"))) if source else ""
        self._subnet = given[0]
        return True

    def tell_scope(self, routed: bool) -> None:
        """Section 7.2.1: the option is returned, with the scope prefix length of the answer."""
        if self.edns and self._subnet:
            option = self._subnet[:3] + (self._subnet[2:3] if routed else b"\0") + self._subnet[SUBNET_HEADER:]
            self.edns = EDNS0(udp_len=EDNS_UDP_BYTES, opts=[EDNSOption(CLIENT_SUBNET, option)])

    def response(self, answer: Answer) -> bytes:
        """Pack it; over the limit, drop the additional section, then all sections with TC set (RFC 2181 section 9)."""
        whole = self._packed(answer, answer.answer, answer.authority, answer.additional)
        if len(whole) > self.limit:
            whole = self._packed(answer, answer.answer, answer.authority)
        if len(whole) <= self.limit:
            return whole
        if not self._udp:
            raise OverflowError(f"{len(whole)} bytes do not fit into a message")
        return self._packed(answer, truncated=True)

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


class Offsets(dict[Name, int]):
    """Names that compression pointers can reach: a pointer has 14 bits, which dnslib does not check."""

    def __setitem__(self, name: Name, offset: int) -> None:
        if offset < 1 << 14:
            super().__setitem__(name, offset)
