"""How the program reaches the cluster, and that no credential of it ends up in the state."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.stacks import Config, changed, stack_config
from tests.unit.recording import Edge, declare_once

PROVIDER = "pulumi:providers:kubernetes"
LOOK_UP = "gcp:container/getCluster:getCluster"


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


def test_whoever_runs_the_engine_signs_in_as_themselves() -> None:
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
    edge = declare_once(with_cluster(access="kubeconfig", context="kind-sip"))
    (provider,) = edge.of_type(PROVIDER)
    assert provider.inputs["context"] == "kind-sip"
    assert provider.inputs["clusterIdentifier"] == "warp-prod/us-central1/cluster"
    assert "kubeconfig" not in provider.inputs
    assert LOOK_UP not in [token for token, _ in edge.cloud.invocations]
