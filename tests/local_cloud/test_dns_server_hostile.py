"""The local cloud's DNS server survives malformed packets and unusual names."""

from __future__ import annotations

import socket
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.dns_server import DnsServer
from local_cloud.dns_server.messages import respond
from tests.cases import cases
from tests.local_cloud.test_dns_server import ZONES, server, zones

__all__ = ["server", "zones"]  # fixtures

VALID = dns.message.make_query("sip.ringer.tel.", "A").to_wire()


def mutated(changes: list[tuple[int, int]]) -> bytes:
    packet = bytearray(VALID)
    for place, value in changes:
        packet[place % len(packet)] = value
    return bytes(packet)


packets = st.one_of(
    st.binary(max_size=600),
    st.builds(mutated, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6)),
    # A well-formed header, then anything: wrong counts, looping pointers.
    st.builds(lambda counts, rest: struct.pack("!6H", 1, 0x100, *counts) + rest,
              st.tuples(*[st.integers(0, 3)] * 4), st.binary(max_size=300)),
)  # fmt: skip


@cases(1500, least=400)
@given(packet=packets, udp=st.booleans())
def test_no_packet_is_too_strange(packet: bytes, udp: bool) -> None:
    reply = respond(packet, lambda: ZONES, udp=udp)
    if reply is not None:
        assert reply[:2] == packet[:2]
        assert reply[2] & 0x80
        dns.message.from_wire(reply)


label = st.text(alphabet="abcXYZ019-_*", min_size=1, max_size=12)


@cases(300, least=60)
@given(parts=st.lists(label, min_size=0, max_size=6), kind=st.sampled_from(["A", "SRV", "ANY", "CNAME", "TYPE65280"]))
def test_every_name_is_answered_nxdomain_or_refused(parts: list[str], kind: str) -> None:
    for suffix in ("ringer.tel.", "pbx.ringer.tel.", ""):
        name = ".".join([*parts, suffix]) or "."
        reply = respond(dns.message.make_query(name, kind).to_wire(), lambda: ZONES, udp=True)
        assert reply is not None
        answer = dns.message.from_wire(reply)
        expected = {dns.rcode.REFUSED} if not suffix else {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
        if suffix or dns.name.from_text(name).is_subdomain(dns.name.from_text("ringer.tel.")) is False:
            assert answer.rcode() in expected


def test_hostile_packets_do_not_stop_the_sockets(server: DnsServer) -> None:
    hostile = [b"", b"\0" * 11, b"\xff" * 512, VALID[:-3], VALID + b"junk", mutated([(12, 0xC0), (13, 12)])]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in hostile:
            sender.sendto(packet, ("127.0.0.1", server.port))
    for packet in hostile:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(struct.pack("!H", len(packet)) + packet)
            connection.sendall(b"\xff\xff\x00")
    query = dns.message.make_query("sip.ringer.tel.", "A")
    assert dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.NOERROR
    assert dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.NOERROR


def test_responses_are_not_answered() -> None:
    response = dns.message.make_response(dns.message.from_wire(VALID))
    assert respond(response.to_wire(), lambda: ZONES, udp=True) is None


def test_a_message_full_of_compressed_names_is_refused_at_once() -> None:
    name = b"\x01a" * 3000 + b"\x00"
    questions = b"".join(struct.pack("!HHH", 0xC000 | 12, 1, 1) for _ in range(9000))
    records = b"".join(struct.pack("!HHHIH", 0xC000 | 12, 65280, 1, 0, 1) + b"x" for _ in range(4000))
    for counts, rest in (((9001, 0, 0, 0), b"\0\1\0\1" + questions), ((1, 0, 0, 4000), b"\0\1\0\1" + records)):
        begin = time.monotonic()
        reply = respond(struct.pack("!6H", 1, 0, *counts) + name + rest, lambda: ZONES, udp=False)
        assert reply is not None
        assert reply[3] & 15 == dns.rcode.FORMERR
        assert time.monotonic() - begin < 1
