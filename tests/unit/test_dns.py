"""`SipDns`: the zone, whichever stack or team owns it, and its record sets."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.dns import SipDns
from components.dns_host import HostedZone, SipDnsArgs, host
from engine.dns_hosts import HOSTS, DnsHost
from inventory.endpoint import Record
from plan.names import Listener, Listeners, names, records
from settings.dns import Dns
from tests.stacks import Config, changed, stack_config
from tests.unit.cloud import DS_RECORD, NAME_SERVERS
from tests.unit.recording import Edge, declare, run

ZONE = "gcp:dns/managedZone:ManagedZone"
RECORD = "gcp:dns/recordSet:RecordSet"


def with_dns(**settings: Any) -> Config:
    """Production's settings with the zone at Cloud DNS."""
    config = stack_config("prod")
    for name, value in ({"backend": "cloud-dns", "zone": {"name": "ringer-tel"}} | settings).items():
        config = changed(config, ("warp-edge:dns", name), value)
    return config


def names_and_types(edge: Edge) -> set[tuple[str, str]]:
    return {(each.inputs["name"], each.inputs["type"]) for each in edge.of_type(RECORD)}


def test_a_zone_that_another_team_owns_is_looked_up_and_only_our_records_are_declared() -> None:
    edge = declare(with_dns(zone={"name": "their-zone", "manage": False}))
    assert edge.of_type(ZONE) == []
    assert len(edge.of_type(RECORD)) == 6
    assert {each.inputs["managedZone"] for each in edge.of_type(RECORD)} == {"their-zone"}
    assert ("gcp:dns/getManagedZone:getManagedZone", {"name": "their-zone"}) in edge.cloud.invocations
    reported = dict(edge.outputs["dns"])
    assert len(reported.pop("records")) == 6
    assert reported == {"schema": 1, "domain": "ringer.tel", "nameServers": NAME_SERVERS, "dsRecords": []}


@pytest.mark.parametrize("naptr", [True, False])
def test_the_output_shows_every_record_set_that_is_declared_and_nothing_else(naptr: bool) -> None:
    """Who checks the zone from outside (docs/verify.md) knows what to expect from there."""
    edge = declare(with_dns(naptr=naptr, ttlSeconds=900))
    declared = {
        (each.inputs["name"], each.inputs["type"], each.inputs["ttl"], *each.inputs["rrdatas"])
        for each in edge.of_type(RECORD)
    }
    reported = [(f"{one['name']}.", one["type"], one["ttl"], *one["data"]) for one in edge.outputs["dns"]["records"]]
    assert set(reported) == declared
    assert len(reported) == len(declared) == 6 + naptr


def test_a_zone_of_our_own_is_public_and_its_name_servers_are_reported() -> None:
    edge = declare(with_dns())
    (zone,) = edge.of_type(ZONE)
    assert (zone.inputs["dnsName"], zone.inputs["visibility"]) == ("ringer.tel.", "public")
    assert zone.inputs["labels"] == {"platform": "warp", "component": "edge", "managed-by": "pulumi"}
    assert edge.outputs["dns"]["nameServers"] == NAME_SERVERS


@pytest.mark.parametrize(("signed", "state", "ds"), [(True, "on", [DS_RECORD]), (False, "off", [])])
def test_a_signed_zone_has_the_ds_records_for_its_parent(signed: bool, state: str, ds: list[str]) -> None:
    edge = declare(with_dns(zone={"name": "ringer-tel", "dnssec": signed}))
    (zone,) = edge.of_type(ZONE)
    assert zone.inputs["dnssecConfig"] == {"state": state}
    assert edge.outputs["dns"]["dsRecords"] == ds
    assert [token for token, _ in edge.cloud.invocations if "getKeys" in token] == ["gcp:dns/getKeys:getKeys"] * signed


def test_naptr_is_published_at_the_apex_when_asked_for() -> None:
    """RFC 3263, section 4.1; UDP first, because that is the primary way in."""
    edge = declare(with_dns(naptr=True))
    naptr = edge.named("dns-@-naptr").inputs
    assert (naptr["name"], naptr["type"], naptr["ttl"]) == ("ringer.tel.", "NAPTR", 300)
    assert naptr["rrdatas"] == [
        '1 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.',
        '2 50 "s" "SIP+D2T" "" _sip._tcp.ringer.tel.',
        '3 50 "s" "SIPS+D2T" "" _sips._tcp.ringer.tel.',
    ]
    assert ("ringer.tel.", "NAPTR") not in names_and_types(declare(with_dns(naptr=False)))


def test_nothing_points_to_tls_where_there_is_none() -> None:
    config = changed(with_dns(naptr=True), ("warp-edge:ingress", "tcp", "ports"), {"sip": 5060})
    edge = declare(config)
    assert ("_sips._tcp.ringer.tel.", "SRV") not in names_and_types(edge)
    assert not [data for data in edge.named("dns-@-naptr").inputs["rrdatas"] if "sips" in data.lower()]


def test_a_zone_keeps_the_signatures_it_has_where_the_settings_say_nothing() -> None:
    """An adopted zone may be signed; the plugin takes an absent input as "keep what is there"."""
    (zone,) = declare(with_dns(zone={"name": "ringer-tel"})).of_type(ZONE)
    assert "dnssecConfig" not in zone.inputs


def test_srv_records_follow_the_ports_and_the_weights() -> None:
    config = changed(with_dns(srv={"priority": 7, "weight": 70}), ("warp-edge:ingress", "udp", "ports"), {"sip": 5080})
    edge = declare(config)
    assert edge.named("dns-_sip._udp-srv").inputs["rrdatas"] == ["7 70 5080 sip-udp.ringer.tel."]
    assert edge.named("dns-_sip._tcp-srv").inputs["rrdatas"] == ["7 70 5060 sip-tcp.ringer.tel."]


def test_names_domain_and_ttl_are_settings() -> None:
    names = {"primary": "voice", "udp": "voice-u", "tcp": "voice-t"}
    edge = declare(with_dns(domain="edge.example.net", names=names, ttlSeconds=900))
    assert names_and_types(edge) == {
        ("voice.edge.example.net.", "A"),
        ("voice-u.edge.example.net.", "A"),
        ("voice-t.edge.example.net.", "A"),
        ("_sip._udp.edge.example.net.", "SRV"),
        ("_sip._tcp.edge.example.net.", "SRV"),
        ("_sips._tcp.edge.example.net.", "SRV"),
    }
    assert edge.named("dns-_sip._tcp-srv").inputs["rrdatas"] == ["10 50 5060 voice-t.edge.example.net."]
    assert {each.inputs["ttl"] for each in edge.of_type(RECORD)} == {900}
    assert edge.named("dns-voice-a")
    assert edge.outputs["customerEndpoints"]["server"] == "voice.edge.example.net"


REGIONAL = {
    ("sip.us-central1.ringer.tel.", "A", "34.44.183.87"),
    ("sip-udp.us-central1.ringer.tel.", "A", "34.44.183.87"),
    ("sip-tcp.us-central1.ringer.tel.", "A", "34.55.182.145"),
    ("_sip._udp.us-central1.ringer.tel.", "SRV", "10 50 5060 sip-udp.us-central1.ringer.tel."),
    ("_sip._tcp.us-central1.ringer.tel.", "SRV", "10 50 5060 sip-tcp.us-central1.ringer.tel."),
    ("_sips._tcp.us-central1.ringer.tel.", "SRV", "10 50 5061 sip-tcp.us-central1.ringer.tel."),
}


def declared(edge: Edge) -> set[tuple[str, str, str]]:
    return {(each.inputs["name"], each.inputs["type"], *each.inputs["rrdatas"]) for each in edge.of_type(RECORD)}


def test_a_region_among_several_has_names_of_its_own_and_no_others() -> None:
    edge = declare(with_dns(scope="region", zone={"name": "ringer-tel", "manage": False}))
    assert declared(edge) == REGIONAL
    assert edge.named("dns-sip-udp.us-central1-a")
    assert edge.outputs["customerEndpoints"]["server"] == "sip.us-central1.ringer.tel"
    assert {way["server"] for way in edge.outputs["ipInventory"]["endpoints"]} == {
        "sip.us-central1.ringer.tel",
        "sip-tcp.us-central1.ringer.tel",
    }
    assert (edge.outputs["dns"]["domain"], edge.outputs["dns"]["base"]) == ("ringer.tel", "us-central1.ringer.tel")
    assert edge.outputs["ipInventory"]["domain"] == "ringer.tel", "vendors know us by our domain"


def test_naptr_of_a_region_stands_at_the_regions_own_name() -> None:
    edge = declare(with_dns(scope="region", zone={"name": "ringer-tel", "manage": False}, naptr=True))
    naptr = edge.named("dns-us-central1-naptr").inputs
    assert naptr["name"] == "us-central1.ringer.tel."
    assert naptr["rrdatas"][0] == '1 50 "s" "SIP+D2U" "" _sip._udp.us-central1.ringer.tel.'


class PaperHost:
    """A second backend that writes down what it is given."""

    written: dict[str, tuple[str, str, int]]

    def __init__(self, of: pulumi.Resource, name: str, args: SipDnsArgs) -> None:
        PaperHost.written = {}
        self.ttl = args.dns.ttl_seconds

    def zone(self) -> HostedZone:
        return HostedZone(pulumi.Output.from_input(["ns.example."]), pulumi.Output.from_input([]))

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        self.written[name] = (record.name, record.type, self.ttl)


def test_a_second_backend_joins_without_touching_the_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.cloud_dns.host.Host", PaperHost)

    def body() -> None:
        dns = Dns.model_validate({"domain": "ringer.tel", "zone": {"name": "ringer-tel"}})
        udp, tcp = (Listener({"sip": 5060}, name) for name in ("udp-ip", "tcp-ip"))
        found = records(Listeners(names(dns), udp, tcp), dns.srv, naptr=False)
        reserved = {name: pulumi.Output.from_input("192.0.2.1") for name in ("udp-ip", "tcp-ip")}
        pulumi.export("nameServers", SipDns("dns", SipDnsArgs(dns, found, reserved, {}, protect=True)).name_servers)

    edge = run(body)
    assert edge.of_type(RECORD) == []
    assert edge.outputs == {"nameServers": ["ns.example."]}
    assert PaperHost.written == {
        "dns-sip-a": ("sip.ringer.tel.", "A", 300),
        "dns-sip-udp-a": ("sip-udp.ringer.tel.", "A", 300),
        "dns-sip-tcp-a": ("sip-tcp.ringer.tel.", "A", 300),
        "dns-_sip._udp-srv": ("_sip._udp.ringer.tel.", "SRV", 300),
        "dns-_sip._tcp-srv": ("_sip._tcp.ringer.tel.", "SRV", 300),
    }


def test_another_host_is_not_written_to_by_a_zone_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    moving = Dns.model_validate({"domain": "ringer.tel", "zone": {"name": "ringer-tel"}, "backend": "both"})
    monkeypatch.setattr("settings.dns.HOSTS", {**HOSTS, "third": DnsHost("Third", "third:index:RecordSet")})
    assert list(moving.hosts) == ["cloud-dns", "gandi"]


@pytest.mark.parametrize("name", HOSTS)
def test_every_host_that_the_settings_take_can_be_declared(name: str) -> None:
    assert {"zone", "record_set"} <= set(vars(host(name)))
    assert Dns.model_validate({"domain": "ringer.tel", "backend": name, "zone": ZONES.get(name)}).hosts == (name,)


ZONES = {"cloud-dns": {"name": "ringer-tel"}}
