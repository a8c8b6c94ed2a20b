"""Rules about labels, and about what the whole world can reach."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import ADDRESS, FIREWALL, GLOBAL_ADDRESS, INSTANCE, NAT, SERVICE, ZONE
from policies.declared import UNKNOWN, Declared
from policies.rules.labels import Labels, mend_labels
from tests.unit.policies_under_test import refused, resource, silent, unjudged

OURS = {"platform": "warp", "component": "edge", "managed-by": "pulumi"}


def labelled(token: str, labels: Any) -> Declared:
    if token == INSTANCE:
        return resource(token, settings={"userLabels": labels})
    return resource(token, metadata={"labels": labels}) if token == SERVICE else resource(token, labels=labels)


TYPES = [ADDRESS, GLOBAL_ADDRESS, ZONE, INSTANCE, SERVICE]


@pytest.mark.parametrize("token", TYPES)
def test_everything_that_takes_labels_has_ours(token: str) -> None:
    assert silent("labels", labelled(token, {**OURS, "more": "is fine"}))
    nothing: tuple[dict[str, str] | None, ...] = (None, {})
    for labels in nothing:
        assert refused("labels", labelled(token, labels)) == [f"it: label {key} is missing" for key in OURS]
    assert unjudged("labels", labelled(token, UNKNOWN))


def test_what_takes_no_labels_needs_none() -> None:
    assert silent("labels", resource(NAT))


def test_a_label_with_another_value_is_refused_where_the_value_is_given() -> None:
    assert refused("labels", labelled(ADDRESS, {**OURS, "managed-by": "hand"})) == [
        "it: label managed-by is hand, should be pulumi"
    ]
    assert silent("labels", labelled(ADDRESS, {**OURS, "platform": "another"}))
    assert len(refused("labels", labelled(ADDRESS, OURS), required={"team": ""})) == 1


def test_an_unknown_label_hides_no_missing_one() -> None:
    half = labelled(ADDRESS, {"platform": UNKNOWN, "component": "edge"})
    assert refused("labels", half) == ["it: label managed-by is missing"]
    assert unjudged("labels", half) == ["it: label platform"]


@pytest.mark.parametrize(
    "path", [("labels",), ("settings", "userLabels"), ("metadata", "labels")], ids=lambda path: ".".join(path)
)
def test_a_missing_label_whose_value_is_known_can_be_mended(path: tuple[str, ...]) -> None:
    labels = {"platform": "warp"}
    inputs: dict[str, Any] = {path[0]: labels if len(path) == 1 else {path[1]: labels}}
    assert mend_labels(inputs, Labels())
    assert labels == {"platform": "warp", "managed-by": "pulumi"}, "the others' values are not known"
    assert not mend_labels(inputs, Labels())


def test_a_label_with_another_value_is_left_to_people() -> None:
    inputs = {"labels": {"managed-by": "hand"}}
    assert not mend_labels(inputs, Labels())
    assert inputs == {"labels": {"managed-by": "hand"}}


def firewall(*allows: Any, **properties: Any) -> Declared:
    return resource(FIREWALL, "fw", allows=list(allows), **{"sourceRanges": ["0.0.0.0/0"], **properties})


def allow(protocol: Any, *ports: Any) -> dict[str, Any]:
    return {"protocol": protocol, "ports": list(ports)}


def test_the_sip_ports_may_be_open_to_the_world() -> None:
    assert silent("open-to-the-world", firewall(allow("udp", "5060"), allow("tcp", "5060-5061", "8080", "8443")))


@pytest.mark.parametrize(
    ("opened", "reported"),
    [
        (allow("tcp", "22"), "0.0.0.0/0 reaches TCP 22"),
        (allow("udp", "5061"), "0.0.0.0/0 reaches UDP 5061"),  # SIP over TLS runs over TCP
        (allow("tcp", "5060-8443"), "0.0.0.0/0 reaches TCP 5060-8443"),
        (allow("tcp", "nonsense"), "0.0.0.0/0 reaches TCP nonsense"),
        (allow("tcp"), "0.0.0.0/0 reaches every port over tcp"),
        ({"protocol": "all"}, "0.0.0.0/0 reaches every port over all"),
        ({"protocol": "icmp"}, "0.0.0.0/0 reaches every port over icmp"),
    ],
)
def test_nothing_else_may(opened: dict[str, Any], reported: str) -> None:
    assert refused("open-to-the-world", firewall(allow("udp", "5060"), opened)) == [f"fw: {reported}"]


def test_without_any_source_it_is_the_whole_world() -> None:
    unrestricted = resource(FIREWALL, "fw", allows=[allow("tcp", "22")])
    assert refused("open-to-the-world", unrestricted) == ["fw: 0.0.0.0/0 reaches TCP 22"]
    tagged = resource(FIREWALL, "fw", allows=[allow("tcp", "22")], sourceTags=["bastion"])
    assert silent("open-to-the-world", tagged)


@pytest.mark.parametrize(
    "harmless",
    [
        {"sourceRanges": ["192.0.2.0/24"]},
        {"direction": "EGRESS"},
        {"disabled": True},
    ],
)
def test_what_the_world_does_not_reach_is_fine(harmless: dict[str, Any]) -> None:
    assert silent("open-to-the-world", firewall(allow("tcp", "22"), **harmless))
    assert silent("open-to-the-world", resource(FIREWALL, "fw", denies=[{"protocol": "all"}]))


def test_both_halves_of_the_world_are_the_world() -> None:
    halves = firewall(allow("tcp", "22"), sourceRanges=["0.0.0.0/1", "128.0.0.0/1"])
    assert refused("open-to-the-world", halves) == ["fw: 0.0.0.0/1 reaches TCP 22"]


def test_what_is_not_known_hides_no_open_port() -> None:
    partly = firewall(UNKNOWN, allow("tcp", UNKNOWN, "22"), sourceRanges=[UNKNOWN, "0.0.0.0/0"])
    assert refused("open-to-the-world", partly) == ["fw: 0.0.0.0/0 reaches TCP 22"]
    assert unjudged("open-to-the-world", partly) == ["fw: allows", "fw: allows"]
    assert unjudged("open-to-the-world", firewall(allow("tcp", "22"), sourceRanges=UNKNOWN)) == ["fw: sourceRanges"]
    assert unjudged("open-to-the-world", resource(FIREWALL, "fw", allows=UNKNOWN)) == ["fw: allows"]


def test_which_ports_are_ours_is_an_option() -> None:
    assert silent("open-to-the-world", firewall(allow("udp", "5062")), udp=[5060, 5062])


@pytest.mark.parametrize(
    "token",
    [
        "gcp:compute/firewallPolicyRule:FirewallPolicyRule",
        "gcp:compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule",
        "gcp:compute/regionNetworkFirewallPolicyRule:RegionNetworkFirewallPolicyRule",
    ],
)
def test_rules_of_firewall_policies_are_looked_at_too(token: str) -> None:
    def opening(action: str, port: str) -> Declared:
        match = {"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "tcp", "ports": [port]}]}
        return resource(token, "r", direction="INGRESS", action=action, match=match)

    assert refused("open-to-the-world", opening("allow", "22")) == ["r: 0.0.0.0/0 reaches TCP 22"]
    assert silent("open-to-the-world", opening("deny", "22"))
    assert silent("open-to-the-world", opening("allow", "5061"))


def test_a_load_balancer_is_a_firewall_rule_too() -> None:
    def balancer(*ports: dict[str, Any], **spec: Any) -> Declared:
        return resource(SERVICE, "s", spec={"type": "LoadBalancer", "ports": list(ports), **spec})

    assert silent("open-to-the-world", balancer({"port": 5060.0, "protocol": "UDP"}))
    assert refused("open-to-the-world", balancer({"port": 22.0})) == ["s: 0.0.0.0/0 reaches TCP 22"]
    assert silent("open-to-the-world", balancer({"port": 22.0}, loadBalancerSourceRanges=["192.0.2.0/24"]))
    assert unjudged("open-to-the-world", balancer({"port": UNKNOWN}))
    assert unjudged("open-to-the-world", resource(SERVICE, "s", spec={"type": UNKNOWN})) == ["s: spec.type"]
    assert silent("open-to-the-world", resource(SERVICE, "s", spec={"type": "ClusterIP", "ports": [{"port": 22}]}))
