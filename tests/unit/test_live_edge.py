"""`Pulumi.prod.yaml` declares exactly the live edge: what runs today, resource by resource."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from tests.stacks import changed, stack_config
from tests.unit.cloud import PASSWORD, Cloud
from tests.unit.generated_sdk import generated
from tests.unit.recording import HIDDEN, Edge, declare

ADDRESS = "gcp:compute/address:Address"
ROUTER = "gcp:compute/router:Router"
NAT = "gcp:compute/routerNat:RouterNat"
RECORD = "pulumi-python:dynamic/warp:GandiRecordSet"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
DATABASE = "gcp:sql/database:Database"
USER = "gcp:sql/user:User"
SERVICE = "kubernetes:core/v1:Service"
INGRESS, EGRESS, DNS, TRUNKS = (
    f"warp:edge:{name}" for name in ("SipIngress", "NatEgressPool", "SipDns", "TrunkDatabase")
)

# Logical name -> type and the component it stands in. These names are in the state: renaming one replaces a resource.
EVERYTHING = {
    "cluster": ("pulumi:providers:kubernetes", None),
    "ingress-udp-address-kamailio-sip-udp-ip": (ADDRESS, INGRESS),
    "ingress-tcp-address-kamailio-sip-tcp-ip": (ADDRESS, INGRESS),
    "ingress-udp": (SERVICE, INGRESS),
    "ingress-tcp": (SERVICE, INGRESS),
    "ingress-internal": (SERVICE, INGRESS),
    "egress-slot-warp-nat-ip-1": (ADDRESS, EGRESS),
    "egress-slot-warp-nat-ip-2": (ADDRESS, EGRESS),
    "egress-slot-warp-nat-ip-3": (ADDRESS, EGRESS),
    "egress-router": (ROUTER, EGRESS),
    "egress-nat": (NAT, EGRESS),
    "dns-gandi-sip-a": (RECORD, DNS),
    "dns-gandi-sip-udp-a": (RECORD, DNS),
    "dns-gandi-sip-tcp-a": (RECORD, DNS),
    "dns-gandi-_sip._udp-srv": (RECORD, DNS),
    "dns-gandi-_sip._tcp-srv": (RECORD, DNS),
    "dns-gandi-_sips._tcp-srv": (RECORD, DNS),
    "database-instance": (INSTANCE, TRUNKS),
    "database-database": (DATABASE, TRUNKS),
    "database-password": ("random:index/randomPassword:RandomPassword", TRUNKS),
    "database-user": (USER, TRUNKS),
}
COMPONENTS = {("ingress", INGRESS), ("egress", EGRESS), ("dns", DNS), ("database", TRUNKS)}
# Losing one of these breaks the contract with customers and vendors. A ClusterIP Service is made again in a second.
CONTRACT = set(EVERYTHING) - {"cluster", "ingress-internal"}


@pytest.fixture(scope="module")
def edge() -> Edge:
    return declare(stack_config("prod"))


def test_it_declares_exactly_these_resources_each_inside_its_component(edge: Edge) -> None:
    found = {}
    for each in edge.resources:
        if each.custom:
            parent = edge.parent_of(each)
            found[each.name] = (each.type, parent.type if parent else None)
    assert found == EVERYTHING
    assert len([each for each in edge.resources if each.custom]) == len(EVERYTHING)


def test_its_components_carry_the_types_of_this_project_and_register_their_outputs(edge: Edge) -> None:
    components = [each for each in edge.resources if not each.custom]
    assert {(each.name, each.type) for each in components} == COMPONENTS
    assert set(edge.registered) == {each.urn for each in components}
    assert all(edge.registered.values()), "an engine that gets no outputs shows an unfinished component"


def test_it_reserves_the_five_addresses_in_the_region(edge: Edge) -> None:
    assert {name: each.inputs["region"] for name, each in edge.physical(ADDRESS).items()} == {
        "kamailio-sip-udp-ip": "us-central1",
        "kamailio-sip-tcp-ip": "us-central1",
        "warp-nat-ip-1": "us-central1",
        "warp-nat-ip-2": "us-central1",
        "warp-nat-ip-3": "us-central1",
    }
    assert {each.inputs["addressType"] for each in edge.of_type(ADDRESS)} == {"EXTERNAL"}


@pytest.mark.parametrize(
    ("service", "address", "ports"),
    [
        ("kamailio-sip-udp", "34.44.183.87", {("UDP", 5060)}),
        ("kamailio-sip-tcp", "34.55.182.145", {("TCP", 5060), ("TCP", 5061), ("TCP", 8080), ("TCP", 8443)}),
    ],
)
def test_each_load_balancer_has_its_address_its_ports_and_keeps_the_caller(
    edge: Edge, service: str, address: str, ports: set[tuple[str, int]]
) -> None:
    declared = edge.physical(SERVICE)[service].inputs
    spec = declared["spec"]
    assert declared["metadata"]["namespace"] == "warp-core"
    assert spec["type"] == "LoadBalancer"
    assert spec["loadBalancerIP"] == address
    assert {(port["protocol"], port["port"]) for port in spec["ports"]} == ports
    assert all(port["targetPort"] == port["port"] for port in spec["ports"])
    assert spec["externalTrafficPolicy"] == "Local", "customers authenticate with their source address"
    assert spec["sessionAffinity"] == "ClientIP"
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert spec["selector"] == {"app": "kamailio"}


def test_the_internal_service_is_a_cluster_ip_on_9090_and_8000(edge: Edge) -> None:
    declared = edge.physical(SERVICE)["kamailio-internal"].inputs
    assert declared["metadata"]["namespace"] == "warp-core"
    assert declared["spec"]["type"] == "ClusterIP"
    assert {(port["protocol"], port["port"]) for port in declared["spec"]["ports"]} == {("TCP", 9090), ("TCP", 8000)}


def test_the_gateway_uses_the_three_addresses_by_self_link_and_drains_none(edge: Edge) -> None:
    gateway = edge.physical(NAT)["warp-nat"].inputs
    prefix = "https://www.googleapis.com/compute/v1/projects/warp-prod/regions/us-central1/addresses"
    assert gateway["router"] == "warp-router"
    assert gateway["region"] == "us-central1"
    assert gateway["natIpAllocateOption"] == "MANUAL_ONLY"
    assert gateway["natIps"] == [f"{prefix}/warp-nat-ip-1", f"{prefix}/warp-nat-ip-2", f"{prefix}/warp-nat-ip-3"]
    assert gateway["drainNatIps"] == [], "left out, the plugin would keep the old list"
    assert gateway["logConfig"] == {"enable": True, "filter": "ERRORS_ONLY"}
    assert gateway["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    assert set(edge.physical(ROUTER)) == {"warp-router"}


SIX_RECORDS = {
    ("sip.ringer.tel.", "A"): ["34.44.183.87"],
    ("sip-udp.ringer.tel.", "A"): ["34.44.183.87"],
    ("sip-tcp.ringer.tel.", "A"): ["34.55.182.145"],
    ("_sip._udp.ringer.tel.", "SRV"): ["10 50 5060 sip-udp.ringer.tel."],
    ("_sip._tcp.ringer.tel.", "SRV"): ["10 50 5060 sip-tcp.ringer.tel."],
    ("_sips._tcp.ringer.tel.", "SRV"): ["10 50 5061 sip-tcp.ringer.tel."],
}


def records_of(edge: Edge) -> dict[tuple[str, str], list[str]]:
    return {(each.inputs["name"], each.inputs["type"]): each.inputs["rrdatas"] for each in edge.of_type(RECORD)}


def test_the_zone_has_the_six_records_for_300_seconds(edge: Edge) -> None:
    assert {each.inputs["domain"] for each in edge.of_type(RECORD)} == {"ringer.tel"}
    assert records_of(edge) == SIX_RECORDS
    assert {each.inputs["ttl"] for each in edge.of_type(RECORD)} == {300}
    assert {each.inputs["api"] for each in edge.of_type(RECORD)} == {"https://api.gandi.net"}


def test_the_records_follow_the_addresses_that_the_cloud_gives() -> None:
    moved = {"kamailio-sip-udp-ip": "198.51.100.1", "kamailio-sip-tcp-ip": "198.51.100.2"}
    assert records_of(declare(stack_config("prod"), cloud=Cloud(addresses=moved))) == SIX_RECORDS | {
        ("sip.ringer.tel.", "A"): ["198.51.100.1"],
        ("sip-udp.ringer.tel.", "A"): ["198.51.100.1"],
        ("sip-tcp.ringer.tel.", "A"): ["198.51.100.2"],
    }


def test_the_database_is_the_instance_that_runs(edge: Edge) -> None:
    instance = edge.physical(INSTANCE)["warp-db"].inputs
    assert (instance["databaseVersion"], instance["region"]) == ("POSTGRES_15", "us-central1")
    assert (instance["settings"]["tier"], instance["settings"]["edition"]) == ("db-f1-micro", "ENTERPRISE")
    assert instance["settings"]["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
    assert instance["settings"]["ipConfiguration"]["ipv4Enabled"] is True
    assert edge.named("database-database").inputs["instance"] == "warp-db"
    assert edge.named("database-user").inputs["password"] == PASSWORD


@pytest.mark.parametrize("locked", [True, False])
def test_one_setting_locks_everything_that_the_outside_relies_on(locked: bool) -> None:
    edge = declare(changed(stack_config("prod"), ("warp-edge:protect",), locked))
    assert {each.name for each in edge.resources if each.protect} == (CONTRACT if locked else set())
    instance = edge.named("database-instance")
    locks = (
        instance.protect,
        instance.inputs["deletionProtection"],
        instance.inputs["settings"]["deletionProtectionEnabled"],
    )
    assert locks == (locked, locked, locked)


# The SDK's own word on what takes labels, by the arguments of each class.
ARGUMENTS: dict[str, Any] = {
    ADDRESS: generated("pulumi_gcp.compute.address", "AddressArgs"),
    ROUTER: generated("pulumi_gcp.compute.router", "RouterArgs"),
    NAT: generated("pulumi_gcp.compute.router_nat", "RouterNatArgs"),
    DATABASE: generated("pulumi_gcp.sql.database", "DatabaseArgs"),
    USER: generated("pulumi_gcp.sql.user", "UserArgs"),
    INSTANCE: generated("pulumi_gcp.sql._inputs", "DatabaseInstanceSettingsArgs"),
}


def test_everything_that_takes_labels_has_them() -> None:
    labels = {"owner": "voice", "cost-centre": "42"}
    edge = declare(changed(stack_config("prod"), ("warp-edge:labels",), labels))
    labelled = set()
    for each in edge.resources:
        if each.type == SERVICE:
            labelled.add(each.type)
            assert each.inputs["metadata"]["labels"] == labels, each.name
        elif each.type.startswith("gcp:"):
            takes = {"labels", "user_labels"} & set(inspect.signature(ARGUMENTS[each.type]).parameters)
            labelled |= {each.type} if takes else set()
            given = each.inputs["settings"].get("userLabels") if each.type == INSTANCE else each.inputs.get("labels")
            assert given == (labels if takes else None), each.name
    assert labelled == {SERVICE, ADDRESS, INSTANCE}


def test_a_fourth_slot_touches_nothing_that_is_there(edge: Edge) -> None:
    """Placed before the others: names by position would rename all of them."""
    slots = stack_config("prod")["warp-edge:egress"]["slots"]
    more = {"a-new-nat-ip": {"state": "announced"}, **dict(reversed(slots.items()))}
    grown = declare(changed(stack_config("prod"), ("warp-edge:egress", "slots"), more))
    before = {each.urn: (each.inputs, each.protect) for each in edge.resources}
    after = {each.urn: (each.inputs, each.protect) for each in grown.resources}
    (added,) = set(after) - set(before)
    assert added.endswith("::egress-slot-a-new-nat-ip")
    assert {urn: after[urn] for urn in before} == before


def test_no_logical_name_carries_a_position(edge: Edge) -> None:
    numbered = {each.name for each in edge.resources if each.name[-1].isdigit()}
    assert numbered == {"egress-slot-warp-nat-ip-1", "egress-slot-warp-nat-ip-2", "egress-slot-warp-nat-ip-3"}, (
        "these are their names in the cloud"
    )


def test_nothing_secret_leaves_in_clear(edge: Edge) -> None:
    sent = [each.clear for each in edge.resources] + [edge.clear_outputs] + list(edge.registered.values())
    assert PASSWORD not in json.dumps(sent)
    assert edge.named("database-user").clear["password"] == HIDDEN
    assert edge.clear_outputs["database"]["password"] == HIDDEN
    assert edge.outputs["database"]["password"] == PASSWORD
