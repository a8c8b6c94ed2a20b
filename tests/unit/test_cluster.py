"""How the program reaches the cluster, and that no credential of it ends up in the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.stacks import Config, changed, stack_config
from tests.unit.recording import Edge, declare, declare_once

CONTEXTS = {"contexts": [{"name": "prod", "context": {}}, {"name": "kind-sip", "context": {}}]}
PROVIDER = "pulumi:providers:kubernetes"
LOOK_UP = "gcp:container/getCluster:getCluster"


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(CONTEXTS))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def with_cluster(**cluster: str) -> Config:
    return changed(stack_config("prod"), ("warp-edge:cluster",), cluster)


def kubeconfig_of(edge: Edge) -> Any:
    (provider,) = edge.of_type(PROVIDER)
    return json.loads(provider.inputs["kubeconfig"])


@pytest.mark.parametrize(
    ("cluster", "location"),
    [
        ({"name": "warp-cluster"}, "us-central1"),
        ({"name": "warp-cluster", "location": "us-central1-b"}, "us-central1-b"),
    ],
)
def test_a_gke_cluster_is_looked_up_by_name_where_it_is(cluster: Config, location: str) -> None:
    edge = declare_once(with_cluster(**cluster))
    look_ups = [asked for token, asked in edge.cloud.invocations if token == LOOK_UP]
    assert look_ups == [{"name": "warp-cluster", "location": location, "project": "warp-prod"}]
    (known,) = kubeconfig_of(edge)["clusters"]
    assert known["cluster"] == {"server": "https://192.0.2.1", "certificate-authority-data": "Q0E="}


def test_the_engines_user_signs_in_with_their_own_identity() -> None:
    config = kubeconfig_of(declare_once(with_cluster(name="warp-cluster")))
    (user,) = config["users"]
    assert list(user["user"]) == ["exec"]
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert user["user"]["exec"]["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    (context,) = config["contexts"]
    assert config["current-context"] == context["name"]
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": user["name"]}


@pytest.mark.parametrize("access", [{"name": "warp-cluster"}, {"access": "kubeconfig", "context": "prod"}])
def test_data_of_config_maps_and_secrets_changes_in_place(access: dict[str, str]) -> None:
    (provider,) = declare_once(with_cluster(**access)).of_type(PROVIDER)
    assert provider.inputs["enableConfigMapMutable"] == provider.inputs["enableSecretMutable"] == "true"


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()


def test_no_credential_is_in_the_state() -> None:
    """The fields of a kubeconfig that hold one (kubernetes.io, client-go `AuthInfo`)."""
    held = {"token", "tokenFile", "password", "username", "client-key", "client-key-data", "client-certificate-data"}
    assert not held & keys(kubeconfig_of(declare_once(with_cluster(name="warp-cluster"))))


def test_a_cluster_stays_the_same_one_whatever_its_endpoint_is() -> None:
    (provider,) = declare_once(with_cluster(name="warp-cluster")).of_type(PROVIDER)
    assert provider.inputs["clusterIdentifier"] == "warp-prod/us-central1/warp-cluster"


def test_a_context_of_the_kubeconfig_needs_no_look_up() -> None:
    edge = declare(with_cluster(access="kubeconfig", context="kind-sip"))
    (provider,) = edge.of_type(PROVIDER)
    assert provider.inputs["context"] == "kind-sip"
    assert provider.inputs["clusterIdentifier"] == "warp-prod/us-central1/cluster"
    assert LOOK_UP not in [token for token, _ in edge.cloud.invocations]


def refusal(context: str) -> str:
    with pytest.raises(pulumi.RunError) as error:
        declare(with_cluster(access="kubeconfig", context=context))
    return str(error.value)


def test_a_context_that_does_not_exist_is_refused_with_key_and_remedy(kubeconfig: Path) -> None:
    text = refusal("prd")
    assert text.startswith(f"there is no context prd in {kubeconfig}\n  -> correct warp-edge:cluster.context")
    assert "kubectl config get-contexts" in text


def test_without_a_kubeconfig_there_is_no_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "which has no kubeconfig" in refusal("prod")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(json.dumps(CONTEXTS))
    assert "there is no context prd in ~/.kube/config" in refusal("prd")
    declare(with_cluster(access="kubeconfig", context="prod"))


def test_the_plugin_finds_a_context_in_a_list_of_files_and_in_the_text_itself(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_text("contexts:\n- {name: lab, context: {}}\n")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{kubeconfig}:{other}")
    for context in ("lab", "prod"):
        declare(with_cluster(access="kubeconfig", context=context))
    assert f"in {kubeconfig} or {other}" in refusal("prd")
    monkeypatch.setenv("KUBECONFIG", other.read_text())
    declare(with_cluster(access="kubeconfig", context="lab"))
    assert "there is no context prod in KUBECONFIG" in refusal("prod")


@pytest.mark.parametrize("text", ["a: [b", "contexts: 5", "contexts: [a]", "contexts: [{}]"])
def test_a_kubeconfig_that_cannot_be_read_is_the_plugins_to_refuse(kubeconfig: Path, text: str) -> None:
    kubeconfig.write_text(text)
    declare(with_cluster(access="kubeconfig", context="prod"))
