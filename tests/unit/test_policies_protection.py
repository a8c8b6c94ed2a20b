"""The rule about advanced DDoS protection: one finding for a region, and none where it mitigates."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import EDGE_SECURITY_SERVICE, SECURITY_POLICY, SERVICE
from policies.declared import UNKNOWN, Declared
from policies.rule import Level
from tests.unit.policies_under_test import refused, resource, rule, silent, unjudged

BALANCERS = [resource(SERVICE, name, spec={"type": "LoadBalancer"}) for name in ("udp", "tcp")]
INTERNAL = resource(SERVICE, "a", spec={"type": "ClusterIP"})
ATTACHED = resource(EDGE_SECURITY_SERVICE, securityPolicy=UNKNOWN)


def policy(mode: Any) -> Declared:
    return resource(SECURITY_POLICY, ddosProtectionConfig={"ddosProtection": mode})


def test_a_region_without_it_is_reported_once_and_only_in_production() -> None:
    assert rule("ddos-protection").level is Level.ADVISORY
    assert refused("ddos-protection", INTERNAL, *BALANCERS) == ["tcp: the region has no advanced DDoS protection"]
    assert silent("ddos-protection", *BALANCERS, production=False)
    assert silent("ddos-protection", INTERNAL)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("STANDARD", "has no advanced DDoS protection"), ("ADVANCED_PREVIEW", "advanced DDoS protection only logs")],
)
def test_a_policy_that_mitigates_nothing_is_none(mode: str, words: str) -> None:
    (found,) = refused("ddos-protection", *BALANCERS, policy(mode), ATTACHED)
    assert words in found


def test_a_policy_counts_where_it_is_attached() -> None:
    assert silent("ddos-protection", *BALANCERS, policy("ADVANCED"), ATTACHED)
    for apart in ([], [resource(EDGE_SECURITY_SERVICE, name="edge")]):
        (found,) = refused("ddos-protection", *BALANCERS, policy("ADVANCED"), *apart)
        assert "is attached to no network edge security service" in found


def test_what_is_not_known_yet_is_said() -> None:
    (found,) = unjudged("ddos-protection", *BALANCERS, policy(UNKNOWN), ATTACHED)
    assert "ddosProtectionConfig.ddosProtection" in found
