"""Google's protection: never bought by accident, declared where it is wanted, and on the bill."""

from __future__ import annotations

from typing import Any

import pytest

from engine.tokens import EDGE_SECURITY_SERVICE, SECURITY_POLICY
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.recording import declare_once


def protected(**settings: Any) -> Config:
    return changed(stack_config("sandbox"), ("warp-edge:protection",), {"manage": True, **settings})


def test_without_enterprise_it_is_refused_with_its_price() -> None:
    with pytest.raises(SettingsError, match="costs USD 200 a month and more") as refused:
        Settings.parse(as_engine_gives_it(protected()))
    assert "cloudArmorTier" in str(refused.value)


def test_nothing_declares_a_tier() -> None:
    for config in (stack_config("prod"), stack_config("sandbox"), protected(tier="CA_ENTERPRISE_PAYGO")):
        assert not [each for each in declare_once(config).resources if "ArmorTier" in each.type]
    assert not declare_once(stack_config("prod")).of_type(SECURITY_POLICY)


def test_it_begins_in_preview_and_covers_the_region() -> None:
    edge = declare_once(protected(tier="CA_ENTERPRISE_PAYGO"))
    (policy,), (service,) = edge.of_type(SECURITY_POLICY), edge.of_type(EDGE_SECURITY_SERVICE)
    assert policy.inputs["ddosProtectionConfig"] == {"ddosProtection": "ADVANCED_PREVIEW"}
    assert "rules" not in policy.inputs, "a policy of a whole region cannot have any"
    assert service.inputs["securityPolicy"].endswith("/regions/us-central1/securityPolicies/sip-edge")


@pytest.mark.parametrize(("tier", "month"), [("CA_ENTERPRISE_PAYGO", 200), ("CA_ENTERPRISE_ANNUAL", 0)])
def test_it_is_on_the_bill(tier: str, month: float) -> None:
    items = declare_once(protected(tier=tier)).outputs["monthlyCost"]["list"]["items"]
    (item,) = [each for each in items if each["item"] == "Cloud Armor Enterprise"]
    assert (item["count"], item["month"]) == (2, month)
