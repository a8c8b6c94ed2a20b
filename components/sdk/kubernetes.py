"""Kubernetes' resource types, as in manifests: kubernetes.io/docs/reference/kubernetes-api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.sdk.resource import KUBERNETES, Known, Resource
from engine import tokens


class Service(Resource, token=tokens.SERVICE, package=KUBERNETES, constant={"apiVersion": "v1", "kind": "Service"}):
    """A Service."""


class ConfigMap(
    Resource, token=tokens.CONFIG_MAP, package=KUBERNETES, constant={"apiVersion": "v1", "kind": "ConfigMap"}
):
    """A ConfigMap."""

    metadata = Known[Mapping[str, Any]]("metadata")
    data = Known[Mapping[str, str]]("data")


class Secret(
    Resource,
    token=tokens.KUBERNETES_SECRET,
    package=KUBERNETES,
    constant={"apiVersion": "v1", "kind": "Secret"},
    secret=("data", "stringData"),
):
    """A Secret."""

    metadata = Known[Mapping[str, Any]]("metadata")


class Deployment(
    Resource, token=tokens.DEPLOYMENT, package=KUBERNETES, constant={"apiVersion": "apps/v1", "kind": "Deployment"}
):
    """A Deployment. Its `spec` is validated against the published schema (tests/unit/test_manifests.py)."""


class ServiceAccount(
    Resource,
    token=tokens.SERVICE_ACCOUNT,
    package=KUBERNETES,
    constant={"apiVersion": "v1", "kind": "ServiceAccount"},
):
    """A ServiceAccount."""


class Role(
    Resource,
    token=tokens.ROLE,
    package=KUBERNETES,
    constant={"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"},
):
    """A Role of a namespace."""


class RoleBinding(
    Resource,
    token=tokens.ROLE_BINDING,
    package=KUBERNETES,
    constant={"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"},
):
    """A RoleBinding."""


class NetworkPolicy(
    Resource,
    token=tokens.NETWORK_POLICY,
    package=KUBERNETES,
    constant={"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"},
):
    """A NetworkPolicy."""


class PodDisruptionBudget(
    Resource,
    token=tokens.DISRUPTION_BUDGET,
    package=KUBERNETES,
    constant={"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"},
):
    """A PodDisruptionBudget."""


class PodMonitoring(
    Resource,
    token=tokens.POD_MONITORING,
    package=KUBERNETES,
    constant={"apiVersion": "monitoring.googleapis.com/v1", "kind": "PodMonitoring"},
):
    """A PodMonitoring of Google Cloud's Managed Service for Prometheus: a custom resource, which the cluster only knows
    with managed collection (github.com/GoogleCloudPlatform/prometheus-engine, doc/api.md)."""
