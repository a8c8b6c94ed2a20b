"""The local cloud's DNS answers, queried over real sockets with dnspython.

Expected answers come from the RFCs named in the tests; dnspython is an implementation of its own.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

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
import pytest

from local_cloud.dns_server import DnsServer, DnsServerError, RecordData, ZoneData
from local_cloud.dns_server.messages import respond

SOA = "ns-cloud-a1.googledomains.com. cloud-dns-hostmaster.google.com. 7 21600 3600 259200 300"


def record(name: str, kind: str, *rrdatas: str, ttl: int = 300) -> RecordData:
    return RecordData(name, kind, ttl, rrdatas)


RECORDS = (
    record("ringer.tel.", "SOA", SOA, ttl=21600),
    record("ringer.tel.", "NS", "ns-cloud-a1.googledomains.com.", "ns.ringer.tel.", ttl=21600),
    record("ringer.tel.", "MX", "10 mail.ringer.tel."),
    record("ringer.tel.", "CAA", '0 issue "letsencrypt.org"', '128 iodef "mailto:noc@ringer.tel"'),
    record("ringer.tel.", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"', '"two" "parts; with \\"quotes\\" and \\233"'),
    record("ns.ringer.tel.", "A", "192.0.2.53"),
    record("mail.ringer.tel.", "A", "192.0.2.25"),
    record("mail.ringer.tel.", "AAAA", "2001:db8::25"),
    record("sip.ringer.tel.", "A", "192.0.2.10", ttl=60),
    record("sip.ringer.tel.", "AAAA", "2001:DB8:0::10", ttl=60),
    record(
        "sip.ringer.tel.",
        "NAPTR",
        '10 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.',
        '20 50 "u" "E2U+sip" "!^(.*)$!sip:\\\\1@ringer.tel!" .',
    ),
    record("_sip._udp.ringer.tel.", "SRV", "10 100 5060 sip.ringer.tel.", "20 100 5060 gone.example.net."),
    record("www.ringer.tel.", "CNAME", "web.ringer.tel."),
    record("web.ringer.tel.", "CNAME", "sip.ringer.tel."),
    record("out.ringer.tel.", "CNAME", "elsewhere.example.net."),
    record("dangling.ringer.tel.", "CNAME", "nothing.ringer.tel."),
    record("loop-a.ringer.tel.", "CNAME", "loop-b.ringer.tel."),
    record("loop-b.ringer.tel.", "CNAME", "loop-a.ringer.tel."),
    record("*.pbx.ringer.tel.", "A", "192.0.2.77"),
    record("known.pbx.ringer.tel.", "TXT", '"no address here"'),
    record("a.deep.pbx.ringer.tel.", "A", "192.0.2.78"),
    record("many.ringer.tel.", "A", *(f"198.51.100.{number}" for number in range(1, 120))),
    record("lab.ringer.tel.", "NS", "ns.lab.ringer.tel."),
    record("ns.lab.ringer.tel.", "A", "192.0.2.99"),
    record("broken.ringer.tel.", "A", "not an address"),
)


ZONES = [ZoneData("ringer.tel.", RECORDS)]


@pytest.fixture
def zones() -> list[ZoneData]:
    return [
        ZoneData("ringer.tel.", RECORDS),
        ZoneData("example.org.", (record("example.org.", "SOA", SOA), record("example.org.", "A", "192.0.2.1"))),
    ]


@pytest.fixture
def server(zones: list[ZoneData]) -> Iterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0, lambda: zones)
    server.start()
    yield server
    server.stop()


Ask = Callable[..., dns.message.Message]


@pytest.fixture(params=["udp", "tcp"])
def ask(server: DnsServer, request: pytest.FixtureRequest) -> Ask:
    send = dns.query.udp if request.param == "udp" else dns.query.tcp

    def asked(name: str, kind: str, **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, kind, use_edns=options.pop("edns", 0), **options)
        return send(query, "127.0.0.1", port=server.port, timeout=5)

    return asked


def texts(sections: list[dns.rrset.RRset]) -> dict[tuple[str, str], list[str]]:
    """Every record set of a section, by name and type."""
    return {
        (str(found.name), dns.rdatatype.to_text(found.rdtype)): sorted(data.to_text() for data in found)
        for found in sections
    }


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("sip.ringer.tel.", "A", ["192.0.2.10"]),
        ("sip.ringer.tel.", "AAAA", ["2001:db8::10"]),
        ("_sip._udp.ringer.tel.", "SRV", ["10 100 5060 sip.ringer.tel.", "20 100 5060 gone.example.net."]),
        (
            "sip.ringer.tel.",
            "NAPTR",
            [
                '10 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.',
                '20 50 "u" "E2U+sip" "!^(.*)$!sip:\\\\1@ringer.tel!" .',
            ],
        ),
        (
            "ringer.tel.",
            "TXT",
            ['"two" "parts; with \\"quotes\\" and \\233"', '"v=spf1 ip4:192.0.2.0/24 -all"'],
        ),
        ("ringer.tel.", "NS", ["ns-cloud-a1.googledomains.com.", "ns.ringer.tel."]),
        ("ringer.tel.", "SOA", [SOA]),
        ("ringer.tel.", "MX", ["10 mail.ringer.tel."]),
        ("ringer.tel.", "CAA", ['0 issue "letsencrypt.org"', '128 iodef "mailto:noc@ringer.tel"']),
        ("www.ringer.tel.", "CNAME", ["web.ringer.tel."]),
    ],
)
def test_each_record_type_is_answered_with_authority(ask: Ask, name: str, kind: str, expected: list[str]) -> None:
    answer = ask(name, kind)
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA
    assert texts(answer.answer) == {(name, kind): expected}


def test_the_ttl_is_the_record_sets_own(ask: Ask) -> None:
    assert ask("sip.ringer.tel.", "A").answer[0].ttl == 60


def test_names_are_compared_without_case_and_given_back_as_they_were_asked(ask: Ask) -> None:
    answer = ask("SiP.RiNgEr.TeL.", "A")
    assert answer.answer[0].name.to_text() == "SiP.RiNgEr.TeL."
    assert answer.answer[0][0].to_text() == "192.0.2.10"


def test_a_name_that_does_not_exist_is_nxdomain_with_the_soa_and_its_negative_ttl(ask: Ask) -> None:
    answer = ask("nothing.ringer.tel.", "A")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert answer.flags & dns.flags.AA
    assert texts(answer.authority) == {("ringer.tel.", "SOA"): [SOA]}
    assert answer.authority[0].ttl == 300  # the SOA's minimum, below its own TTL of 21600: RFC 2308 section 3


def test_a_name_without_the_type_is_no_data_with_the_soa(ask: Ask) -> None:
    answer = ask("mail.ringer.tel.", "SRV")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert texts(answer.authority) == {("ringer.tel.", "SOA"): [SOA]}


def test_a_name_that_only_has_names_below_it_exists(ask: Ask) -> None:
    assert ask("_udp.ringer.tel.", "A").rcode() == dns.rcode.NOERROR  # RFC 8020
    assert ask("_tcp.ringer.tel.", "A").rcode() == dns.rcode.NXDOMAIN


def test_names_outside_the_zones_are_refused(ask: Ask) -> None:
    for name in ("example.com.", "tel.", ".", "notringer.tel."):
        answer = ask(name, "A")
        assert (answer.rcode(), bool(answer.flags & dns.flags.AA)) == (dns.rcode.REFUSED, False)


def test_a_cname_is_followed_as_far_as_the_zones_go(ask: Ask) -> None:
    answer = ask("www.ringer.tel.", "A")
    assert texts(answer.answer) == {
        ("www.ringer.tel.", "CNAME"): ["web.ringer.tel."],
        ("web.ringer.tel.", "CNAME"): ["sip.ringer.tel."],
        ("sip.ringer.tel.", "A"): ["192.0.2.10"],
    }
    outside = ask("out.ringer.tel.", "A")
    assert (outside.rcode(), list(texts(outside.answer))) == (dns.rcode.NOERROR, [("out.ringer.tel.", "CNAME")])


def test_a_cname_to_nothing_is_nxdomain_with_the_cname(ask: Ask) -> None:
    answer = ask("dangling.ringer.tel.", "A")  # RFC 6604
    assert (answer.rcode(), list(texts(answer.answer))) == (dns.rcode.NXDOMAIN, [("dangling.ringer.tel.", "CNAME")])
    assert texts(answer.authority) == {("ringer.tel.", "SOA"): [SOA]}


def test_a_cname_loop_ends_with_each_alias_once() -> None:
    reply = respond(dns.message.make_query("loop-a.ringer.tel.", "A").to_wire(), lambda: ZONES, udp=True)
    assert reply is not None
    assert struct.unpack("!6H", reply[:12])[3] == 2


def test_a_wildcard_answers_for_names_that_do_not_exist_only(ask: Ask) -> None:
    assert texts(ask("any.pbx.ringer.tel.", "A").answer) == {("any.pbx.ringer.tel.", "A"): ["192.0.2.77"]}
    assert texts(ask("x.y.pbx.ringer.tel.", "A").answer) == {("x.y.pbx.ringer.tel.", "A"): ["192.0.2.77"]}
    existing = ask("known.pbx.ringer.tel.", "A")
    assert (existing.rcode(), existing.answer) == (dns.rcode.NOERROR, [])
    # RFC 4592 section 4.7: the closest encloser is deep.pbx, which has no wildcard.
    assert ask("b.deep.pbx.ringer.tel.", "A").rcode() == dns.rcode.NXDOMAIN
    assert ask("other.pbx.ringer.tel.", "SRV").rcode() == dns.rcode.NOERROR


def test_the_addresses_of_srv_targets_come_along(ask: Ask) -> None:
    assert texts(ask("_sip._udp.ringer.tel.", "SRV").additional) == {
        ("sip.ringer.tel.", "A"): ["192.0.2.10"],
        ("sip.ringer.tel.", "AAAA"): ["2001:db8::10"],
    }


def test_any_is_answered_with_one_record_set(ask: Ask) -> None:
    answer = ask("ringer.tel.", "ANY")
    assert len(answer.answer) == 1  # RFC 8482 section 4.1
    assert ask("nothing.ringer.tel.", "ANY").rcode() == dns.rcode.NXDOMAIN


def test_names_below_a_delegation_are_referred(ask: Ask) -> None:
    answer = ask("host.lab.ringer.tel.", "A")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert not answer.flags & dns.flags.AA
    assert texts(answer.authority) == {("lab.ringer.tel.", "NS"): ["ns.lab.ringer.tel."]}
    assert texts(answer.additional) == {("ns.lab.ringer.tel.", "A"): ["192.0.2.99"]}


def test_a_longer_zone_name_wins(zones: list[ZoneData], ask: Ask) -> None:
    inner = (record("pbx.ringer.tel.", "SOA", SOA), record("any.pbx.ringer.tel.", "A", "203.0.113.1"))
    zones.append(ZoneData("pbx.ringer.tel.", inner))
    assert ask("any.pbx.ringer.tel.", "A").answer[0][0].to_text() == "203.0.113.1"


def test_a_change_is_answered_at_once(zones: list[ZoneData], ask: Ask) -> None:
    assert ask("new.ringer.tel.", "A").rcode() == dns.rcode.NXDOMAIN
    zones[0] = ZoneData("ringer.tel.", (*RECORDS, record("new.ringer.tel.", "A", "192.0.2.200")))
    assert ask("new.ringer.tel.", "A").answer[0][0].to_text() == "192.0.2.200"
    zones.clear()
    assert ask("new.ringer.tel.", "A").rcode() == dns.rcode.REFUSED


def test_an_unusable_record_fails_its_own_name_only(ask: Ask) -> None:
    assert ask("broken.ringer.tel.", "A").rcode() == dns.rcode.SERVFAIL
    assert ask("sip.ringer.tel.", "A").rcode() == dns.rcode.NOERROR


def test_a_failing_lookup_is_servfail() -> None:
    def failing() -> list[ZoneData]:
        raise RuntimeError("state is locked")

    reply = respond(dns.message.make_query("ringer.tel.", "A").to_wire(), failing, udp=True)
    assert reply is not None
    assert dns.message.from_wire(reply).rcode() == dns.rcode.SERVFAIL


def test_an_answer_too_long_for_udp_is_truncated_and_complete_over_tcp(server: DnsServer) -> None:
    for edns, limit in ((-1, 512), (0, 1232)):
        query = dns.message.make_query("many.ringer.tel.", "A", use_edns=edns, payload=4096 if edns == 0 else None)
        wire = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5).to_wire()
        short = dns.message.from_wire(wire)
        assert short.flags & dns.flags.TC
        assert short.answer == []
        assert len(wire) <= limit
    full = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5)
    assert len(full.answer[0]) == 119
    answer, by_tcp = dns.query.udp_with_fallback(query, "127.0.0.1", port=server.port, timeout=5)
    assert by_tcp
    assert len(answer.answer[0]) == 119


def test_an_answer_that_fits_without_its_additional_section_is_not_truncated() -> None:
    targets = [f"10 10 5060 sbc-{number:02}.ringer.tel." for number in range(20)]
    records = [record("ringer.tel.", "SOA", SOA), record("_sip._udp.ringer.tel.", "SRV", *targets)]
    records += [record(f"sbc-{number:02}.ringer.tel.", "A", f"192.0.2.{number}") for number in range(20)]
    query = dns.message.make_query("_sip._udp.ringer.tel.", "SRV", use_edns=0, payload=1232)
    reply = respond(query.to_wire(), lambda: [ZoneData("ringer.tel.", tuple(records))], udp=True)
    assert reply is not None
    answer = dns.message.from_wire(reply)
    assert (len(answer.answer[0]), answer.additional) == (20, [])  # RFC 2181 section 9
    assert not answer.flags & dns.flags.TC


def test_names_beyond_the_reach_of_compression_stay_right(server: DnsServer, zones: list[ZoneData]) -> None:
    names = [f"s{number}.far.ringer.tel." for number in range(900)]  # a pointer reaches 16 kB; these take 50
    srv = record("big.ringer.tel.", "SRV", *(f"1 1 5060 {name}" for name in names))
    addresses = [record(name, "A", "192.0.2.5") for name in names]
    zones[0] = ZoneData("ringer.tel.", (*RECORDS, srv, *addresses))
    answer = dns.query.tcp(dns.message.make_query("big.ringer.tel.", "SRV"), "127.0.0.1", port=server.port, timeout=5)
    assert {str(data.target) for data in answer.answer[0]} == set(names)
    assert {str(found.name) for found in answer.additional} == set(names)


def test_edns_is_answered_with_edns_and_its_absence_without(ask: Ask) -> None:
    assert ask("sip.ringer.tel.", "A", edns=0).payload == 1232
    assert ask("sip.ringer.tel.", "A", edns=-1).edns == -1
    later = ask("sip.ringer.tel.", "A", edns=1)
    assert (later.rcode(), later.answer) == (dns.rcode.BADVERS, [])


def test_what_is_not_a_question_for_this_server_is_refused(server: DnsServer) -> None:
    def rcode(query: dns.message.Message) -> int:
        return dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5).rcode()

    assert rcode(dns.message.make_query("version.bind.", "TXT", rdclass=dns.rdataclass.CH)) == dns.rcode.REFUSED
    assert rcode(dns.message.make_query("ringer.tel.", "AXFR")) == dns.rcode.REFUSED
    notify = dns.message.make_query("ringer.tel.", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    reply = respond(notify.to_wire(), list, udp=True)
    assert reply is not None
    assert reply[3] & 15 == dns.rcode.NOTIMP


def test_several_queries_are_answered_on_one_connection(server: DnsServer) -> None:
    wire = dns.message.make_query("sip.ringer.tel.", "A").to_wire()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall((struct.pack("!H", len(wire)) + wire) * 3)
        with connection.makefile("rb") as stream:
            for _ in range(3):
                (length,) = struct.unpack("!H", stream.read(2))
                assert dns.message.from_wire(stream.read(length)).answer[0][0].to_text() == "192.0.2.10"


def test_idle_connections_are_closed(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_cloud.dns_server.server.TCP_IDLE_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"\x00")
        assert connection.recv(1) == b""


def test_connections_are_limited_and_their_places_come_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_cloud.dns_server.server.TCP_CONNECTIONS", 2)
    server = DnsServer("127.0.0.1", 0, lambda: ZONES)
    server.start()
    try:
        for _ in range(5):
            taken = [taken_connection(server) for _ in range(2)]
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as third:
                assert third.recv(1) == b""
            for connection in taken:
                connection.close()
        taken_connection(server).close()
    finally:
        server.stop()


def taken_connection(server: DnsServer) -> socket.socket:
    """One that has a place: it is answered on. The server sees that another one was closed a moment later."""
    wire = dns.message.make_query("sip.ringer.tel.", "A").to_wire()
    deadline = time.monotonic() + 20
    while True:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        with contextlib.suppress(ConnectionError):
            connection.sendall(struct.pack("!H", len(wire)) + wire)
            if connection.recv(1):
                return connection
        connection.close()
        assert time.monotonic() < deadline, "no place came free"
        time.sleep(0.01)


def test_idle_and_half_open_connections_do_not_keep_others_out(server: DnsServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(20)]
    for connection in idle:
        connection.sendall(b"\x00")
    answer = dns.query.tcp(dns.message.make_query("sip.ringer.tel.", "A"), "127.0.0.1", port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR
    for connection in idle:
        connection.close()


def test_answers_come_while_many_ask_at_once(server: DnsServer) -> None:
    failures: list[str] = []

    def work() -> None:
        for _ in range(25):
            query = dns.message.make_query("sip.ringer.tel.", "A")
            try:
                # Ephemeral ports are reused: a late answer to another program's query may arrive at ours.
                said = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5, ignore_unexpected=True)
                if said.answer[0][0].to_text() != "192.0.2.10":
                    failures.append("wrong answer")
            except dns.exception.DNSException as problem:
                failures.append(str(problem))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_port_in_use_is_named_with_the_remedy(server: DnsServer) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(
                DnsServerError, match=rf"127\.0\.0\.1 port {port}: another program .* choose another port"
            ):
                DnsServer("127.0.0.1", port, list).start()
    with pytest.raises(DnsServerError):
        DnsServer("127.0.0.1", server.port, list).start()


def test_a_server_can_be_stopped_and_started_again(server: DnsServer) -> None:
    for _ in range(3):
        server.stop()
        server.stop()
        server.start()
        query = dns.message.make_query("sip.ringer.tel.", "A")
        assert dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.NOERROR
