"""Kubernetes' resource types, as in manifests: kubernetes.io/docs/reference/kubernetes-api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.sdk.resource import KUBERNETES, Known, Resource
from engine import tokens


class Service(Resource, token=tokens.SERVICE, package=KUBERNETES):
    """A Service."""


class ConfigMap(Resource, token=tokens.CONFIG_MAP, package=KUBERNETES):
    """A ConfigMap."""

    metadata = Known[Mapping[str, Any]]("metadata")
    data = Known[Mapping[str, str]]("data")


class Secret(Resource, token=tokens.KUBERNETES_SECRET, package=KUBERNETES, secret=("data", "stringData")):
    """A Secret."""

    metadata = Known[Mapping[str, Any]]("metadata")


class Deployment(Resource, token=tokens.DEPLOYMENT, package=KUBERNETES):
    """A Deployment. Its `spec` is validated against the published schema (tests/unit/test_manifests.py)."""


class ServiceAccount(Resource, token=tokens.SERVICE_ACCOUNT, package=KUBERNETES):
    """A ServiceAccount."""


class Role(Resource, token=tokens.ROLE, package=KUBERNETES):
    """A Role of a namespace."""


class RoleBinding(Resource, token=tokens.ROLE_BINDING, package=KUBERNETES):
    """A RoleBinding."""


class NetworkPolicy(Resource, token=tokens.NETWORK_POLICY, package=KUBERNETES):
    """A NetworkPolicy."""


class PodDisruptionBudget(Resource, token=tokens.DISRUPTION_BUDGET, package=KUBERNETES):
    """A PodDisruptionBudget."""


class PodMonitoring(Resource, token=tokens.POD_MONITORING, package=KUBERNETES):
    """A PodMonitoring of Google Cloud's Managed Service for Prometheus: a custom resource, which the cluster only knows
    with managed collection (github.com/GoogleCloudPlatform/prometheus-engine, doc/api.md)."""
