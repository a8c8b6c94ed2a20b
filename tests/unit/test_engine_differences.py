"""What the first `pulumi up` after an adoption would change, from a preview's steps, grouped by effect."""

from __future__ import annotations

from typing import Any

import pytest

from engine.differences import compare
from engine.effects import Effect, effect_of

ADDRESS = "gcp:compute/address:Address"
NAT = "gcp:compute/routerNat:RouterNat"
ROUTER = "gcp:compute/router:Router"
SERVICE = "kubernetes:core/v1:Service"
SECURITY_POLICY = "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy"
EDGE_SECURITY_SERVICE = "gcp:compute/networkEdgeSecurityService:NetworkEdgeSecurityService"
ZONE = "gcp:dns/managedZone:ManagedZone"
RECORD = "gcp:dns/recordSet:RecordSet"
GANDI_RECORD = "pulumi-python:dynamic/warp:GandiRecordSet"
CONNECTION = "gcp:servicenetworking/connection:Connection"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"


@pytest.mark.parametrize(
    ("type_token", "path", "effect"),
    [
        (SERVICE, "spec.externalTrafficPolicy", Effect.MOVES),
        (SERVICE, "spec.sessionAffinity", Effect.MOVES),
        (SERVICE, "spec.sessionAffinityConfig", Effect.MOVES),
        (SERVICE, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", Effect.MOVES),
        (SERVICE, "spec.loadBalancerIP", Effect.CUTS),
        (SERVICE, "spec.loadBalancerClass", Effect.CUTS),
        (SERVICE, "spec.type", Effect.CUTS),
        (SERVICE, "spec.ports", Effect.CUTS),
        (SERVICE, "spec.ports[0].port", Effect.CUTS),
        (SERVICE, "spec.ports[1].targetPort", Effect.CUTS),
        (SERVICE, "spec.ports[0].name", Effect.NONE),
        (SERVICE, "spec.selector", Effect.CUTS),
        (SERVICE, "spec.selector.app", Effect.CUTS),
        (SERVICE, "spec.loadBalancerSourceRanges[0]", Effect.ACCESS),
        (SECURITY_POLICY, "ddosProtectionConfig.ddosProtection", Effect.ACCESS),
        (EDGE_SECURITY_SERVICE, "securityPolicy", Effect.ACCESS),
        (SERVICE, 'metadata.annotations["networking.gke.io/load-balancer-ip-addresses"]', Effect.CUTS),
        (SERVICE, 'metadata.annotations["cloud.google.com/l4-rbs"]', Effect.CUTS),
        (SERVICE, "spec.ipFamilies", Effect.CUTS),
        (SERVICE, "spec.ipFamilyPolicy", Effect.CUTS),
        (SERVICE, 'metadata.annotations["pulumi.com/patchForce"]', Effect.NONE),
        (SERVICE, "metadata.labels.app", Effect.NONE),
        (NAT, "natIps", Effect.CUTS),
        (NAT, "natIps[2]", Effect.CUTS),
        (NAT, "natIpAllocateOption", Effect.CUTS),
        (NAT, "drainNatIps[0]", Effect.MOVES),
        (NAT, "minPortsPerVm", Effect.CUTS),
        (NAT, "enableDynamicPortAllocation", Effect.CUTS),
        (NAT, "udpIdleTimeoutSec", Effect.MOVES),
        (NAT, "logConfig.filter", Effect.NONE),
        (RECORD, "rrdatas[0]", Effect.MOVES),
        (RECORD, "ttl", Effect.NONE),
        (GANDI_RECORD, "rrdatas", Effect.MOVES),
        (GANDI_RECORD, "ttl", Effect.NONE),
        (GANDI_RECORD, "api", Effect.NONE),
        (ZONE, "dnssecConfig", Effect.MOVES),
        (ZONE, "description", Effect.NONE),
        (ZONE, "labels.platform", Effect.NONE),
        (INSTANCE, "settings.ipConfiguration.sslMode", Effect.ACCESS),
        (INSTANCE, "settings.ipConfiguration.authorizedNetworks[0].value", Effect.ACCESS),
        (INSTANCE, "settings.ipConfiguration.serverCaMode", Effect.CUTS),
        (CONNECTION, "reservedPeeringRanges[0]", Effect.CUTS),
        (INSTANCE, "settings.tier", Effect.RESTARTS),
        (INSTANCE, "settings.databaseFlags", Effect.RESTARTS),
        (INSTANCE, "settings.backupConfiguration.pointInTimeRecoveryEnabled", Effect.RESTARTS),
        (INSTANCE, "settings.backupConfiguration.enabled", Effect.RESTARTS),
        (INSTANCE, "settings.backupConfiguration.backupRetentionSettings.retainedBackups", Effect.NONE),
        (INSTANCE, "settings.backupConfiguration.transactionLogRetentionDays", Effect.NONE),
        (INSTANCE, "settings.userLabels", Effect.NONE),
        (INSTANCE, "settings.maintenanceWindow", Effect.NONE),
        (INSTANCE, "settings.diskAutoresizeLimit", Effect.NONE),
        (INSTANCE, "settings.deletionProtectionEnabled", Effect.NONE),
        (INSTANCE, "deletionProtection", Effect.NONE),
        (ADDRESS, "labels", Effect.NONE),
        (ADDRESS, "labels.component", Effect.NONE),
        (ROUTER, "deletionPolicy", Effect.NONE),
    ],
)
def test_a_property_that_is_known_says_what_changing_it_does(type_token: str, path: str, effect: Effect) -> None:
    found, words = effect_of(urn(type_token, "it"), path)
    assert found is effect
    assert words


@pytest.mark.parametrize(
    ("type_token", "path"),
    [
        (ADDRESS, "address"),
        (ADDRESS, "natIps"),  # a rule of another type
        (NAT, "nat64Subnetworks"),
        (GANDI_RECORD, "rrdatasOfTomorrow"),
        (NAT, "natIpsOfTomorrow"),
        (ROUTER, "network"),
        (SERVICE, "spec.loadBalancerIPs"),
        (SERVICE, "spec.healthCheckNodePort"),
        (INSTANCE, "settings.backupConfiguration"),
        (INSTANCE, "databaseVersion"),
        (INSTANCE, "settings.tierOfTomorrow"),
        ("gcp:new/thing:Thing", "anything"),
    ],
)
def test_a_property_that_no_rule_knows_is_never_called_harmless(type_token: str, path: str) -> None:
    assert effect_of(urn(type_token, "it"), path) == (Effect.UNKNOWN, "")


PINNED = 'metadata.annotations["networking.gke.io/load-balancer-ip-addresses"]'


@pytest.mark.parametrize(
    ("type_token", "path", "before", "after", "effect"),
    [
        (SERVICE, PINNED, "udp-ip", "udp-ip,udp-ip-ipv6", Effect.MOVES),
        (SERVICE, PINNED, "udp-ip", "udp-ip-ipv6, udp-ip", Effect.MOVES),
        (SERVICE, PINNED, "udp-ip,udp-ip-ipv6", "udp-ip", Effect.CUTS),
        (SERVICE, PINNED, "udp-ip", "udp-ip-2,udp-ip-ipv6", Effect.CUTS),
        (SERVICE, PINNED, "udp-ip", "udp-ip-2", Effect.CUTS),
        (SERVICE, PINNED, None, "udp-ip", Effect.CUTS),
        (SERVICE, PINNED, "[secret]", "[secret]", Effect.CUTS),
        (SERVICE, "spec.ipFamilies", ["IPv4"], ["IPv4", "IPv6"], Effect.MOVES),
        (SERVICE, "spec.ipFamilies", ["IPv4", "IPv6"], ["IPv4"], Effect.CUTS),
        (SERVICE, "spec.ipFamilies", ["IPv4", "IPv6"], None, Effect.CUTS),
        (SERVICE, "spec.ipFamilies", ["IPv4"], ["IPv6"], Effect.CUTS),
        (SERVICE, "spec.ipFamilies[1]", None, "IPv6", Effect.MOVES),
        (SERVICE, "spec.ipFamilies[1]", "IPv6", None, Effect.CUTS),
        (SERVICE, "spec.ipFamilyPolicy", "SingleStack", "RequireDualStack", Effect.MOVES),
        (SERVICE, "spec.ipFamilyPolicy", "SingleStack", "PreferDualStack", Effect.MOVES),
        (SERVICE, "spec.ipFamilyPolicy", "RequireDualStack", "SingleStack", Effect.CUTS),
        (SERVICE, "spec.ipFamilyPolicy", "RequireDualStack", None, Effect.CUTS),
        (NAT, "natIps[2]", None, "warp-nat-ip-3", Effect.MOVES),
        (NAT, "natIps[2]", "warp-nat-ip-3", None, Effect.CUTS),
    ],
)
def test_what_joins_cuts_nothing_and_what_leaves_does(
    type_token: str, path: str, before: Any, after: Any, effect: Effect
) -> None:
    assert effect_of(urn(type_token, "it"), path, (before, after))[0] is effect


def urn(type_token: str, name: str, component: str = "warp:edge:NatEgressPool") -> str:
    return f"urn:pulumi:prod::warp-edge::{component}${type_token}::{name}"


def step(op: str, type_token: str, name: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "urn": urn(type_token, name), **more}


LINK = "https://www.googleapis.com/compute/v1/projects/warp-prod/regions/us-central1/addresses"
THREE = [f"{LINK}/warp-nat-ip-{number}" for number in (1, 2, 3)]
NAT_LOSES_ONE = step(
    "update",
    NAT,
    "egress-nat",
    oldState={"inputs": {"name": "warp-nat", "natIps": THREE}, "outputs": {"natIps": THREE}},
    newState={"inputs": {"name": "warp-nat", "natIps": THREE[:2]}},
    detailedDiff={"natIps[2]": {"kind": "delete", "inputDiff": False}},
)
SERVICE_MOVES = step(
    "update",
    SERVICE,
    "ingress-udp",
    oldState={
        "inputs": {"metadata": {"namespace": "warp-core", "name": "kamailio-sip-udp"}, "spec": {}},
        "outputs": {"spec": {"externalTrafficPolicy": "Cluster"}},
    },
    newState={
        "inputs": {
            "metadata": {"namespace": "warp-core", "name": "kamailio-sip-udp", "labels": {"a.b/c": "x"}},
            "spec": {"externalTrafficPolicy": "Local"},
        }
    },
    detailedDiff={
        'metadata.labels["a.b/c"]': {"kind": "add", "inputDiff": True},
        "spec.externalTrafficPolicy": {"kind": "update", "inputDiff": False},
        "spec.healthCheckNodePort": {"kind": "delete", "inputDiff": False},
    },
)
RECORD_LED_ELSEWHERE = step(
    "update",
    RECORD,
    "dns-sip-a",
    oldState={"inputs": {}, "outputs": {"rrdatas": ["35.188.144.139"]}},
    newState={"inputs": {"name": "sip.ringer.tel.", "type": "A", "rrdatas": ["34.44.183.87"]}},
    diffReasons=["rrdatas"],
)


def test_an_address_that_leaves_the_gateway_is_reported_first() -> None:
    found = compare([RECORD_LED_ELSEWHERE, SERVICE_MOVES, NAT_LOSES_ONE])
    assert [(each.effect, each.property) for each in found.differences] == [
        (Effect.CUTS, "natIps[2]"),
        (Effect.MOVES, "rrdatas"),
        (Effect.MOVES, "spec.externalTrafficPolicy"),
        (Effect.UNKNOWN, "spec.healthCheckNodePort"),
        (Effect.NONE, 'metadata.labels["a.b/c"]'),
    ]
    first = found.differences[0]
    assert (first.resource, first.cloud, first.settings) == ("RouterNat warp-nat", f"{LINK}/warp-nat-ip-3", "(none)")


def test_annotations_that_are_new_as_a_whole_are_reported_one_by_one() -> None:
    pinned = "networking.gke.io/load-balancer-ip-addresses"
    annotations = {pinned: "kamailio-sip-udp-ip", "pulumi.com/waitFor": "x"}
    pins = step(
        "update",
        SERVICE,
        "ingress-udp",
        oldState={"inputs": {}, "outputs": {}},
        newState={"inputs": {"metadata": {"name": "kamailio-sip-udp", "annotations": annotations}}},
        detailedDiff={"metadata.annotations": {"kind": "add", "inputDiff": False}},
    )
    effects = {each.property: each.effect for each in compare([pins]).differences}
    assert effects == {
        f'metadata.annotations["{pinned}"]': Effect.CUTS,
        'metadata.annotations["pulumi.com/waitFor"]': Effect.NONE,
    }


def test_an_address_that_only_joins_the_gateway_cuts_nothing() -> None:
    joins = step(
        "update",
        NAT,
        "egress-nat",
        oldState={"inputs": {"name": "warp-nat", "natIps": THREE[:2]}, "outputs": {"natIps": THREE[:2]}},
        newState={"inputs": {"name": "warp-nat", "natIps": THREE}},
        detailedDiff={"natIps[2]": {"kind": "add", "inputDiff": False}},
    )
    compared = compare([joins])
    assert [each.effect for each in compared.differences] == [Effect.MOVES]
    assert not compared.cutting


def test_a_difference_shows_what_is_there_and_what_will_be() -> None:
    (policy,) = compare([SERVICE_MOVES]).with_effect(Effect.MOVES)[:1]
    assert str(policy) == (
        "Service warp-core/kamailio-sip-udp  spec.externalTrafficPolicy  Cluster -> Local:"
        " only nodes with a ready pod receive traffic"
    )
    (label,) = compare([SERVICE_MOVES]).with_effect(Effect.NONE)
    assert (label.cloud, label.settings) == ("(none)", "x")


def test_a_whole_list_is_shown_where_the_engine_says_no_more() -> None:
    (record,) = compare([RECORD_LED_ELSEWHERE]).differences
    assert (record.resource, record.cloud, record.settings) == (
        "RecordSet sip.ringer.tel. A",
        '["35.188.144.139"]',
        '["34.44.183.87"]',
    )


def test_what_a_dynamic_provider_changes_is_found_where_the_engine_only_says_that_it_does() -> None:
    """As engine 3.258 tells an update of one: no detailed difference, no reasons."""
    sip = {"name": "sip.ringer.tel.", "type": "A", "ttl": 300, "__provider": "pickled"}
    changed = step(
        "update",
        GANDI_RECORD,
        "dns-gandi-sip-a",
        oldState={"inputs": {}, "outputs": sip | {"rrdatas": ["192.0.2.9"], "notes": []}},
        newState={"inputs": sip | {"rrdatas": ["34.44.183.87"], "__provider": "another"}},
        detailedDiff=None,
        diffReasons=None,
    )
    (found,) = compare([changed]).differences
    assert (found.effect, found.property, found.cloud) == (Effect.MOVES, "rrdatas", '["192.0.2.9"]')


def test_what_is_at_gandi_is_not_said_to_be_created() -> None:
    named = {"inputs": {"name": "sip.ringer.tel.", "type": "A", "rrdatas": ["34.44.183.87"]}}
    found = compare([step("create", GANDI_RECORD, "dns-gandi-sip-a", newState=named)])
    assert (found.creations, found.taken_over) == ((), {"Gandi": ("GandiRecordSet sip.ringer.tel. A",)})


def test_what_is_created_replaced_and_deleted_is_reported_by_name() -> None:
    named = {"inputs": {"name": "warp-nat-ip-4"}}
    found = compare(
        [
            step("create", ADDRESS, "warp-nat-ip-4", newState=named),
            step("create-replacement", ROUTER, "egress-router", newState={"inputs": {"name": "warp-router"}}),
            step("replace", ROUTER, "egress-router", newState={"inputs": {"name": "warp-router"}}),
            step("delete-replaced", ROUTER, "egress-router", oldState={"inputs": {"name": "warp-router"}}),
            step("delete", ADDRESS, "gone", oldState={"inputs": {"name": "warp-nat-ip-3"}}),
            step("same", ZONE, "dns-zone", newState={"inputs": {"name": "ringer-tel"}}),
            step("same", NAT, "egress-nat"),
        ]
    )
    assert found.creations == ("Address warp-nat-ip-4",)
    assert found.replacements == ("Router warp-router",)
    assert found.deletions == ("Address warp-nat-ip-3",)
    assert found.unchanged == 2
    assert found.differences == ()


def test_the_engines_own_records_components_and_passwords_are_no_part_of_the_cloud() -> None:
    found = compare(
        [
            {"op": "create", "urn": "urn:pulumi:prod::warp-edge::pulumi:pulumi:Stack::warp-edge-prod"},
            {"op": "create", "urn": "urn:pulumi:prod::warp-edge::pulumi:providers:kubernetes::cluster"},
            {"op": "create", "urn": "urn:pulumi:prod::warp-edge::warp:edge:SipDns::dns"},
            step("create", "random:index/randomPassword:RandomPassword", "database-password"),
        ]
    )
    assert (found.creations, found.unchanged) == ((), 0)


@pytest.mark.parametrize(
    ("steps", "cutting"),
    [
        ([NAT_LOSES_ONE], True),
        ([step("delete", ADDRESS, "gone")], True),
        ([step("replace", ROUTER, "egress-router")], True),
        ([RECORD_LED_ELSEWHERE], False),
        pytest.param([SERVICE_MOVES, RECORD_LED_ELSEWHERE], True, id="one difference that no rule knows"),
        ([step("create", ADDRESS, "more"), step("same", NAT, "egress-nat")], False),
        ([], False),
    ],
)
def test_an_update_that_would_cut_calls_is_known_as_one(steps: list[dict[str, Any]], cutting: bool) -> None:
    assert compare(steps).cutting is cutting
