"""The result of the last update, from the engine's record."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from engine.record import DedicatedUse, GatewayUse, Record, last_update
from tests.unit.cloud import Cloud
from tests.unit.recording import run

PREFIX = "https://www.googleapis.com/compute/v1/projects/warp-prod/regions/us-central1/addresses"
ROUTER = {"type": "gcp:compute/router:Router", "outputs": {"name": "warp-router"}}


class Answering(Cloud):
    """The engine's answer to `readStackResourceOutputs`, by URN as it gives it."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        super().__init__()
        self.asked: dict[str, Any] = {}
        self.questions = 0
        self._resources = {f"urn:{number}": resource for number, resource in enumerate(resources)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        assert args.token == "pulumi:pulumi:readStackResourceOutputs"
        self.asked = dict(args.args)
        self.questions += 1
        return {"name": args.args["stackName"], "outputs": self._resources}, []


def gateway(**outputs: Any) -> dict[str, Any]:
    return {"type": "gcp:compute/routerNat:RouterNat", "outputs": outputs}


def read(cloud: Answering) -> Record:
    found: list[Record] = []
    run(lambda: found.append(last_update()), cloud)
    return found[0]


def test_a_stack_without_a_gateway_used_nothing_yet() -> None:
    assert read(Answering()) == Record()
    assert read(Answering(ROUTER)) == Record()


@pytest.mark.parametrize(
    ("outputs", "use"),
    [
        (
            {"natIps": [f"{PREFIX}/a", f"{PREFIX}/b"], "drainNatIps": [f"{PREFIX}/c"]},
            GatewayUse(frozenset({"a", "b"}), frozenset({"c"})),
        ),
        ({"natIps": [f"{PREFIX}/a"], "drainNatIps": []}, GatewayUse(frozenset({"a"}))),
        ({"natIps": ["projects/p/regions/r/addresses/a"]}, GatewayUse(frozenset({"a"}))),
        ({"natIps": None, "drainNatIps": None}, GatewayUse()),
    ],
)
def test_the_addresses_in_use_are_known_by_name(outputs: dict[str, Any], use: GatewayUse) -> None:
    assert read(Answering(ROUTER, gateway(**outputs))).gateway == use


def test_it_asks_for_this_stack_by_its_full_name() -> None:
    cloud = Answering()
    read(cloud)
    assert cloud.asked == {"stackName": "organization/warp-edge/unit"}


def test_the_whole_record_is_one_question_to_the_engine() -> None:
    """It is the size of the state, and each question is asked while nothing is declared yet."""
    cloud = Answering(ROUTER, gateway(natIps=[f"{PREFIX}/a"]), service("192.0.2.1"))
    read(cloud)
    assert cloud.questions == 1


@pytest.mark.parametrize(("sign_in", "rotation"), [({"readers": []}, 0), ({"readers": [], "rotation": 3.0}, 3)])
def test_how_often_credentials_were_changed_is_known(sign_in: dict[str, Any], rotation: int) -> None:
    acl = {"type": "pulumi-python:dynamic/warp:TrunkAcl", "outputs": {"signIn": sign_in}}
    assert read(Answering(ROUTER, acl)).rotation == rotation
    assert read(Answering(ROUTER)).rotation is None


def test_the_trunks_are_known_customer_by_customer() -> None:
    acl = {"type": "pulumi-python:dynamic/warp:TrunkAcl", "outputs": {"trunks": {"100001": "acme IP_ACL ..."}}}
    assert read(Answering(ROUTER, acl)).trunks == {"100001": "acme IP_ACL ..."}


def address(name: str, address: str) -> dict[str, Any]:
    return {"type": "gcp:compute/address:Address", "outputs": {"name": name, "address": address}}


def service(*ips: str, **status: Any) -> dict[str, Any]:
    points = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]}}
    return {"type": "kubernetes:core/v1:Service", "outputs": {"status": points | status}}


@pytest.mark.parametrize(
    ("services", "serving"),
    [
        ([service("192.0.2.1"), service("192.0.2.2")], {"udp", "tcp"}),
        ([service("192.0.2.1", "2001:db8::1")], {"udp", "udp-ipv6"}),
        ([service("203.0.113.77")], set()),
        ([service(), service(loadBalancer={}), service(loadBalancer=None)], set()),
        ([{"type": "kubernetes:core/v1:Service", "outputs": {}}], set()),
        ([], set()),
    ],
)
def test_an_ingress_address_is_in_use_when_a_load_balancer_answers_there(
    services: list[dict[str, Any]], serving: set[str]
) -> None:
    reserved = [address("udp", "192.0.2.1"), address("tcp", "192.0.2.2"), address("udp-ipv6", "2001:db8::1")]
    cloud = Answering(*reserved, address("nat", "192.0.2.3"), *services)
    assert read(cloud).serving == serving


# --- dedicated addresses ----------------------------------------------------------------------------------------------

OWN = "urn:pulumi:prod::warp-edge::warp:edge:DedicatedIngress$gcp:compute/address:Address::dedicated-acme-udp-address"


class Named(Answering):
    """The same, with URNs that a test chose."""

    def __init__(self, resources: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self._resources = resources


def test_a_dedicated_address_is_known_with_everything_that_leads_to_it() -> None:
    resources = {
        OWN: address("sip-acme-udp-ip", "34.1.2.3"),
        "urn:1": address("kamailio-sip-udp-ip", "34.44.183.87"),
        "urn:2": service("34.1.2.3"),
        "urn:3": service("34.44.183.87"),
        "urn:4": record("acme.ringer.tel.", "34.1.2.3"),
        "urn:5": record("sip.ringer.tel.", "34.44.183.87"),
        "urn:6": {
            "type": "pulumi-python:dynamic/warp:TrunkAcl",
            "outputs": {"trunks": {}, "dedicated": {"sip-acme-udp-ip": {"ban": "100001", "address": "34.1.2.3"}}},
        },
    }
    found = read(Named(resources))
    assert found.dedicated == {"sip-acme-udp-ip": DedicatedUse("100001", ("acme.ringer.tel",))}
    assert found.serving == {"kamailio-sip-udp-ip"}, "the shared ingress alone"


def test_names_at_gandi_lead_to_a_dedicated_address_as_those_at_cloud_dns_do() -> None:
    gandi = record("acme.ringer.tel.", "34.1.2.3") | {"type": "pulumi-python:dynamic/warp:GandiRecordSet"}
    resources = {OWN: address("sip-acme-udp-ip", "34.1.2.3"), "urn:1": gandi}
    led = {"sip-acme-udp-ip": DedicatedUse(None, ("acme.ringer.tel",))}
    assert read(Named(resources)).dedicated == led
    while_the_zone_moves = {**resources, "urn:2": record("acme.ringer.tel.", "34.1.2.3")}
    assert read(Named(while_the_zone_moves)).dedicated == led


def test_a_dedicated_address_that_nothing_leads_to_is_known_all_the_same() -> None:
    found = read(Named({OWN: address("sip-acme-udp-ip", "34.1.2.3"), "urn:1": service("34.1.2.3")}))
    assert found.dedicated == {"sip-acme-udp-ip": DedicatedUse()}


def record(name: str, *addresses: str) -> dict[str, Any]:
    return {"type": "gcp:dns/recordSet:RecordSet", "outputs": {"name": name, "rrdatas": list(addresses)}}
