"""Rules about customers' way in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import ADDRESS, SERVICE
from policies.declared import UNKNOWN, Declared
from tests.unit.policies_under_test import refused, resource, rule, silent, unjudged

BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
CLASS = "networking.gke.io/l4-regional-external"
ALL_RULES = (
    "one-protocol-per-load-balancer",
    "source-address-kept",
    "load-balancer-address-pinned",
    "load-balancer-address-reserved",
)


def service(annotations: Any = None, **spec: Any) -> Declared:
    return resource(SERVICE, "ingress-udp", metadata={"annotations": annotations or {}}, spec=spec)


def balancer(annotations: Any = None, **spec: Any) -> Declared:
    return service(annotations, type="LoadBalancer", **spec)


def ports(*protocols: Any) -> list[dict[str, Any]]:
    return [{"port": 5060.0 + index, "protocol": protocol} for index, protocol in enumerate(protocols)]


def test_one_protocol_passes_on_any_number_of_ports() -> None:
    assert silent("one-protocol-per-load-balancer", balancer(ports=ports("TCP", "TCP", "TCP")))


def test_udp_and_tcp_in_one_load_balancer_are_refused() -> None:
    assert refused("one-protocol-per-load-balancer", balancer(ports=ports("UDP", "TCP"))) == [
        "ingress-udp: TCP and UDP in one LoadBalancer Service"
    ]


def test_a_port_without_protocol_is_tcp() -> None:
    mixed = balancer(ports=[{"port": 5060, "protocol": "UDP"}, {"port": 5061}])
    assert refused("one-protocol-per-load-balancer", mixed) == ["ingress-udp: TCP and UDP in one LoadBalancer Service"]


def test_an_unknown_protocol_does_not_hide_two_known_ones() -> None:
    mixed = balancer(ports=[*ports("UDP", "TCP"), UNKNOWN, {"port": 9, "protocol": UNKNOWN}])
    assert len(refused("one-protocol-per-load-balancer", mixed)) == 1


@pytest.mark.parametrize("unknown", [UNKNOWN, [UNKNOWN], ports("UDP", UNKNOWN)])
def test_ports_that_are_not_known_are_left_open(unknown: Any) -> None:
    assert unjudged("one-protocol-per-load-balancer", balancer(ports=unknown)) == ["ingress-udp: spec.ports"]


@pytest.mark.parametrize("name", ALL_RULES)
def test_other_services_are_not_visible(name: str) -> None:
    assert silent(name, service(type="ClusterIP", ports=ports("UDP", "TCP")))
    assert silent(name, service(ports=ports("UDP", "TCP")))


@pytest.mark.parametrize("name", ALL_RULES)
def test_a_service_of_unknown_type_is_left_open(name: str) -> None:
    assert unjudged(name, service(type=UNKNOWN)) == ["ingress-udp: spec.type"]


def test_external_traffic_policy_local_passes() -> None:
    assert silent("source-address-kept", balancer(externalTrafficPolicy="Local"))


@pytest.mark.parametrize(
    ("spec", "reported"),
    [
        ({"externalTrafficPolicy": "Cluster"}, "externalTrafficPolicy is Cluster"),
        ({}, "externalTrafficPolicy is absent, which means Cluster"),
    ],
)
def test_any_other_traffic_policy_is_refused(spec: dict[str, str], reported: str) -> None:
    assert refused("source-address-kept", balancer(**spec)) == [f"ingress-udp: {reported}"]


def test_an_unknown_traffic_policy_is_left_open() -> None:
    assert unjudged("source-address-kept", balancer(externalTrafficPolicy=UNKNOWN)) == [
        "ingress-udp: spec.externalTrafficPolicy"
    ]


def test_the_traffic_policy_of_a_load_balancer_can_be_mended() -> None:
    mend = rule("source-address-kept").mend  # type: ignore[attr-defined]
    inputs: dict[str, Any] = {"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}}
    assert mend(inputs, None)
    assert inputs == {"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}}
    assert not mend(inputs, None), "there is nothing left to mend"
    for other in ({"spec": {"type": "ClusterIP"}}, {}):
        assert not mend(other, None)


def test_an_address_by_name_or_by_load_balancer_ip_is_pinned() -> None:
    assert silent("load-balancer-address-pinned", balancer({BY_NAME: "sip-ip"}, loadBalancerClass=CLASS))
    assert silent("load-balancer-address-pinned", balancer({BY_NAME: "sip-ip", "cloud.google.com/l4-rbs": "enabled"}))
    assert silent("load-balancer-address-pinned", balancer(loadBalancerIP="34.44.183.87"))


def test_a_load_balancer_without_an_address_of_its_own_is_refused() -> None:
    assert refused("load-balancer-address-pinned", balancer()) == [
        "ingress-udp: its address is not pinned: the cloud assigns any address, and another one after a replacement"
    ]


def test_an_annotation_that_the_load_balancer_ignores_pins_nothing() -> None:
    # platform-facts.md: the annotation needs a backend-service-based load balancer.
    assert refused("load-balancer-address-pinned", balancer({BY_NAME: "sip-ip"})) == [
        f"ingress-udp: the annotation {BY_NAME} is ignored for this type of load balancer"
    ]


def test_pins_that_are_not_known_are_left_open() -> None:
    unknown = resource(SERVICE, "s", metadata={"annotations": UNKNOWN}, spec={"type": "LoadBalancer"})
    assert unjudged("load-balancer-address-pinned", unknown) == ["s: metadata.annotations"]
    assert unjudged("load-balancer-address-reserved", unknown) == ["s: the name it is pinned to"]
    by_name = balancer({BY_NAME: UNKNOWN}, loadBalancerClass=UNKNOWN)
    assert unjudged("load-balancer-address-pinned", by_name) == ["ingress-udp: spec.loadBalancerClass"]
    assert silent("load-balancer-address-pinned", balancer(loadBalancerIP=UNKNOWN))


def test_a_pinned_address_is_one_that_this_stack_reserves() -> None:
    reserved = resource(ADDRESS, "a", name="kamailio-sip-udp-ip", address="34.44.183.87")
    assert silent("load-balancer-address-reserved", balancer({BY_NAME: "kamailio-sip-udp-ip"}), reserved)
    assert silent("load-balancer-address-reserved", balancer(loadBalancerIP="34.44.183.87"), reserved)
    assert refused("load-balancer-address-reserved", balancer({BY_NAME: "somebodys"}), reserved) == [
        "ingress-udp: it is pinned to somebodys, which is not a reserved address of this stack"
    ]
    assert refused("load-balancer-address-reserved", balancer(loadBalancerIP="34.44.183.88"), reserved) == [
        "ingress-udp: it is pinned to 34.44.183.88, which is not a reserved address of this stack"
    ]


def test_each_of_two_pinned_addresses_is_looked_for() -> None:
    reserved = resource(ADDRESS, "a", name="v4")
    assert refused("load-balancer-address-reserved", balancer({BY_NAME: "v4, v6"}), reserved) == [
        "ingress-udp: it is pinned to v6, which is not a reserved address of this stack"
    ]


def test_an_address_that_is_not_known_yet_may_be_the_one() -> None:
    reserved = resource(ADDRESS, "a", name="kamailio-sip-udp-ip", address=UNKNOWN)
    assert unjudged("load-balancer-address-reserved", balancer(loadBalancerIP="34.44.183.87"), reserved) == [
        "ingress-udp: whether 34.44.183.87 is reserved"
    ]
    assert unjudged("load-balancer-address-reserved", balancer(loadBalancerIP=UNKNOWN), reserved) == [
        "ingress-udp: the address it is pinned to"
    ]
