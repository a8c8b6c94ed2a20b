"""Cloud Armor policies at a region's edge, and VPC firewall rules: what the cloud accepts and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.gcp.edge_protection import DEFAULT_PRIORITY, POLICY, RULE, SERVICE, TIER
from local_cloud.gcp.firewalls import FIREWALL
from tests.local_cloud.plugin import Invalid, Plugin, Refused, Resource

PATH = "projects/warp-sandbox/regions/us-central1/securityPolicies"
ARMOR: dict[str, Any] = {"region": "us-central1", "type": "CLOUD_ARMOR_NETWORK"}
ALLOW_SIP: dict[str, Any] = {
    "name": "sip",
    "network": "default",
    "allows": [{"protocol": "udp", "ports": ["5060"]}],
    "sourceRanges": ["192.0.2.0/24"],
}


@pytest.fixture
def enterprise(gcp: Plugin) -> Resource:
    return gcp.create(TIER, "tier", {"cloudArmorTier": "CA_ENTERPRISE_PAYGO"})


def policy(gcp: Plugin, name: str, **inputs: Any) -> Resource:
    return gcp.create(POLICY, name, {"name": name, **ARMOR, **inputs})


def rule(gcp: Plugin, policy: str, **inputs: Any) -> Resource:
    given = {"region": "us-central1", "securityPolicy": policy, "priority": 100, "action": "deny", **inputs}
    return gcp.create(RULE, "rule", given)


@pytest.mark.usefixtures("enterprise")
def test_a_policy_protects_a_region_and_cannot_go_while_it_does(gcp: Plugin) -> None:
    made = policy(gcp, "ddos", ddosProtectionConfig={"ddosProtection": "ADVANCED"})
    assert made.id == f"{PATH}/ddos"
    assert [one["priority"] for one in made.outputs["rules"]] == [DEFAULT_PRIORITY]
    inputs = {"name": "edge", "region": "us-central1", "securityPolicy": made.id}
    service = gcp.create(SERVICE, "edge", inputs)
    assert gcp.diff(service, inputs).changes == {}
    with pytest.raises(Refused, match=r"already being used by '.*/networkEdgeSecurityServices/edge', resourceInUseBy"):
        gcp.delete(made)
    detached = gcp.update(service, {"name": "edge", "region": "us-central1"})
    assert not detached.outputs["securityPolicy"]
    gcp.delete(made)
    assert gcp.read(made) is None


@pytest.mark.parametrize("mode", ["ADVANCED", "ADVANCED_PREVIEW"])
def test_advanced_protection_needs_a_tier_that_a_new_project_does_not_have(gcp: Plugin, mode: str) -> None:
    found = gcp.adopt(TIER, "projects/warp-sandbox")
    assert (found.id, found.outputs["cloudArmorTier"]) == ("projects/warp-sandbox", "CA_STANDARD")
    wanted = {"ddosProtectionConfig": {"ddosProtection": mode}}
    with pytest.raises(Refused, match="requires Cloud Armor Enterprise"):
        policy(gcp, "ddos", **wanted)
    made = policy(gcp, "ddos", ddosProtectionConfig={"ddosProtection": "STANDARD"})
    with pytest.raises(Refused, match="requires Cloud Armor Enterprise"):
        gcp.update(made, {**made.inputs, **wanted})


def test_the_tier_is_a_setting_of_the_project_and_outlives_the_resource(gcp: Plugin, enterprise: Resource) -> None:
    assert enterprise.id == "projects/warp-sandbox"
    gcp.delete(enterprise)
    assert gcp.adopt(TIER, "warp-sandbox").outputs["cloudArmorTier"] == "CA_ENTERPRISE_PAYGO"
    gcp.create(TIER, "tier", {"cloudArmorTier": "CA_STANDARD"})
    assert gcp.adopt(TIER, "projects/warp-sandbox").outputs["cloudArmorTier"] == "CA_STANDARD"


@pytest.mark.usefixtures("enterprise")
def test_a_policy_that_protects_a_region_has_no_rules_of_its_own(gcp: Plugin) -> None:
    policy(gcp, "ddos", ddosProtectionConfig={"ddosProtection": "ADVANCED"})
    with pytest.raises(Refused, match="must not have rules"):
        rule(gcp, "ddos", networkMatch={"srcIpRanges": ["192.0.2.0/24"]})
    own = [{"action": "deny", "priority": 1, "networkMatch": {"srcIpRanges": ["192.0.2.0/24"]}}]
    with pytest.raises(Refused, match="must not have rules"):
        policy(gcp, "both", rules=own, ddosProtectionConfig={"ddosProtection": "ADVANCED"})


def test_a_rule_is_there_once_and_the_default_rule_cannot_be_deleted(gcp: Plugin) -> None:
    policy(gcp, "edge")
    made = rule(gcp, "edge", networkMatch={"srcIpRanges": ["192.0.2.0/24"], "ipProtocols": ["UDP"]})
    assert made.id == f"{PATH}/edge/priority/100"
    with pytest.raises(Refused, match="Cannot have rules with the same priorities"):
        rule(gcp, "edge")
    last = rule(gcp, "edge", priority=DEFAULT_PRIORITY, action="deny")
    gcp.delete(last)
    assert gcp.read(last) is not None, "the API cannot delete it"
    gcp.delete(made)
    assert gcp.read(made) is None


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"securityPolicy": "nowhere"}, r"Error 404: The resource '.*/securityPolicies/nowhere' was not found"),
        ({"priority": -1}, "is not between 0 and 2147483647"),
        ({"networkMatch": {"srcIpRanges": ["192.0.2.0/33"]}}, "not an address range"),
        ({"networkMatch": {"srcIpRanges": ["192.0.2.0/24"]}, "action": "throttle"}, "not one of allow, deny"),
        ({"match": {"config": {"srcIpRanges": [f"192.0.2.{n}" for n in range(11)]}}}, "at most 10 source ranges"),
    ],
)
def test_a_rule_that_cloud_armor_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    policy(gcp, "edge")
    with pytest.raises(Refused, match=f"(?i){words}"):
        rule(gcp, "edge", **inputs)


def test_a_service_needs_a_policy_of_its_region_and_of_the_type_for_networks(gcp: Plugin) -> None:
    inputs = {"name": "edge", "region": "us-central1"}
    with pytest.raises(Refused, match="Error 404"):
        gcp.create(SERVICE, "edge", {**inputs, "securityPolicy": f"{PATH}/nowhere"})
    backend = policy(gcp, "backend", type="CLOUD_ARMOR")
    with pytest.raises(Refused, match="is not of type CLOUD_ARMOR_NETWORK"):
        gcp.create(SERVICE, "edge", {**inputs, "securityPolicy": backend.id})
    far = policy(gcp, "far", region="us-east1")
    with pytest.raises(Refused, match="is a policy in us-east1"):
        gcp.create(SERVICE, "edge", {**inputs, "securityPolicy": far.id})
    with pytest.raises(Refused, match="Cannot determine region"):
        gcp.create(SERVICE, "edge", {"name": "edge"})


def test_a_firewall_rule_lives(gcp: Plugin) -> None:
    made = gcp.create(FIREWALL, "sip", ALLOW_SIP)
    assert (made.outputs["direction"], made.outputs["priority"]) == ("INGRESS", 1000)
    assert gcp.diff(made, ALLOW_SIP).changes == {}
    more = {**ALLOW_SIP, "sourceRanges": ["192.0.2.0/24", "198.51.100.0/24"]}
    assert gcp.diff(made, more).changes == {"sourceRanges[1]": "add"}
    assert gcp.update(made, more).outputs["sourceRanges"] == more["sourceRanges"]
    gcp.delete(made)
    open_to_all = gcp.create(FIREWALL, "sip", {**ALLOW_SIP, "sourceRanges": None})
    assert open_to_all.outputs["sourceRanges"] == ["0.0.0.0/0"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"network": "nowhere"}, "Error 404"),
        ({"priority": 65536}, "between 0 and 65535"),
        ({"allows": [{"protocol": "sip"}]}, "name or number"),
        ({"allows": [{"protocol": "icmp", "ports": ["1"]}]}, "not for the protocol icmp"),
        ({"allows": [{"protocol": "udp", "ports": ["5060-5050"]}]}, "a port or a range"),
        ({"sourceRanges": ["192.0.2.1/24"]}, "in CIDR notation"),
        ({"sourceRanges": ["192.0.2.0/24", "2001:db8::/32"]}, "not both"),
        ({"direction": "EGRESS"}, "for rules of the direction INGRESS"),
    ],
)
def test_a_firewall_rule_that_compute_engine_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        gcp.create(FIREWALL, "sip", {**ALLOW_SIP, **inputs})


def test_a_firewall_rule_allows_or_denies_and_stays_in_its_network(gcp: Plugin) -> None:
    with pytest.raises(Invalid, match="only one of `allow,deny`"):
        gcp.check(FIREWALL, "sip", {**ALLOW_SIP, "denies": [{"protocol": "all"}]})
    made = gcp.create(FIREWALL, "sip", ALLOW_SIP)
    gcp.create("gcp:compute/network:Network", "other", {"name": "other"})
    moved = {**ALLOW_SIP, "network": "other"}
    assert gcp.diff(made, moved).changes == {"network": "update"}, "the plugin plans it"
    with pytest.raises(Refused, match="Network cannot be changed"):
        gcp.update(made, moved)
