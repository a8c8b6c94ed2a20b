"""The record sets, read back by another DNS implementation and followed as a SIP client follows them (RFC 3263)."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.rdtypes.IN.A
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as some

from inventory.endpoint import Record
from plan.names import Listener, Listeners, SipNames, Weights, records
from settings.dns import SrvWeights

UDP, TCP = "34.44.183.87", "34.55.182.145"
NAMES = SipNames("ringer.tel", "sip", "sip-udp", "sip-tcp")
LIVE_UDP = Listener({"sip": 5060}, UDP)
LIVE_TCP = Listener({"sip": 5060, "sips": 5061, "ws": 8080, "wss": 8443}, TCP)
LIVE = Listeners(NAMES, LIVE_UDP, LIVE_TCP)


def zone_of(found: list[Record], domain: str = "ringer.tel") -> dns.zone.Zone:
    """A zone file of the records as a name server would load it; it refuses what is not presentation format."""
    header = ["@ 300 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 300", "@ 300 IN NS ns.example."]
    lines = [f"{record.name} 300 IN {record.type} {value}" for record in found for value in record.data]
    return dns.zone.from_text("\n".join(header + lines), origin=f"{domain}.", relativize=False)


def addresses(zone: dns.zone.Zone, name: str, kind: str = "A") -> list[str]:
    found = zone.get_rdataset(dns.name.from_text(name), kind)
    return [] if found is None else [str(each) for each in found]


def srv_of(zone: dns.zone.Zone, name: str) -> dns.rdtypes.IN.SRV.SRV:
    found = zone.get_rdataset(dns.name.from_text(name), "SRV")
    assert found is not None
    (srv,) = found
    assert isinstance(srv, dns.rdtypes.IN.SRV.SRV)
    return srv


def follow_srv(zone: dns.zone.Zone, name: str) -> tuple[str, int]:
    """Where a client ends that looks up an SRV name: address and port (RFC 2782)."""
    srv = srv_of(zone, name)
    (address,) = addresses(zone, str(srv.target))
    return address, srv.port


def test_the_six_records_of_the_live_edge_are_a_zone() -> None:
    found = records(LIVE, SrvWeights(), naptr=False)
    assert {(record.name, record.type): record.data for record in found} == {
        ("sip.ringer.tel.", "A"): (UDP,),
        ("sip-udp.ringer.tel.", "A"): (UDP,),
        ("sip-tcp.ringer.tel.", "A"): (TCP,),
        ("_sip._udp.ringer.tel.", "SRV"): ("10 50 5060 sip-udp.ringer.tel.",),
        ("_sip._tcp.ringer.tel.", "SRV"): ("10 50 5060 sip-tcp.ringer.tel.",),
        ("_sips._tcp.ringer.tel.", "SRV"): ("10 50 5061 sip-tcp.ringer.tel.",),
    }
    zone_of(found)


def test_each_transport_leads_to_its_load_balancer() -> None:
    zone = zone_of(records(LIVE, SrvWeights(), naptr=False))
    assert follow_srv(zone, "_sip._udp.ringer.tel.") == (UDP, 5060)
    assert follow_srv(zone, "_sip._tcp.ringer.tel.") == (TCP, 5060)
    assert follow_srv(zone, "_sips._tcp.ringer.tel.") == (TCP, 5061)


def test_a_client_with_a_port_uses_udp_to_the_primary_name() -> None:
    """RFC 3263, section 4.2: a port skips SRV, and UDP is the default of `sip:`."""
    assert addresses(zone_of(records(LIVE, SrvWeights(), naptr=False)), "sip.ringer.tel.") == [UDP]


def test_naptr_prefers_udp_and_leads_to_srv_records_that_exist() -> None:
    zone = zone_of(records(LIVE, SrvWeights(), naptr=True))
    found = zone.get_rdataset(dns.name.from_text("ringer.tel."), "NAPTR")
    assert found
    entries = sorted(
        (each for each in found if isinstance(each, dns.rdtypes.IN.NAPTR.NAPTR)), key=lambda each: each.order
    )
    assert [each.service for each in entries] == [b"SIP+D2U", b"SIP+D2T", b"SIPS+D2T"]
    assert {each.flags for each in entries} == {b"s"}
    assert {each.regexp for each in entries} == {b""}
    assert [follow_srv(zone, str(each.replacement)) for each in entries] == [(UDP, 5060), (TCP, 5060), (TCP, 5061)]


def test_without_tls_nothing_points_to_tls() -> None:
    found = records(Listeners(NAMES, LIVE_UDP, Listener({"sip": 5060}, TCP)), SrvWeights(), naptr=True)
    assert not [record for record in found if "_sips" in record.name or "SIPS" in str(record.data)]
    zone_of(found)


def test_ipv6_has_its_own_records_beside_every_a_record() -> None:
    udp, tcp = Listener({"sip": 5060}, UDP, "2001:db8::1"), Listener({"sip": 5060}, TCP, "2001:db8::2")
    zone = zone_of(records(Listeners(NAMES, udp, tcp), SrvWeights(), naptr=False))
    assert addresses(zone, "sip.ringer.tel.", "AAAA") == ["2001:db8::1"]
    assert addresses(zone, "sip-udp.ringer.tel.", "AAAA") == ["2001:db8::1"]
    assert addresses(zone, "sip-tcp.ringer.tel.", "AAAA") == ["2001:db8::2"]
    assert addresses(zone, "sip-tcp.ringer.tel.") == [TCP]


ports = some.integers(1, 65535)
labels = some.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(
    some.lists(labels, min_size=3, max_size=3, unique=True),
    some.builds(SrvWeights, priority=some.integers(0, 65535), weight=some.integers(0, 65535)),
    some.tuples(ports, ports, ports),
    some.tuples(*[some.ip_addresses(v=4).map(str)] * 2),
    some.booleans(),
)
def test_whatever_the_settings_say_every_client_arrives(
    names: list[str], srv: Weights, listening: tuple[int, int, int], ipv4: tuple[str, str], naptr: bool
) -> None:
    domain = "edge.example.net"
    udp, tcp = Listener({"sip": listening[0]}, ipv4[0]), Listener({"sip": listening[1], "sips": listening[2]}, ipv4[1])
    zone = zone_of(records(Listeners(SipNames(domain, *names), udp, tcp), srv, naptr=naptr), domain)
    assert follow_srv(zone, f"_sip._udp.{domain}.") == (ipv4[0], listening[0])
    assert follow_srv(zone, f"_sip._tcp.{domain}.") == (ipv4[1], listening[1])
    assert follow_srv(zone, f"_sips._tcp.{domain}.") == (ipv4[1], listening[2])
    for name in (f"_sip._udp.{domain}.", f"_sips._tcp.{domain}."):
        found = srv_of(zone, name)
        assert (found.priority, found.weight) == (srv.priority, srv.weight)


def test_the_oracle_refuses_what_is_no_record() -> None:
    with pytest.raises(dns.exception.DNSException):
        zone_of([Record("sip.ringer.tel.", "SRV", ("10 50 sip-udp.ringer.tel.",))])
