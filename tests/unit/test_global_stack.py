"""The stack of role `global`: several regions' outputs in, the shared names and one inventory out."""

from __future__ import annotations

import copy
import json
import os
from functools import cache
from typing import Any
from unittest.mock import patch

import dns.name
import dns.rdtypes.IN.SRV
import dns.zone
import grpc
import pulumi
import pytest

from engine import record as engine_record
from engine.refusal import RefusedError
from inventory.outputs import with_digest
from inventory.reading import OF_A_REGION, read
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, written_config
from tests.unit.cloud import LIVE_ADDRESSES, PASSWORD, Cloud
from tests.unit.recording import Edge, declare, program, run
from verify import promise

GANDI = "pulumi-python:dynamic/warp:GandiRecordSet"
RECORD = "gcp:dns/recordSet:RecordSet"
REGIONS = "warp-edge:regions"
CENTRAL, EAST = "organization/warp-edge/prod", "organization/warp-edge/prod-us-east1"
UDP, TCP = "34.44.183.87", "34.55.182.145"
EAST_UDP, EAST_TCP = "192.0.2.10", "192.0.2.11"
EAST_NAT = ["192.0.2.21", "192.0.2.22", "192.0.2.23"]
EAST_ADDRESSES = dict(
    zip(
        ("warp-us-east1-sip-udp-ip", "warp-us-east1-sip-tcp-ip", *(f"warp-us-east1-nat-ip-{n}" for n in (1, 2, 3))),
        (EAST_UDP, EAST_TCP, *EAST_NAT),
        strict=True,
    )
)


@cache
def _published() -> str:
    central = changed(stack_config("prod"), ("warp-edge:dns", "scope"), "region")
    east = Cloud("warp-prod", EAST_ADDRESSES)
    return json.dumps(
        {
            CENTRAL: declare(central, cloud=Cloud("warp-prod", LIVE_ADDRESSES)).outputs,
            EAST: declare(stack_config("prod-us-east1"), cloud=east).outputs,
        }
    )


def published() -> dict[str, Any]:
    """Both stacks' outputs, every number floating, as the engine hands them on."""
    found: dict[str, Any] = json.loads(_published(), parse_int=float)
    return found


class NoSuchStackError(grpc.RpcError):
    """As the engine answers a look-up that fails."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return f'unknown stack "{EAST}"'


class Backend(Cloud):
    """Also answers what other stacks' outputs are."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        super().__init__()
        self.outputs = outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token != "pulumi:pulumi:readStackOutputs":
            return super().call(args)
        if args.args["name"] not in self.outputs:
            raise NoSuchStackError
        return {"name": args.args["name"], "outputs": self.outputs[args.args["name"]], "secretOutputNames": []}, []


def declare_global(config: Config | None = None, outputs: dict[str, Any] | None = None) -> Edge:
    """Run the program as its `main` does, on what the backend has."""
    given = as_engine_gives_it(config or written_config("global"))
    backend = Backend(published() if outputs is None else outputs)
    with patch.dict(os.environ, {"PULUMI_CONFIG": json.dumps(given)}):
        return run(program().main, backend)


def with_regions(**shares: dict[str, Any]) -> Config:
    config = written_config("global")
    for region, share in shares.items():
        name = region.replace("_", "-")
        config = changed(config, (REGIONS, name), config[REGIONS].get(name, {}) | share)
    return config


def record_sets(edge: Edge) -> dict[tuple[str, str], list[str]]:
    return {
        (each.inputs["name"].rstrip("."), each.inputs["type"]): list(each.inputs["rrdatas"])
        for each in [*edge.of_type(GANDI), *edge.of_type(RECORD)]
    }


def zone_of(edge: Edge) -> dns.zone.Zone:
    """What a name server has: every record set that the stack tells, its own and the regions'."""
    lines = ["@ 300 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 300", "@ 300 IN NS ns.example."]
    for each in edge.outputs["dns"]["records"]:
        lines += [f"{each['name']}. {each['ttl']} IN {each['type']} {data}" for data in each["data"]]
    return dns.zone.from_text("\n".join(lines), origin="ringer.tel.", relativize=False)


def tried(zone: dns.zone.Zone, service: str) -> list[tuple[int, str, int]]:
    """Where a client of RFC 3263 goes, in order: priority, address, port."""
    found = zone.get_rdataset(dns.name.from_text(service), "SRV")
    assert found is not None
    srv = sorted((each for each in found if isinstance(each, dns.rdtypes.IN.SRV.SRV)), key=lambda each: each.priority)
    steps = []
    for each in srv:
        addresses = zone.get_rdataset(each.target, "A")
        assert addresses is not None, f"{each.target} has no address"
        steps += [(each.priority, str(address), each.port) for address in addresses]
    return steps


def test_every_region_stands_in_the_srv_sets_with_a_priority_of_its_own() -> None:
    """RFC 2782: the lowest priority that answers is used."""
    edge = declare_global()
    assert record_sets(edge) == {
        ("sip.ringer.tel", "A"): [UDP],
        ("sip-udp.ringer.tel", "A"): [UDP],
        ("sip-tcp.ringer.tel", "A"): [TCP],
        ("_sip._udp.ringer.tel", "SRV"): [
            "10 50 5060 sip-udp.us-central1.ringer.tel.",
            "20 50 5060 sip-udp.us-east1.ringer.tel.",
        ],
        ("_sip._tcp.ringer.tel", "SRV"): [
            "10 50 5060 sip-tcp.us-central1.ringer.tel.",
            "20 50 5060 sip-tcp.us-east1.ringer.tel.",
        ],
        ("_sips._tcp.ringer.tel", "SRV"): [
            "10 50 5061 sip-tcp.us-central1.ringer.tel.",
            "20 50 5061 sip-tcp.us-east1.ringer.tel.",
        ],
    }
    assert all(each.protect for each in edge.of_type(GANDI))


def test_a_client_that_follows_srv_reaches_the_second_region_when_the_first_does_not_answer() -> None:
    zone = zone_of(declare_global())
    assert tried(zone, "_sip._udp.ringer.tel.") == [(10, UDP, 5060), (20, EAST_UDP, 5060)]
    assert tried(zone, "_sip._tcp.ringer.tel.") == [(10, TCP, 5060), (20, EAST_TCP, 5060)]
    assert tried(zone, "_sips._tcp.ringer.tel.") == [(10, TCP, 5061), (20, EAST_TCP, 5061)]


def test_the_order_of_regions_is_a_setting() -> None:
    edge = declare_global(with_regions(us_east1={"priority": 5}))
    assert tried(zone_of(edge), "_sip._udp.ringer.tel.") == [(5, EAST_UDP, 5060), (10, UDP, 5060)]
    assert record_sets(edge)["sip.ringer.tel", "A"] == [EAST_UDP], "who asks for no SRV follows as well"


def test_no_new_call_is_led_to_a_drained_region_and_it_can_be_taken_back() -> None:
    drained = declare_global(with_regions(us_central1={"state": "drained"}))
    assert tried(zone_of(drained), "_sip._udp.ringer.tel.") == [(20, EAST_UDP, 5060)]
    assert record_sets(drained)["sip.ringer.tel", "A"] == [EAST_UDP]
    assert record_sets(drained)["sip-tcp.ringer.tel", "A"] == [EAST_TCP]
    reported = {address["address"] for address in drained.outputs["ipInventory"]["addresses"]}
    assert set(LIVE_ADDRESSES.values()) <= reported, "its addresses stay promised"
    assert drained.outputs["egressCapacity"]["concurrentCalls"] == 96_768
    assert record_sets(declare_global()) == record_sets(declare_global(with_regions(us_central1={"state": "active"})))


def test_regions_of_one_priority_share_calls_by_weight() -> None:
    edge = declare_global(with_regions(us_central1={"weight": 70}, us_east1={"priority": 10, "weight": 30}))
    assert record_sets(edge)["_sip._udp.ringer.tel", "SRV"] == [
        "10 70 5060 sip-udp.us-central1.ringer.tel.",
        "10 30 5060 sip-udp.us-east1.ringer.tel.",
    ]


def test_a_region_without_tls_is_in_no_sips_set() -> None:
    config = changed(stack_config("prod-us-east1"), ("warp-edge:ingress", "tcp", "ports"), {"sip": 5060})
    outputs = published() | {EAST: declare(config, cloud=Cloud("warp-prod", EAST_ADDRESSES)).outputs}
    zone = zone_of(declare_global(outputs=outputs))
    assert tried(zone, "_sips._tcp.ringer.tel.") == [(10, TCP, 5061)]


def test_the_names_are_those_of_a_region_alone_so_that_states_can_hand_them_over() -> None:
    alone = {each.name for each in declare(stack_config("prod")).of_type(GANDI)}
    assert {each.name for each in declare_global().of_type(GANDI)} == alone


def test_the_same_sets_stand_at_cloud_dns_and_naptr_when_asked_for() -> None:
    config = changed(written_config("global"), ("warp-edge:dns",), {"domain": "ringer.tel", "backend": "cloud-dns"})
    config = changed(config, ("warp-edge:dns", "zone"), {"name": "ringer-tel", "manage": False})
    edge = declare_global(changed(config, ("warp-edge:dns", "naptr"), True))
    found = record_sets(edge)
    assert len(found) == len(edge.of_type(RECORD)) == 7
    assert found["ringer.tel", "NAPTR"][0] == '1 50 "s" "SIP+D2U" "" _sip._udp.ringer.tel.'


def test_the_inventory_has_every_address_of_every_region() -> None:
    inventory = declare_global().outputs["ipInventory"]
    (known,) = read(json.dumps(inventory))
    assert {each.address for each in known.addresses if each.status == "active"} == {
        *LIVE_ADDRESSES.values(),
        *EAST_ADDRESSES.values(),
    }
    assert {each.region for each in known.addresses} == {"us-central1", "us-east1"}
    assert (known.region, known.domain, known.notice_days) == ("us-central1, us-east1", "ringer.tel", 30)
    servers = [way["server"] for way in inventory["endpoints"]]
    assert servers[0] == "sip.ringer.tel"
    assert {"sip.us-central1.ringer.tel", "sip-tcp.us-east1.ringer.tel"} <= set(servers)


def test_what_it_promises_does_not_contradict_itself() -> None:
    """`python -m verify` reads it as any stack's."""
    found = promise.of(declare_global().outputs)
    assert list(found.contradictions()) == []
    assert found.foreign_targets == ()


def test_a_regions_own_promise_is_about_its_own_names_alone() -> None:
    """The shared names are another stack's: that they are there is no contradiction."""
    found = promise.of(json.loads(json.dumps(declare(stack_config("prod-us-east1")).outputs)))
    assert list(found.contradictions()) == []
    absent = {(each.name, each.type) for each in found.absences}
    assert ("us-east1.ringer.tel", "NAPTR") in absent
    assert ("sip-udp.us-east1.ringer.tel", "AAAA") in absent
    assert not [name for name, _ in absent if not name.endswith("us-east1.ringer.tel")]


def test_vendors_are_informed_of_all_regions_and_so_are_customers_firewalls() -> None:
    outputs = declare_global().outputs
    assert outputs["vendorWhitelist"]["addresses"] == ["34.57.46.26", "35.223.15.88", "136.111.96.47", *EAST_NAT]
    customers = outputs["customerEndpoints"]
    assert customers["server"] == "sip.ringer.tel"
    opened = [(rule["to"], rule["port"]) for rule in customers["firewall"]["outbound"]]
    assert {(UDP, 5060), (TCP, 5061), (EAST_UDP, 5060), (EAST_TCP, 5061)} <= set(opened)
    assert len(opened) == len(set(opened)) == 10
    assert len(customers["firewall"]["inbound"]) == 6
    assert len(customers["srv"]) == 3
    assert f"UDP/TCP to {EAST_UDP}:5060" in customers["text"]


def test_capacity_and_cost_are_added_up() -> None:
    """By hand: 6 addresses of 64,512 ports; plan 100.60 and 100.60; compute 695.00 in the first region alone."""
    outputs = declare_global().outputs
    capacity = outputs["egressCapacity"]
    assert (capacity["activeAddresses"], capacity["ports"], capacity["concurrentCalls"]) == (6, 387_072, 193_536)
    assert capacity["concurrentCallsOneRegionLess"] == 96_768
    cost = outputs["monthlyCost"]
    assert (cost["plan"]["total"], cost["platform"]) == (201.20, 896.20)
    assert cost["regions"]["us-east1"]["plan"]["total"] == 100.60


def test_a_region_more_in_the_settings_is_enough() -> None:
    """Nothing in the program knows a region's name."""
    config = stack_config("prod-us-east1") | {"gcp:region": "europe-west4", "warp-edge:region": "europe-west4"}
    third = declare(
        config, cloud=Cloud("warp-prod", {name: f"198.51.100.{n}" for n, name in enumerate(EAST_ADDRESSES)})
    )
    settings = with_regions(europe_west4={"stack": "organization/warp-edge/eu", "priority": 30})
    edge = declare_global(settings, published() | {"organization/warp-edge/eu": third.outputs})
    assert [priority for priority, *_ in tried(zone_of(edge), "_sip._udp.ringer.tel.")] == [10, 20, 30]


def test_passwords_of_regions_reach_neither_resources_nor_outputs() -> None:
    outputs = published()
    assert PASSWORD in json.dumps(outputs), "or the test says nothing"
    edge = declare_global(outputs=outputs)
    assert PASSWORD not in json.dumps([edge.outputs, [each.inputs for each in edge.resources]])


def edited(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The outputs of us-east1 with one value replaced; the digest is made to fit."""
    found = published()
    inner = found[EAST]
    for step in path[:-1]:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[path[-1]] = value
    if path[0] == "ipInventory" and len(path) > 1 and path[-1] != "digest":
        whole = json.loads(json.dumps(found[EAST]["ipInventory"]).replace(".0,", ",").replace(".0]", "]"))
        found[EAST]["ipInventory"] = with_digest(whole)
    return found


def refusal(outputs: dict[str, Any], config: Config | None = None) -> str:
    with pytest.raises(RefusedError) as refused:
        declare_global(config, outputs)
    return str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("ipInventory",), None, "has no output ipInventory"),
        (("dns",), "text", "has no output dns"),
        (("egressCapacity",), None, "has no output egressCapacity"),
        (("ipInventory", "digest"), "sha256:0", "its digest does not match its contents"),
        (("ipInventory", "region"), "us-west1", "is for region 'us-west1', not us-east1"),
        (("ipInventory", "schema"), 2, "schema"),
        (("dns", "domain"), "example.net", "example.net"),
        (("dns", "records"), [], "has no name sip-udp.us-east1.ringer.tel"),
        (("dns", "records", 0, "data"), [], "at least 1 item"),
        (("egressCapacity", "ports"), -1, "egressCapacity"),
        (("monthlyCost", "platform"), "dear", "monthlyCost"),
        (("ipInventory", "addresses", 0, "address"), "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "ipInventory"),
    ],
)
def test_a_region_whose_outputs_do_not_fit_is_refused_before_anything_is_declared(
    path: tuple[Any, ...], value: Any, words: str
) -> None:
    reported = refusal(edited(path, value))
    assert words in reported
    assert EAST in reported
    assert "\n  -> " in reported


def test_names_that_lead_to_an_address_that_is_not_promised_are_refused() -> None:
    outputs = published()
    for record in outputs[EAST]["dns"]["records"]:
        if record["type"] == "A":
            record["data"] = ["203.0.113.200"]
    assert "resolves to '203.0.113.200', not an active address of its inventory" in refusal(outputs)


def test_two_regions_cannot_have_one_living_address() -> None:
    clash = Cloud("warp-prod", EAST_ADDRESSES | {"warp-us-east1-nat-ip-1": "34.57.46.26"})
    outputs = published() | {EAST: declare(stack_config("prod-us-east1"), cloud=clash).outputs}
    assert "34.57.46.26 is in use in two inventories" in refusal(outputs)


def test_two_regions_cannot_have_one_name() -> None:
    outputs = published()
    for stack, address in ((CENTRAL, "34.44.183.87"), (EAST, "203.0.113.1")):
        outputs[stack]["dns"]["records"].append(
            {"name": "acme.ringer.tel", "type": "A", "data": [address], "ttl": 300.0}
        )
    reported = refusal(outputs)
    assert f"stacks {CENTRAL} and {EAST} both have acme.ringer.tel A" in reported
    assert "dnsName" in reported


def test_a_region_with_five_hundred_dedicated_customers_is_read() -> None:
    """UDP and TCP with a name each: five ways in and five record sets a customer."""
    outputs = published()
    central = outputs[CENTRAL]
    inventory = central["ipInventory"]
    template = inventory["endpoints"][0]
    for number in range(500):
        for port in range(5):
            own = {"role": "dedicated", "customer": f"{number}", "port": 5060 + port, "server": f"c{number}.ringer.tel"}
            inventory["endpoints"].append(template | own)
            name = f"s{port}.c{number}.ringer.tel"
            central["dns"]["records"].append({"name": name, "type": "A", "data": ["34.44.183.87"], "ttl": 300})
    central["ipInventory"] = with_digest(json.loads(json.dumps(inventory), parse_float=lambda text: int(float(text))))
    edge = declare_global(outputs=json.loads(json.dumps(outputs), parse_int=float))
    assert len(edge.outputs["ipInventory"]["endpoints"]) > 2500
    assert len(edge.outputs["dns"]["records"]) > 2500
    assert promise.of(edge.outputs).domain == "ringer.tel"


def test_an_unknown_or_never_updated_stack_is_reported_with_the_remedy() -> None:
    outputs = published()
    reported = refusal({CENTRAL: outputs[CENTRAL]})
    assert f'the outputs of stack {EAST} cannot be read: unknown stack "{EAST}"' in reported
    assert "pulumi stack ls --all" in reported
    reported = refusal({**outputs, EAST: {}})
    assert f"stack {EAST} has no output ipInventory" in reported
    assert f"run `pulumi up` of {EAST}" in reported


def test_a_region_without_own_names_is_refused_with_the_remedy() -> None:
    alone = declare(stack_config("prod"), cloud=Cloud("warp-prod", LIVE_ADDRESSES)).outputs
    reported = refusal(published() | {CENTRAL: alone})
    assert "has no name sip-udp.us-central1.ringer.tel" in reported
    assert "dns.scope" in reported


def test_what_is_read_of_another_stack_is_what_is_needed_and_no_password() -> None:
    found: dict[str, Any] = {}
    backend = Backend(published())
    run(lambda: found.update(engine_record.outputs_of(EAST, OF_A_REGION)), backend)
    assert set(found) == {"ipInventory", "dns", "egressCapacity", "monthlyCost"}


def test_what_was_published_is_not_changed_by_being_read() -> None:
    outputs = published()
    before = copy.deepcopy(outputs)
    declare_global(outputs=outputs)
    assert outputs == before
