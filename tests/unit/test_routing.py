"""Which region's address the shared names answer with at Cloud DNS: settings in, policies and a health check out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dns.rdata
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from refusal import Refusal
from settings import Settings, SettingsError
from settings.all_regions import GlobalSettings
from tests.cases import cases
from tests.stacks import Config, as_engine_gives_it, changed, paths, stack_config, written_config
from tests.unit.cloud import Cloud
from tests.unit.recording import Edge, declare
from tests.unit.test_global_stack import (
    EAST,
    EAST_ADDRESSES,
    EAST_TCP,
    EAST_UDP,
    GANDI,
    RECORD,
    REGIONS,
    TCP,
    UDP,
    declare_global,
    published,
    refusal,
    with_regions,
)
from tests.unit.test_settings_hostile import anything, assert_readable
from verify import promise
from verify.finding import Verdict
from verify.promise import RecordSet
from verify.records import Reply, judge

CHECK = "gcp:compute/healthCheck:HealthCheck"
SOURCES = ["us-central1", "us-east1", "europe-west4"]
PROBE: Config = {"sourceRegions": SOURCES}
FAILOVER: Config = {"udp": "geo", "tcp": "failover", "probe": PROBE}
ID = "dns-probe-id"  # what the stand-in for the cloud calls it
# Google: RecordSet of pulumi-gcp 9.35, `routingPolicy`.
TCP_FIRST = {
    "healthCheck": ID,
    "primaryBackup": {
        "primary": {"externalEndpoints": [TCP]},
        "backupGeos": [{"location": "us-east1", "healthCheckedTargets": {"externalEndpoints": [EAST_TCP]}}],
    },
}
TCP_EAST_FIRST = {
    "healthCheck": ID,
    "primaryBackup": {
        "primary": {"externalEndpoints": [EAST_TCP]},
        "backupGeos": [{"location": "us-central1", "healthCheckedTargets": {"externalEndpoints": [TCP]}}],
    },
}
TCP_EAST_ALONE = {
    "healthCheck": ID,
    "geos": [{"location": "us-east1", "healthCheckedTargets": {"externalEndpoints": [EAST_TCP]}}],
}
UDP_NEAREST = {
    "geos": [{"location": "us-central1", "rrdatas": [UDP]}, {"location": "us-east1", "rrdatas": [EAST_UDP]}],
}
UDP_EAST_ALONE = {"geos": [{"location": "us-east1", "rrdatas": [EAST_UDP]}]}


def routed(config: Config | None = None, *, backend: str = "cloud-dns", **routing: Any) -> Config:
    dns = {"domain": "ringer.tel", "backend": backend, "zone": {"name": "ringer-tel", "manage": False}}
    return (config or written_config("global")) | {"warp-edge:dns": dns, "warp-edge:routing": routing or FAILOVER}


def policies(edge: Edge) -> dict[str, Any]:
    """Name and type of every record set at Cloud DNS that has a policy -> the policy."""
    return {
        f"{each.inputs['name'].rstrip('.')} {each.inputs['type']}": each.inputs["routingPolicy"]
        for each in edge.of_type(RECORD)
        if "routingPolicy" in each.inputs
    }


def test_tcp_fails_over_by_health_and_udp_goes_to_the_nearest() -> None:
    edge = declare_global(routed())
    assert policies(edge) == {
        "sip.ringer.tel A": UDP_NEAREST,
        "sip-udp.ringer.tel A": UDP_NEAREST,
        "sip-tcp.ringer.tel A": TCP_FIRST,
    }
    for each in edge.of_type(RECORD):
        assert ("rrdatas" in each.inputs) != ("routingPolicy" in each.inputs), "the cloud takes one of them"
        assert each.protect


def test_one_health_check_probes_what_policies_name() -> None:
    """docs.cloud.google.com/compute/docs/reference/rest/v1/healthChecks: three source regions, 30 s or more."""
    (check,) = declare_global(routed()).of_type(CHECK)
    assert check.inputs == {
        "name": "warp-sip-tcp",
        "description": "Which region's SIP over TCP answers",
        "sourceRegions": SOURCES,
        "checkIntervalSec": 30,
        "timeoutSec": 5,
        "unhealthyThreshold": 2,
        "healthyThreshold": 2,
        "tcpHealthCheck": {"port": 5060},
    }


def test_a_path_is_asked_for_over_http_where_websockets_are_served() -> None:
    edge = declare_global(routed(tcp="failover", probe=PROBE | {"path": "/alive"}))
    (check,) = edge.of_type(CHECK)
    assert check.inputs["httpHealthCheck"] == {"port": 8080, "requestPath": "/alive"}
    assert "tcpHealthCheck" not in check.inputs


def test_the_nearest_that_answers_is_a_policy_of_its_own() -> None:
    assert policies(declare_global(routed(tcp="geo", probe=PROBE))) == {
        "sip-tcp.ringer.tel A": {
            "healthCheck": ID,
            "geos": [
                {"location": "us-central1", "healthCheckedTargets": {"externalEndpoints": [TCP]}},
                {"location": "us-east1", "healthCheckedTargets": {"externalEndpoints": [EAST_TCP]}},
            ],
        }
    }


def test_the_order_of_regions_says_who_is_primary() -> None:
    found = policies(declare_global(routed(with_regions(us_east1={"priority": 5}))))
    assert found["sip-tcp.ringer.tel A"] == TCP_EAST_FIRST


def test_a_drained_region_is_in_no_policy_and_can_be_taken_back() -> None:
    drained = declare_global(routed(with_regions(us_central1={"state": "drained"})))
    assert policies(drained) == {
        "sip.ringer.tel A": UDP_EAST_ALONE,
        "sip-udp.ringer.tel A": UDP_EAST_ALONE,
        "sip-tcp.ringer.tel A": TCP_EAST_ALONE,
    }
    assert len(drained.of_type(CHECK)) == 1
    assert policies(declare_global(routed(with_regions(us_central1={"state": "active"})))) == policies(
        declare_global(routed())
    )


def test_draining_never_takes_a_health_check_away_for_that_would_replace_the_record_set() -> None:
    """gcp-shapes.md: `routingPolicy.healthCheck!`; a replacement is delete-first, and the name would be gone."""
    for config in (routed(), routed(with_regions(us_central1={"state": "drained"}))):
        found = policies(declare_global(config))
        assert found["sip-tcp.ringer.tel A"]["healthCheck"] == ID
        assert "healthCheck" not in found["sip.ringer.tel A"], "UDP answers no probe"


def test_a_third_region_is_another_backup() -> None:
    config = stack_config("prod-us-east1") | {"gcp:region": "europe-west4", "warp-edge:region": "europe-west4"}
    addresses = {name: f"198.51.100.{n}" for n, name in enumerate(EAST_ADDRESSES)}
    third = declare(config, cloud=Cloud("warp-prod", addresses)).outputs
    settings = routed(with_regions(europe_west4={"stack": "organization/warp-edge/eu", "priority": 30}))
    found = policies(declare_global(settings, published() | {"organization/warp-edge/eu": third}))
    backups = found["sip-tcp.ringer.tel A"]["primaryBackup"]["backupGeos"]
    assert [each["location"] for each in backups] == ["us-east1", "europe-west4"]


def test_while_the_zone_moves_the_other_host_keeps_the_first_regions_address() -> None:
    edge = declare_global(routed(backend="both"))
    plain = {each.inputs["name"]: each.inputs["rrdatas"] for each in edge.of_type(GANDI)}
    assert (plain["sip.ringer.tel."], plain["sip-tcp.ringer.tel."]) == ([UDP], [TCP])
    assert len(policies(edge)) == 3


def test_without_the_setting_nothing_changes() -> None:
    """Also not for a stack to which the engine gives the empty default of Pulumi.yaml."""
    config = routed()
    plain = {key: value for key, value in config.items() if key != "warp-edge:routing"}
    without, empty = declare_global(plain), declare_global(plain | {"warp-edge:routing": {}})
    assert {each.urn: each for each in without.resources} == {each.urn: each for each in empty.resources}
    assert without.outputs == empty.outputs
    assert policies(without) == {}
    assert without.of_type(CHECK) == []
    assert "oneOf" not in json.dumps(without.outputs)


def test_outputs_show_what_may_be_answered_and_every_way_in() -> None:
    outputs = declare_global(routed()).outputs
    reported = {(each["name"], each["type"]): each for each in outputs["dns"]["records"]}
    assert reported["sip-tcp.ringer.tel", "A"] | {"ttl": 0} == {
        "name": "sip-tcp.ringer.tel", "type": "A", "data": [TCP], "oneOf": [TCP, EAST_TCP], "ttl": 0,
    }  # fmt: skip
    assert "oneOf" not in reported["_sip._udp.ringer.tel", "SRV"]
    ways = {(way["server"], way["address"]) for way in outputs["ipInventory"]["endpoints"]}
    assert {("sip.ringer.tel", UDP), ("sip.ringer.tel", EAST_UDP), ("sip-tcp.ringer.tel", EAST_TCP)} <= ways
    assert outputs["customerEndpoints"]["endpoints"][0]["address"] == UDP
    opened = [(rule["to"], rule["port"]) for rule in outputs["customerEndpoints"]["firewall"]["outbound"]]
    assert len(opened) == len(set(opened)) == 10


def test_the_promise_of_a_routed_name_does_not_contradict_itself() -> None:
    found = promise.of(json.loads(json.dumps(declare_global(routed()).outputs)))
    assert list(found.contradictions()) == []


def test_a_routed_name_that_may_lead_to_an_address_that_is_not_active_is_a_contradiction() -> None:
    outputs = json.loads(json.dumps(declare_global(routed()).outputs))
    (record,) = [each for each in outputs["dns"]["records"] if each["name"] == "sip-tcp.ringer.tel"]
    record["oneOf"] = [TCP, "192.0.2.99"]
    reported = list(promise.of(outputs).contradictions())
    assert "sip-tcp.ringer.tel A resolves to 192.0.2.99, which is not listed" in reported
    assert any(f"does not resolve to {EAST_TCP}" in each for each in reported)
    record["oneOf"] = [EAST_TCP]
    assert f"sip-tcp.ringer.tel A is {TCP}, not one of: {EAST_TCP}" in list(promise.of(outputs).contradictions())


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ([TCP], Verdict.HOLDS),
        ([EAST_TCP], Verdict.HOLDS),
        ([TCP, EAST_TCP], Verdict.BROKEN),
        (["192.0.2.99"], Verdict.BROKEN),
        ([TCP, "192.0.2.99"], Verdict.BROKEN),
        ([], Verdict.BROKEN),
    ],
)
def test_any_one_of_the_answers_is_right_and_nothing_else(answer: list[str], verdict: Verdict) -> None:
    whole = promise.of(json.loads(json.dumps(declare_global(routed()).outputs)))
    (expected,) = [each for each in whole.records if each.name == "sip-tcp.ringer.tel"]
    assert expected.expected == f"one of {EAST_TCP}, {TCP}"
    reply = Reply(authoritative=True, data=frozenset(dns.rdata.from_text("IN", "A", each) for each in answer), ttl=300)
    assert judge(expected, reply, whole.standing, authority=True).verdict is verdict
    alone = RecordSet(expected.name, "A", expected.data, 300)
    assert judge(alone, reply, whole.standing, authority=True).verdict is (
        Verdict.HOLDS if answer == [TCP] else Verdict.BROKEN
    ), "a set without policy is exact as before"


def test_regions_that_serve_sip_over_tcp_at_different_ports_cannot_share_a_probe() -> None:
    ports = {"sip": 5070, "sips": 5061, "ws": 8080, "wss": 8443}
    config = changed(stack_config("prod-us-east1"), ("warp-edge:ingress", "tcp", "ports"), ports)
    outputs = published() | {EAST: declare(config, cloud=Cloud("warp-prod", EAST_ADDRESSES)).outputs}
    reported = refusal(outputs, routed())
    assert "port `sip` over TCP is 5060 in us-central1 and 5070 in us-east1" in reported
    assert "\n  -> give all regions the same" in reported
    assert declare_global(routed(with_regions(us_east1={"state": "drained"})), outputs), "it is not asked"


def test_a_region_without_the_port_that_is_probed_is_named() -> None:
    config = changed(stack_config("prod-us-east1"), ("warp-edge:ingress", "tcp", "ports"), {"sip": 5060})
    outputs = published() | {EAST: declare(config, cloud=Cloud("warp-prod", EAST_ADDRESSES)).outputs}
    reported = refusal(outputs, routed(tcp="failover", probe=PROBE | {"path": "/alive"}))
    assert "region us-east1 has no port `ws` over TCP" in reported


def refused(routing: Any, **dns: Any) -> str:
    config = routed() | {"warp-edge:routing": routing}
    config["warp-edge:dns"] = config["warp-edge:dns"] | dns
    with pytest.raises(SettingsError) as error:
        GlobalSettings.parse(as_engine_gives_it(config))
    return str(error.value)


@pytest.mark.parametrize(
    ("routing", "key", "words"),
    [
        ({"udp": "failover"}, "udp = 'failover'", "probes cannot check UDP"),
        ({"udp": "nearest"}, "udp", "use fixed or geo"),
        ({"tcp": "failover"}, "probe", "which needs a health check"),
        ({"tcp": "geo"}, "probe", "which needs a health check"),
        ({"probe": PROBE}, "probe", "a probe that is not used"),
        ({"tcp": "geo", "probe": {"sourceRegions": SOURCES[:2]}}, "probe.sourceRegions", "exactly three regions"),
        ({"tcp": "geo", "probe": {"sourceRegions": [*SOURCES, "us-west1"]}}, "probe.sourceRegions", "exactly three"),
        ({"tcp": "geo", "probe": {"sourceRegions": ["us-east1"] * 3}}, "probe.sourceRegions", "three different ones"),
        ({"tcp": "geo", "probe": {"sourceRegions": ["a", "b", "c"]}}, "probe.sourceRegions[0]", "not a valid name"),
        ({"tcp": "geo", "probe": {}}, "probe.sourceRegions", "this setting is required"),
        ({"tcp": "geo", "probe": PROBE | {"intervalSeconds": 29}}, "probe.intervalSeconds", "use 30 or more"),
        (
            {"tcp": "geo", "probe": PROBE | {"timeoutSeconds": 31}},
            "probe.timeoutSeconds",
            "longer than the interval of 30",
        ),
        ({"tcp": "geo", "probe": PROBE | {"path": "alive"}}, "probe.path", "not a valid name here"),
        ({"tcp": "geo", "probe": PROBE | {"unhealthyAfter": 0}}, "probe.unhealthyAfter", "use 1 or more"),
        ({"wss": "geo"}, "wss", "no such setting"),
    ],
)
def test_policies_that_would_not_do_what_they_say_are_refused(routing: Any, key: str, words: str) -> None:
    reported = refused(routing)
    assert f"warp-edge:routing.{key}" in reported
    assert words in reported
    assert "\n      -> " in reported


def test_a_host_that_answers_everybody_the_same_has_no_policies() -> None:
    reported = refused({"udp": "geo"}, backend="gandi", zone=None)
    assert "the zone is at gandi, which gives every client the same answer" in reported
    assert "move the zone to Cloud DNS first" in reported


def test_a_regions_stack_has_no_policies_and_the_error_names_the_other_role() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.parse(as_engine_gives_it(stack_config("prod") | {"warp-edge:routing": FAILOVER}))
    assert "only a stack of role `global` has it" in str(error.value)
    with pytest.raises(SettingsError, match="only a stack of role `region` has it"):
        GlobalSettings.parse(as_engine_gives_it(written_config("global") | {"warp-edge:egress": {"nat": "n"}}))
    assert Settings.parse(as_engine_gives_it(stack_config("prod") | {"warp-edge:routing": {}, REGIONS: {}}))


def test_a_file_that_both_roles_share_may_have_policies(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(yaml.safe_dump({"config": {"warp-edge:routing": FAILOVER}}))
    region = stack_config("prod") | {"warp-edge:shared": "shared.yaml"}
    assert Settings.parse(as_engine_gives_it(region), folder=tmp_path)
    whole = {key: value for key, value in routed().items() if key != "warp-edge:routing"}
    found = GlobalSettings.parse(as_engine_gives_it(whole | {"warp-edge:shared": "shared.yaml"}), folder=tmp_path)
    assert (found.routing.udp, found.routing.tcp) == ("geo", "failover")


@cases(60, least=6)
@given(some.fixed_dictionaries(dict.fromkeys(paths({"warp-edge:routing": FAILOVER}), anything)))
def test_any_value_in_every_place_is_reported_in_words(values: dict[tuple[str, ...], Any]) -> None:
    for path, value in values.items():
        try:
            GlobalSettings.parse(as_engine_gives_it(changed(routed(), path, value)))
        except SettingsError as error:
            assert_readable(error)


@pytest.mark.parametrize("value", ["sip.ringer.tel", "127.0.0.300", 5, None, "04da6b54-80e4-46f7-96ec-b56ff0331ba9"])
def test_outputs_whose_choices_are_no_addresses_are_unreadable(value: Any) -> None:
    outputs = json.loads(json.dumps(declare_global(routed()).outputs))
    for each in outputs["dns"]["records"]:
        each |= {"oneOf": [value]} if "oneOf" in each else {}
    with pytest.raises(Refusal, match="oneOf"):
        promise.of(outputs)
