"""What the engine tells as a subtree, compared leaf by leaf: an imported Service above all."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from engine.differences import Difference, compare
from engine.effects import Effect
from engine.leaves import Leaf, Sides, changed_leaves, parsed

Json = dict[str, Any]
SERVICE = "kubernetes:core/v1:Service"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
ADDRESS = "gcp:compute/address:Address"
ACL = "pulumi-python:dynamic/warp:TrunkAcl"
NAMED = {"namespace": "warp-core", "name": "kamailio-sip-udp"}
# Of a preview after `pulumi import` (kubernetes plugin 4.32, API server 1.33): three entries, whatever differs.
IMPORTED = {
    path: {"diffKind": "add", "inputDiff": False} for path in ("spec", "metadata.labels", "metadata.annotations")
}
# A Service made with kubectl, as an API server completes it.
LIVE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        **NAMED,
        "uid": "0f6d",
        "resourceVersion": "41",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "labels": {"app": "kamailio"},
        "managedFields": [{"manager": "kubectl-client-side-apply"}],
    },
    "spec": {
        "allocateLoadBalancerNodePorts": True,
        "clusterIP": "10.0.0.7",
        "clusterIPs": ["10.0.0.7"],
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "loadBalancerIP": "34.44.183.87",
        "ports": [
            {"name": "sip-alt", "nodePort": 30101, "port": 5080, "protocol": "UDP", "targetPort": 5080},
            {"name": "sip", "nodePort": 30100, "port": 5060, "protocol": "UDP", "targetPort": 5060},
        ],
        "selector": {"app": "kamailio"},
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
        "type": "LoadBalancer",
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "34.44.183.87", "ipMode": "VIP"}]}},
}
WANTED: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {**NAMED, "labels": {"platform": "warp"}, "annotations": {"pulumi.com/patchForce": "true"}},
    "spec": {
        "externalTrafficPolicy": "Local",
        "loadBalancerIP": "34.44.183.87",
        "ports": [
            {"name": "sip", "port": 5060, "protocol": "UDP", "targetPort": 5060},
            {"name": "sip-alt", "port": 5080, "protocol": "UDP", "targetPort": 5080},
        ],
        "selector": {"app": "kamailio"},
        "sessionAffinity": "ClientIP",
        "type": "LoadBalancer",
    },
}


def step(type_token: str, asked: Json, live: Json, wanted: Json, reported: Json | None, **more: Any) -> Json:
    return {
        "op": "update",
        "urn": f"urn:pulumi:prod::warp-edge::warp:edge:SipIngress${type_token}::ingress-udp",
        "oldState": {"inputs": asked, "outputs": live},
        "newState": {"inputs": wanted},
        "detailedDiff": reported,
        **more,
    }


def imported(change: Json | None = None, live: Json | None = None) -> list[Difference]:
    """The differences after an import, with another `spec` wanted or there."""
    wanted, there = copy.deepcopy(WANTED), copy.deepcopy(LIVE)
    wanted["spec"] |= change or {}
    there["spec"] |= live or {}
    return list(compare([step(SERVICE, {"metadata": NAMED}, there, wanted, IMPORTED)]).differences)


def test_of_an_imported_service_the_one_field_that_moves_traffic_is_reported_by_itself() -> None:
    found = imported()
    assert [str(each) for each in found] == [
        "Service warp-core/kamailio-sip-udp  spec.externalTrafficPolicy  Cluster -> Local:"
        " only nodes with a ready pod receive traffic",
        'Service warp-core/kamailio-sip-udp  metadata.annotations["pulumi.com/patchForce"]  (none) -> true:'
        " read by people and tools",
        "Service warp-core/kamailio-sip-udp  metadata.labels.platform  (none) -> warp: read by people and tools",
    ]


def test_an_imported_service_that_is_as_wanted_has_no_effect_and_is_still_named() -> None:
    live = {"spec": copy.deepcopy(WANTED["spec"]), "metadata": {**WANTED["metadata"], "uid": "0f6d"}}
    (only,) = compare([step(SERVICE, {"metadata": NAMED}, live, WANTED, IMPORTED)]).differences
    assert (only.effect, only.property) == (Effect.NONE, "metadata.annotations, metadata.labels, spec")
    assert "->" not in str(only)


@pytest.mark.parametrize(
    ("change", "live", "reported"),
    [
        pytest.param({"type": "ClusterIP"}, {}, ("spec.type", "LoadBalancer", "ClusterIP"), id="another type"),
        pytest.param(
            {}, {"loadBalancerIP": "192.0.2.9"}, ("spec.loadBalancerIP", "192.0.2.9", "34.44.183.87"), id="ip"
        ),
        pytest.param(
            {"ports": [{"name": "sip", "port": 5060, "protocol": "UDP", "targetPort": 5070}]},
            {},
            ("spec.ports[5060/UDP].targetPort", "5060", "5070"),
            id="another target of the port, which is at another place there",
        ),
        pytest.param(
            {"ports": [{"name": "sip", "port": 5062, "protocol": "UDP"}]},
            {},
            ("spec.ports[5062/UDP]", "(none)", '{"name": "sip", "port": 5062, "protocol": "UDP"}'),
            id="another port",
        ),
        pytest.param(
            {"ports": [{"name": "sip", "port": 5060}]},
            {},
            ("spec.ports[5060/TCP]", "(none)", '{"name": "sip", "port": 5060}'),
            id="TCP is what a port has that says nothing",
        ),
        pytest.param({"selector": {"app": "new"}}, {}, ("spec.selector.app", "kamailio", "new"), id="other pods"),
        pytest.param(
            {},
            {"selector": {"app": "kamailio", "track": "blue"}},
            ("spec.selector.track", "blue", "(none)"),
            id="a selector has one owner: what is not named goes",
        ),
    ],
)
def test_what_would_cut_calls_is_reported_leaf_by_leaf(
    change: Json, live: Json, reported: tuple[str, str, str]
) -> None:
    found = [each for each in imported(change, live) if each.effect is Effect.CUTS]
    assert [(each.property, each.cloud, each.settings) for each in found] == [reported]


def test_a_port_that_kubectl_owns_and_the_settings_do_not_name_stays() -> None:
    """docs/adopt.md, trap 1: an apply leaves it, so it is no change."""
    ports = [{"name": "sip", "port": 5060, "protocol": "UDP", "targetPort": 5060}]
    assert [each.property for each in imported({"ports": ports}) if each.effect.matters] == [
        "spec.externalTrafficPolicy"
    ]


def test_a_port_that_we_asked_for_and_no_longer_name_goes() -> None:
    wanted = copy.deepcopy(WANTED)
    wanted["spec"] |= {"externalTrafficPolicy": "Cluster", "ports": WANTED["spec"]["ports"][:1]}
    reported = {"spec.ports[1]": {"diffKind": "delete", "inputDiff": True}}
    (gone,) = compare([step(SERVICE, WANTED, LIVE, wanted, reported)]).differences
    assert (gone.effect, gone.property, gone.settings) == (Effect.CUTS, "spec.ports[5080/UDP]", "(none)")


def test_of_a_port_only_that_is_dropped_which_the_engine_says() -> None:
    """A state that was read from the cluster holds what the server decided as well."""
    wanted = copy.deepcopy(WANTED)
    del wanted["spec"]["ports"][0]["targetPort"]
    reported = {"spec.ports[1].targetPort": {"diffKind": "delete", "inputDiff": True}}
    (gone,) = compare([step(SERVICE, LIVE, LIVE, wanted, reported)]).differences
    assert (gone.property, gone.cloud, gone.settings) == ("spec.ports[5060/UDP].targetPort", "5060", "(none)")


def test_ports_in_another_order_are_no_change() -> None:
    wanted = copy.deepcopy(WANTED)
    wanted["spec"]["ports"].reverse()
    reported = {f"spec.ports[{n}].{name}": {"diffKind": "update"} for n in (0, 1) for name in ("name", "port")}
    (only,) = compare([step(SERVICE, WANTED, LIVE, wanted, reported)]).differences
    assert only.effect is Effect.NONE


def test_the_last_annotation_that_goes_is_named() -> None:
    """Recorded (kubernetes plugin 4.32): the answer to it is `metadata.annotations`, deleted from the inputs."""
    wanted = copy.deepcopy(WANTED)
    del wanted["metadata"]["annotations"]
    reported = {"metadata.annotations": {"diffKind": "delete", "inputDiff": True}}
    live = {**LIVE, "metadata": {**LIVE["metadata"], **WANTED["metadata"]}}
    (only,) = compare([step(SERVICE, WANTED, live, wanted, reported)]).differences
    assert (only.property, only.cloud, only.settings) == (
        'metadata.annotations["pulumi.com/patchForce"]',
        "true",
        "(none)",
    )


def test_a_container_is_known_by_its_name_and_so_is_what_it_reads() -> None:
    def deployment(place: int) -> Json:
        env = [{"name": "A", "value": "1"}, {"name": "TABLE", "value": "mtree" if place else "permissions"}]
        pod = {"containers": [{"name": "reloader", "image": f"reloader:{place}", "env": env}]}
        return {"metadata": NAMED, "spec": {"template": {"spec": pod}}}

    first = "spec.template.spec.containers[0]"
    reported = {f"{first}.image": {"diffKind": "update"}, f"{first}.env[1].value": {"diffKind": "update"}}
    found = compare([step(DEPLOYMENT, deployment(0), deployment(0), deployment(1), reported)]).differences
    assert {each.property: (each.cloud, each.settings) for each in found} == {
        "spec.template.spec.containers[reloader].image": ("reloader:0", "reloader:1"),
        "spec.template.spec.containers[reloader].env[TABLE].value": ("permissions", "mtree"),
    }
    assert {each.effect for each in found} == {Effect.RELOADER}


def test_a_block_that_is_new_as_a_whole_is_reported_leaf_by_leaf() -> None:
    live = {"settings": {"tier": "db-f1-micro", "maintenanceWindow": None}}
    wanted = {"settings": {"tier": "db-f1-micro", "maintenanceWindow": {"__defaults": [], "day": 7, "hour": 3}}}
    reported = {"settings.maintenanceWindow": {"diffKind": "add", "inputDiff": False}}
    found = compare([step(INSTANCE, {}, live, wanted, reported)]).differences
    assert [(each.property, each.cloud, each.settings) for each in found] == [
        ("settings.maintenanceWindow.day", "(none)", "7"),
        ("settings.maintenanceWindow.hour", "(none)", "3"),
    ]


def test_a_plain_list_stays_one_value() -> None:
    sides = Sides({"rrdatas": ["192.0.2.1"]}, {}, {"rrdatas": ["192.0.2.1", "192.0.2.2"]})
    assert changed_leaves(sides, {"rrdatas": "update"}, kubernetes=False) == [
        Leaf("rrdatas", ["192.0.2.1"], ["192.0.2.1", "192.0.2.2"])
    ]


def test_two_secrets_are_never_taken_for_the_same() -> None:
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "hunter2"}
    live, wanted = {"data": mark}, {"data": {"A": mark}}
    found = compare([step("kubernetes:core/v1:Secret", {}, live, wanted, {"data": {"diffKind": "add"}})]).differences
    assert [(each.property, each.cloud, each.settings) for each in found] == [("data.A", "[secret]", "[secret]")]


def test_what_is_not_known_yet_is_said_in_words() -> None:
    wanted = {"spec": {"externalName": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}
    (only,) = compare([step(SERVICE, {}, {"spec": {}}, wanted, {"spec": {"diffKind": "add"}})]).differences
    assert only.settings == "assigned at update"


def test_of_a_text_the_lines_that_change_are_shown_and_not_all_of_it() -> None:
    old = "\n".join(f"line {n}" for n in range(2000))
    fragment = {"data": {"ip_auth.cfg": old}}
    new = {"data": {"ip_auth.cfg": old.replace("line 7\n", "line seven\n")}}
    reported = {'data["ip_auth.cfg"]': {"diffKind": "update"}}
    (only,) = compare([step("kubernetes:core/v1:ConfigMap", fragment, fragment, new, reported)]).differences
    assert (only.effect, only.property) == (Effect.LATER, 'data["ip_auth.cfg"]')
    assert (only.cloud, only.settings) == ("line 7", "line seven")
    (only,) = compare([step("kubernetes:core/v1:ConfigMap", {}, {}, new, reported)]).differences
    assert only.settings == "line 0; line 1; line 2 and 1,997 more lines"


def test_a_dynamic_provider_that_says_nothing_is_compared_key_by_key() -> None:
    """What only its outputs have is its own to decide."""
    live = {"trunks": {"100001": "acme 1", "100002": "globex 1"}, "host": "10.0.0.3", "notes": ["taken over"]}
    wanted = {"trunks": {"100001": "acme 2", "100002": "globex 1"}, "host": "10.0.0.3", "__provider": "x"}
    found = compare([step(ACL, {}, live, wanted, None, diffReasons=None)]).differences
    assert [(each.effect, each.property, each.cloud, each.settings) for each in found] == [
        (Effect.ACCESS, "trunks.100001", "acme 1", "acme 2")
    ]


def test_a_dynamic_provider_of_another_release_changes_nothing_by_itself() -> None:
    (only,) = compare([step(ACL, {}, {"host": "a"}, {"host": "a", "__provider": "x"}, None)]).differences
    assert (only.effect, only.property) == (Effect.NONE, "__provider")


@pytest.mark.parametrize("reported", [None, {"settings": {"diffKind": "update"}}])
def test_a_change_that_the_engine_does_not_explain_is_not_called_harmless(reported: Json | None) -> None:
    same = {"settings": {"tier": "db-f1-micro"}}
    (only,) = compare([step(INSTANCE, same, same, same, reported)]).differences
    assert only.effect is Effect.UNKNOWN


def test_labels_of_the_providers_settings_are_reported_though_only_its_mirrors_change() -> None:
    """`gcp:defaultLabels` (recorded, gcp plugin 9.35): secret outputs, and no input of the resource."""
    reported = {f"{mirror}.team": {"diffKind": "add"} for mirror in ("effectiveLabels", "pulumiLabels")}
    address = {"name": "warp-nat-ip-1", "labels": {"platform": "warp"}}
    (only,) = compare([step(ADDRESS, address, address, address, reported)]).differences
    assert (only.effect, only.property) == (Effect.NONE, "effectiveLabels, pulumiLabels")


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec.ports[0].name", ("spec", "ports", 0, "name")),
        ('metadata.labels["a.b/c"]', ("metadata", "labels", "a.b/c")),
        ('data["a\\"b"].c', ("data", 'a"b', "c")),
        ("trunks.10001", ("trunks", "10001")),
    ],
)
def test_a_path_is_read_as_the_engine_writes_it(path: str, steps: tuple[str | int, ...]) -> None:
    assert parsed(path) == steps
