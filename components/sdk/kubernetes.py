"""Kubernetes' resource types, as in manifests: kubernetes.io/docs/reference/kubernetes-api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pulumi import Input

from components.sdk.resource import KUBERNETES, Known, Resource
from engine import tokens


class ObjectMeta(TypedDict, total=False):
    """`metadata`."""

    name: Input[str]
    namespace: Input[str]
    labels: Input[Mapping[str, str]]
    annotations: Mapping[str, Input[str]] | None


class ServicePort(TypedDict, total=False):
    """One of a Service's ports."""

    name: Input[str]
    port: Input[int]
    targetPort: Input[int]
    protocol: Input[str]


class ClientIPConfig(TypedDict):
    """`clientIP` of a session affinity."""

    timeoutSeconds: Input[int]


class SessionAffinityConfig(TypedDict):
    """Of session affinity `ClientIP`."""

    clientIP: ClientIPConfig


class ServiceSpec(TypedDict, total=False):
    """`spec` of a Service."""

    type: Input[str]
    clusterIP: Input[str]
    publishNotReadyAddresses: Input[bool]
    externalTrafficPolicy: Input[str]
    sessionAffinity: Input[str]
    sessionAffinityConfig: SessionAffinityConfig
    selector: Input[Mapping[str, str]]
    ports: Sequence[ServicePort]
    loadBalancerIP: Input[str]
    loadBalancerClass: Input[str]
    loadBalancerSourceRanges: Input[Sequence[Input[str]]] | None
    ipFamilyPolicy: Input[str] | None
    ipFamilies: Input[Sequence[Input[str]]] | None


class ServiceInputs(TypedDict):
    """A Service."""

    metadata: ObjectMeta
    spec: ServiceSpec


class Service(
    Resource[ServiceInputs],
    token=tokens.SERVICE,
    package=KUBERNETES,
    constant={"apiVersion": "v1", "kind": "Service"},
):
    """A Service."""


class ConfigMapInputs(TypedDict):
    """A ConfigMap."""

    metadata: ObjectMeta
    data: Mapping[str, Input[str]]


class ConfigMap(
    Resource[ConfigMapInputs],
    token=tokens.CONFIG_MAP,
    package=KUBERNETES,
    constant={"apiVersion": "v1", "kind": "ConfigMap"},
):
    """A ConfigMap."""

    metadata = Known[Mapping[str, Any]]("metadata")
    data = Known[Mapping[str, str]]("data")


class SecretInputs(TypedDict):
    """A Secret."""

    metadata: ObjectMeta
    stringData: Mapping[str, Input[str]]


class Secret(
    Resource[SecretInputs],
    token=tokens.KUBERNETES_SECRET,
    package=KUBERNETES,
    constant={"apiVersion": "v1", "kind": "Secret"},
    secret=("data", "stringData"),
):
    """A Secret."""

    metadata = Known[Mapping[str, Any]]("metadata")


class DeploymentInputs(TypedDict):
    """A Deployment. Its `spec` is validated against the published schema (tests/unit/test_manifests.py)."""

    metadata: ObjectMeta
    spec: Mapping[str, Any]


class Deployment(
    Resource[DeploymentInputs],
    token=tokens.DEPLOYMENT,
    package=KUBERNETES,
    constant={"apiVersion": "apps/v1", "kind": "Deployment"},
):
    """A Deployment."""
