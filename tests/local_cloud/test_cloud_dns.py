"""Zones and record sets: syntax, neighbours, DNSSEC."""

from __future__ import annotations

import base64

import dns.dnssec
import dns.name
import dns.rdata
import pytest

from local_cloud.gcp.dnssec import ALGORITHMS, new_keys
from tests.local_cloud.plugin import Invalid, Plugin, Refused, Resource

ZONE = "gcp:dns/managedZone:ManagedZone"
RECORD = "gcp:dns/recordSet:RecordSet"


@pytest.fixture
def zone(gcp: Plugin) -> Resource:
    return gcp.create(ZONE, "zone", {"name": "ringer-tel", "dnsName": "ringer.tel."})


def record(gcp: Plugin, name: str, type_: str, *rrdatas: str, ttl: int = 300, zone: str = "ringer-tel") -> Resource:
    inputs = {"managedZone": zone, "name": name, "type": type_, "ttl": ttl, "rrdatas": list(rrdatas)}
    return gcp.create(RECORD, f"{name}{type_}", inputs)


def test_a_zone_comes_with_its_servers_its_soa_and_googles_defaults(gcp: Plugin, zone: Resource) -> None:
    assert zone.outputs["nameServers"][0] == "ns-cloud-a1.googledomains.com."
    assert zone.outputs["description"] == "Managed by Pulumi"
    assert zone.outputs["visibility"] == "public"
    soa = gcp.adopt(RECORD, "projects/warp-sandbox/managedZones/ringer-tel/rrsets/ringer.tel./SOA")
    assert soa.outputs["rrdatas"][0].startswith("ns-cloud-a1.googledomains.com. cloud-dns-hostmaster.google.com.")


def test_two_zones_of_one_name_and_names_without_a_dot_are_refused(gcp: Plugin, zone: Resource) -> None:
    with pytest.raises(
        Refused, match=r"Error 409: The resource 'entity.managedZone' named 'ringer-tel' already exists"
    ):
        gcp.create(ZONE, "again", {"name": "ringer-tel", "dnsName": "other.tel."})
    with pytest.raises(Refused, match=r"'entity.managedZone.dnsName': 'ringer.tel'"):
        gcp.create(ZONE, "dotless", {"name": "dotless", "dnsName": "ringer.tel"})
    with pytest.raises(Invalid, match=r'doesn\'t end with "."'):  # the plugin checks a record set's name itself
        record(gcp, "sip.ringer.tel", "A", "127.77.0.1")


def test_a_zone_with_records_is_not_deleted_unless_forced(gcp: Plugin, zone: Resource) -> None:
    made = record(gcp, "sip.ringer.tel.", "A", "127.77.0.1")
    with pytest.raises(Refused, match="containerNotEmpty"):
        gcp.delete(zone)
    inputs = {"name": "ringer-tel", "dnsName": "ringer.tel.", "forceDestroy": True}
    gcp.delete(gcp.update(zone, inputs))
    assert gcp.read(zone) is None
    assert gcp.read(made) is None


def test_an_empty_zone_is_deleted(gcp: Plugin, zone: Resource) -> None:
    gcp.delete(record(gcp, "sip.ringer.tel.", "A", "127.77.0.1"))
    gcp.delete(zone)
    assert gcp.read(zone) is None


def test_a_record_set_that_exists_answers_409_but_the_zones_own_ns_is_taken_over(gcp: Plugin, zone: Resource) -> None:
    record(gcp, "sip.ringer.tel.", "A", "127.77.0.1")
    with pytest.raises(Refused, match=r"Error 409: .*named 'sip.ringer.tel. \(A\)' already exists"):
        record(gcp, "sip.ringer.tel.", "A", "127.77.0.2")
    assert record(gcp, "ringer.tel.", "NS", "ns1.example.net.").outputs["rrdatas"] == ["ns1.example.net."]


def test_a_name_outside_its_zone_and_a_zone_that_is_not_there_are_refused(gcp: Plugin, zone: Resource) -> None:
    with pytest.raises(Refused, match=r"'entity.change.additions\[0\].name': 'sip.other.tel.'"):
        record(gcp, "sip.other.tel.", "A", "127.77.0.1")
    with pytest.raises(Refused, match=r"additions\[0\].name': 'notringer.tel.'"):
        record(gcp, "notringer.tel.", "A", "127.77.0.1")
    with pytest.raises(Refused, match=r"Error 404: The 'parameters.managedZone' resource named 'nozone'"):
        record(gcp, "sip.ringer.tel.", "A", "127.77.0.1", zone="nozone")


@pytest.mark.parametrize(
    ("type_", "rrdata"),
    [
        ("A", "127.77.0.256"),
        ("A", "sip.ringer.tel."),
        ("AAAA", "127.77.0.1"),
        ("SRV", "10 50 5060"),
        ("SRV", "10 50 70000 sip-udp.ringer.tel."),
        ("SRV", "10 50 5060 sip-udp.ringer.tel"),
        ("CNAME", "sip"),
        ("MX", "ten mail.ringer.tel."),
        ("NAPTR", '10 100 "S" "SIP+D2U"'),
        ("NOTYPE", "x"),
    ],
)
def test_record_data_of_the_wrong_syntax_is_refused(gcp: Plugin, zone: Resource, type_: str, rrdata: str) -> None:
    with pytest.raises(Refused, match=r"Error 400: Invalid value for 'entity.change.additions"):
        record(gcp, "x.ringer.tel.", type_, rrdata)


@pytest.mark.parametrize(
    ("type_", "rrdata"),
    [
        ("SRV", "10 50 5060 sip-udp.ringer.tel."),
        ("NAPTR", '10 100 "S" "SIP+D2U" "" _sip._udp.ringer.tel.'),
        ("TXT", '"v=spf1 -all"'),
        ("CAA", '0 issue "letsencrypt.org"'),
    ],
)
def test_record_data_of_the_right_syntax_is_taken(gcp: Plugin, zone: Resource, type_: str, rrdata: str) -> None:
    assert record(gcp, "x.ringer.tel.", type_, rrdata).outputs["rrdatas"] == [rrdata]


def test_a_ttl_below_zero_or_beyond_31_bits_is_refused(gcp: Plugin, zone: Resource) -> None:
    for ttl in (-1, 2**31):
        with pytest.raises(Refused, match=r"additions\[0\].ttl"):
            record(gcp, "sip.ringer.tel.", "A", "127.77.0.1", ttl=ttl)


def test_a_cname_stands_alone(gcp: Plugin, zone: Resource) -> None:
    record(gcp, "sip.ringer.tel.", "A", "127.77.0.1")
    with pytest.raises(Refused, match="cnameResourceRecordSetConflict"):
        record(gcp, "sip.ringer.tel.", "CNAME", "other.ringer.tel.")
    record(gcp, "www.ringer.tel.", "CNAME", "sip.ringer.tel.")
    with pytest.raises(Refused, match="cnameResourceRecordSetConflict"):
        record(gcp, "www.ringer.tel.", "A", "127.77.0.1")


def test_the_order_of_record_data_does_not_matter_but_the_name_replaces(gcp: Plugin, zone: Resource) -> None:
    made = record(gcp, "sip.ringer.tel.", "A", "127.77.0.1", "127.77.0.2")
    turned = {**made.inputs, "rrdatas": ["127.77.0.2", "127.77.0.1"]}
    assert gcp.diff(made, turned).changes == {}
    assert gcp.diff(made, {**made.inputs, "ttl": 600}).changes == {"ttl": "update"}
    assert gcp.diff(made, {**made.inputs, "name": "sip2.ringer.tel."}).changes == {"name": "update_replace"}


def test_keys_of_a_signed_zone_give_the_ds_that_dnspython_computes(gcp: Plugin) -> None:
    gcp.create(ZONE, "zone", {"name": "signed", "dnsName": "signed.tel.", "dnssecConfig": {"state": "on"}})
    key = gcp.invoke("gcp:dns/getKeys:getKeys", managedZone="signed")["keySigningKeys"][0]
    dnskey = dns.rdata.from_text("IN", "DNSKEY", f"257 3 8 {key['publicKey']}")
    ds = dns.dnssec.make_ds(dns.name.from_text("signed.tel."), dnskey, "SHA256")
    assert key["dsRecord"].lower() == ds.to_text()
    assert key["digests"] == [{"digest": ds.digest.hex().upper(), "type": "sha256"}]
    assert key["keyTag"] == dns.dnssec.key_id(dnskey)  # type: ignore[arg-type]
    unsigned = gcp.create(ZONE, "plain", {"name": "plain", "dnsName": "plain.tel."})
    # Not an empty list, but none at all, as observed with the real plugin.
    assert "keySigningKeys" not in gcp.invoke("gcp:dns/getKeys:getKeys", managedZone=unsigned.id)


def test_a_zone_keeps_its_key_when_something_else_changes(gcp: Plugin) -> None:
    inputs = {"name": "signed", "dnsName": "signed.tel.", "dnssecConfig": {"state": "on"}}
    made = gcp.create(ZONE, "zone", inputs)
    before = gcp.invoke("gcp:dns/getKeys:getKeys", managedZone="signed")
    gcp.update(made, {**inputs, "description": "other"})
    assert gcp.invoke("gcp:dns/getKeys:getKeys", managedZone="signed") == before


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_public_keys_have_the_length_their_algorithm_asks_for(algorithm: str) -> None:
    key = new_keys("ringer.tel.", [{"keyType": "keySigning", "algorithm": algorithm}])[0]
    number, bits = ALGORITHMS[algorithm]
    material = base64.b64decode(key["publicKey"])
    if number < 13:
        assert int.from_bytes(material[4:], "big").bit_length() == bits
    else:
        x, y = (int.from_bytes(half, "big") for half in (material[: bits // 8], material[bits // 8 :]))
        prime, b = CURVES[bits]
        assert (y * y - (x**3 - 3 * x + b)) % prime == 0  # the point is on the curve


# NIST SP 800-186: field prime and coefficient b.
CURVES = {
    256: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
}
