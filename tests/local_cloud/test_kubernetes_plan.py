"""The plugin's rules that are not recorded, and that an update does what its plan says."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud import hand
from local_cloud.cloud import Cloud
from local_cloud.kubernetes import plan
from tests.local_cloud.plugin import UNKNOWN, Invalid, Plugin, Props, Refused

CORE, SERVICE = "kubernetes:core/v1", "kubernetes:core/v1:Service"
BOTH = frozenset({plan.CONFIG_MAP, plan.SECRET})


def planned(before: Props, after: Props, mutable: frozenset[str] = frozenset()) -> dict[str, str]:
    """Path -> kind of change, `!` if it replaces."""
    found = plan.changes(before, after, plan.forced(after, mutable))
    return {".".join(map(str, one.path)): one.kind + ("!" if one.replace else "") for one in found}


def thing(version: str, kind: str, **rest: Any) -> Props:
    return {"apiVersion": version, "kind": kind, **rest}


PORTS = [{"name": "sip", "port": 5060}, {"name": "sips", "port": 5061}]
UNRECORDED: list[tuple[str, Props, Props, frozenset[str], dict[str, str]]] = [
    ("a place more", {"spec": {}}, {"spec": {"replicas": 2}}, BOTH, {"spec.replicas": "add"}),
    ("an element more", {"ports": PORTS[:1]}, {"ports": PORTS}, BOTH, {"ports.1": "add"}),
    ("an element less", {"ports": PORTS}, {"ports": PORTS[:1]}, BOTH, {"ports.1": "delete"}),
    (
        "the first element less: by index, not by name",
        {"ports": PORTS},
        {"ports": PORTS[1:]},
        BOTH,
        {"ports.0.name": "update", "ports.0.port": "update", "ports.1": "delete"},
    ),
    ("not known yet", {"data": {"a": "1"}}, {"data": {"a": UNKNOWN}}, BOTH, {"data.a": "update"}),
    ("known as a whole later", {"data": {"a": "1"}}, {"data": UNKNOWN}, BOTH, {"data": "update"}),
    (
        "an immutable ConfigMap",
        thing("v1", "ConfigMap", data={"a": "1"}),
        thing("v1", "ConfigMap", data={"a": "2"}, immutable=True),
        BOTH,
        {"data.a": "update!", "immutable": "add"},
    ),
    (
        "one flag is not the other",
        thing("v1", "Secret", data={"a": "1"}),
        thing("v1", "Secret", data={"a": "2"}),
        frozenset({plan.CONFIG_MAP}),
        {"data.a": "update!"},
    ),
    (
        "a Secret's type, whatever the flags",
        thing("v1", "Secret", type="Opaque"),
        thing("v1", "Secret", type="kubernetes.io/tls"),
        BOTH,
        {"type": "update!"},
    ),
    (
        "a whole spec that has what replaces",
        thing("v1", "Service"),
        thing("v1", "Service", spec={"clusterIP": "None"}),
        BOTH,
        {"spec": "add!"},
    ),
    (
        "a whole spec that has not",
        thing("v1", "Service"),
        thing("v1", "Service", spec={"type": "LoadBalancer"}),
        BOTH,
        {"spec": "add"},
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "mutable", "expected"), [pytest.param(*r[1:], id=r[0]) for r in UNRECORDED]
)
def test_rules_that_no_recording_shows(
    before: Props, after: Props, mutable: frozenset[str], expected: dict[str, str]
) -> None:
    assert planned(before, after, mutable) == expected


def test_inputs_are_kept_without_what_is_empty() -> None:
    given = thing(
        "v1",
        "Service",
        metadata={"name": "x", "labels": {}, "annotations": {"a": ""}, "uid": "theirs"},
        spec={"ports": [{"port": 1, "name": ""}], "loadBalancerIP": "", "publishNotReadyAddresses": False},
    )
    metadata = {"name": "x", "annotations": {"a": ""}}
    assert plan.normalised(SERVICE, given) == thing("v1", "Service", metadata=metadata, spec={"ports": [{"port": 1}]})
    said = thing("apps/v1", "Deployment", spec={"template": {"spec": {"automountServiceAccountToken": False}}})
    assert plan.normalised("kubernetes:apps/v1:Deployment", said) == said


def test_a_secrets_words_are_kept_as_data_and_stay_secret(kubernetes: Plugin) -> None:
    metadata = {"name": "s", "namespace": "warp-core"}
    words = thing("v1", "Secret", metadata=metadata, data={"a": "MQ=="}, stringData={"a": "2", "b": "3"})
    made = kubernetes.create(f"{CORE}:Secret", "s", words)
    assert made.inputs["data"] == made.outputs["data"] == {"a": "Mg==", "b": "Mw=="}
    assert made.secrets == {"data"}
    assert kubernetes.diff(made, words).changes == {}
    assert kubernetes.diff(made, {**words, "stringData": {"a": "2"}}).changes == {"data.b": "delete_replace"}
    read = kubernetes.read(made)
    assert read is not None
    assert read.inputs["data"] == {"a": "Mg==", "b": "Mw=="}
    unknown = {**words, "stringData": {"a": UNKNOWN}}
    assert kubernetes.check(f"{CORE}:Secret", "s", unknown)["stringData"] == {"a": UNKNOWN}


def test_an_object_with_a_made_up_name_is_made_before_the_old_one_goes(kubernetes: Plugin) -> None:
    made = kubernetes.create(f"{CORE}:ConfigMap", "c", thing("v1", "ConfigMap", data={"a": "1"}))
    edited = kubernetes.diff(made, thing("v1", "ConfigMap", data={"a": "2"}))
    assert edited.changes == {"data.a": "update_replace"}
    assert not edited.delete_before_replace


def test_what_is_left_out_is_gone_after_the_update(kubernetes: Plugin) -> None:
    mutable = kubernetes.another(enableConfigMapMutable="true", enableSecretMutable="true")
    metadata = {"name": "c", "namespace": "warp-core", "labels": {"a": "1", "b": "2"}}
    made = mutable.create(
        f"{CORE}:ConfigMap", "c", thing("v1", "ConfigMap", metadata=metadata, data={"a": "1", "b": "2"})
    )
    less = thing("v1", "ConfigMap", metadata={**metadata, "labels": {"a": "1"}}, data={"a": "3"})
    assert mutable.diff(made, less).changes == {"metadata.labels.b": "delete", "data.a": "update", "data.b": "delete"}
    after = mutable.update(made, less)
    assert after.outputs["data"] == {"a": "3"}
    assert after.outputs["metadata"]["labels"] == {"a": "1"}
    assert mutable.diff(after, less).changes == {}


def test_what_kubectl_changed_shows_after_a_refresh_and_conflicts_only_when_it_is_put_back(
    kubernetes: Plugin, cloud: Cloud
) -> None:
    metadata = {"name": "s", "namespace": "warp-core", "annotations": {"pulumi.com/skipAwait": "true"}}
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 5060, "protocol": "UDP"}]}
    ours = thing("v1", "Service", metadata=metadata, spec=spec)
    made = kubernetes.create(SERVICE, "s", ours)
    with cloud.change("hand") as tx:
        hand.change(tx, SERVICE, "warp-core/s", "spec.externalTrafficPolicy", "Cluster")
    assert kubernetes.diff(made, ours).changes == {}, "a preview does not query the cluster"
    read = kubernetes.read(made)
    assert read is not None
    assert kubernetes.diff(read, ours).changes == {"spec.externalTrafficPolicy": "update"}
    with pytest.raises(Refused, match=r'"kubectl-edit" using v1: \.spec\.externalTrafficPolicy'):
        kubernetes.update(read, ours, preview=True)


OTHERS: list[tuple[str, Props]] = [
    ("kubernetes:core/v1:ServiceAccount", thing("v1", "ServiceAccount")),
    ("kubernetes:batch/v1:Job", thing("batch/v1", "Job", spec={"backoffLimit": 1})),
    ("kubernetes:batch/v1:CronJob", thing("batch/v1", "CronJob", spec={"schedule": "0 3 * * *"})),
    (
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}}),
    ),
    (
        "kubernetes:policy/v1:PodDisruptionBudget",
        thing("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1}),
    ),
    ("kubernetes:rbac.authorization.k8s.io/v1:Role", thing("rbac.authorization.k8s.io/v1", "Role")),
    ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", thing("rbac.authorization.k8s.io/v1", "RoleBinding")),
]


@pytest.mark.parametrize(("token", "given"), OTHERS)
def test_kinds_without_a_controller_live_and_go_and_have_only_their_fields(
    kubernetes: Plugin, token: str, given: Props
) -> None:
    inputs = {**given, "metadata": {"name": "x", "namespace": "warp-core", "labels": {"a": "b"}}}
    made = kubernetes.create(token, "x", inputs)
    assert kubernetes.diff(made, inputs).changes == {}
    assert (read := kubernetes.read(made)) and read.inputs == made.inputs
    with pytest.raises(Invalid, match=r"\.nonsense: field not declared in schema"):
        kubernetes.diff(made, {**inputs, "nonsense": 1})
    kubernetes.delete(made)
    assert kubernetes.read(made) is None
