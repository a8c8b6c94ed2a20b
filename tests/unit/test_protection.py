"""`EdgeProtection`: what it declares, that it never buys anything, and what it costs."""

from __future__ import annotations

import pytest

from engine.refusal import RefusedError
from engine.tokens import ARMOR_TIER, EDGE_SECURITY_SERVICE, SECURITY_POLICY
from plan.import_ids import import_ids
from settings import Settings
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site
from tests.unit.cloud import Cloud
from tests.unit.recording import Edge, declare

SANDBOX = without_site(stack_config("sandbox"))
TYPES = (SECURITY_POLICY, EDGE_SECURITY_SERVICE)


def protected(mode: str) -> Config:
    return changed(SANDBOX, ("warp-edge:protection",), {"mode": mode})


def on(tier: str | None, mode: str = "preview") -> Edge:
    cloud = Cloud("warp-sandbox")
    cloud.armor_tier = tier
    return declare(protected(mode), cloud=cloud)


@pytest.mark.parametrize(
    ("mode", "ddos"), [("preview", "ADVANCED_PREVIEW"), ("advanced", "ADVANCED"), ("standard", "STANDARD")]
)
def test_a_region_has_one_policy_and_the_service_that_attaches_it(mode: str, ddos: str) -> None:
    edge = on("CA_ENTERPRISE_ANNUAL", mode)
    policy, service = edge.named("edge-protection-policy"), edge.named("edge-protection-service")
    assert (policy.inputs["region"], policy.inputs["type"]) == ("us-central1", "CLOUD_ARMOR_NETWORK")
    assert policy.inputs["ddosProtectionConfig"] == {"ddosProtection": ddos}
    assert "rules" not in policy.inputs, "Google refuses rules beside the protection of a region"
    assert policy.urn in service.dependencies, "so that it is deleted before the policy that it uses"
    assert edge.outputs["edgeProtection"] == {"schema": 1, "mode": mode, "cloudArmorTier": "CA_ENTERPRISE_ANNUAL"}


def test_off_declares_nothing_and_is_what_a_stack_has() -> None:
    for edge in (declare(SANDBOX), declare(protected("off"))):
        assert not [each for each in edge.resources if each.type in TYPES or "EdgeProtection" in each.type]
        assert "edgeProtection" not in edge.outputs
        assert not [each for each in edge.outputs["monthlyCost"]["list"]["items"] if "Armor" in each["item"]]


@pytest.mark.parametrize("tier", ["CA_STANDARD", None, ""])
@pytest.mark.parametrize("mode", ["preview", "advanced"])
def test_without_enterprise_it_is_refused_with_the_command_for_those_who_may_buy_it(
    mode: str, tier: str | None
) -> None:
    with pytest.raises(RefusedError) as refused:
        on(tier, mode)
    text = str(refused.value)
    assert f"protection.mode {mode} needs Cloud Armor Enterprise, and project warp-sandbox has CA_STANDARD" in text
    assert "gcloud compute project-info update --project warp-sandbox --cloud-armor-tier=CA_ENTERPRISE_PAYGO" in text


def test_the_free_protection_needs_no_tier() -> None:
    assert on("CA_STANDARD", "standard").outputs["edgeProtection"]["cloudArmorTier"] == "CA_STANDARD"


def test_the_tier_is_read_and_never_declared() -> None:
    assert not on("CA_ENTERPRISE_PAYGO").of_type(ARMOR_TIER), "a declared tier is a purchase"


def test_the_cost_has_its_line_while_enterprise_is_needed() -> None:
    cost = on("CA_ENTERPRISE_PAYGO", "advanced").outputs["monthlyCost"]
    (planned,) = [each for each in cost["plan"]["items"] if each["item"] == "Cloud Armor Enterprise"]
    (listed,) = [each for each in cost["list"]["items"] if each["item"] == "Cloud Armor Enterprise"]
    assert planned["month"] == listed["month"] == 200
    standard = on("CA_STANDARD", "standard").outputs["monthlyCost"]
    assert round(cost["plan"]["total"] - standard["plan"]["total"], 2) == 200


def test_each_load_balancer_beyond_two_costs_as_much_as_the_project() -> None:
    config = changed(protected("advanced"), ("warp-edge:dedicated",), {"acme": {"ban": "100001", "targetPort": 15060}})
    listed = declare(changed(config, ("warp-edge:quotas",), {"staticAddresses": 40})).outputs["monthlyCost"]["list"]
    assert [each["month"] for each in listed["items"] if each["item"] == "Cloud Armor Enterprise"] == [400]


def test_what_is_there_already_can_be_adopted() -> None:
    ids = import_ids(Settings.parse(as_engine_gives_it(protected("preview"))))
    region = "projects/warp-sandbox/regions/us-central1"
    assert ids["edge-protection-policy"] == f"{region}/securityPolicies/warp-edge-ddos"
    assert ids["edge-protection-service"] == f"{region}/networkEdgeSecurityServices/warp-edge"
