"""Fields that an object may have: those of the SDK's input classes, generated from the API's published schema."""

from __future__ import annotations

import importlib
import threading
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from pulumi import _types  # the only source of a class's wire names

from local_cloud.errors import CheckFailure
from local_cloud.values import UNKNOWN, Props

# Module and class of the SDK, or of this package for a custom resource; loaded on first use of the kind, as each module
# is large.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "kubernetes:core/v1:Service": ("core.v1", "ServiceInitArgs"),
    "kubernetes:core/v1:Namespace": ("core.v1", "NamespaceInitArgs"),
    "kubernetes:core/v1:ConfigMap": ("core.v1", "ConfigMapInitArgs"),
    "kubernetes:core/v1:Secret": ("core.v1", "SecretInitArgs"),
    "kubernetes:core/v1:ServiceAccount": ("core.v1", "ServiceAccountInitArgs"),
    "kubernetes:apps/v1:Deployment": ("apps.v1", "DeploymentInitArgs"),
    "kubernetes:batch/v1:CronJob": ("batch.v1", "CronJobInitArgs"),
    "kubernetes:batch/v1:Job": ("batch.v1", "JobInitArgs"),
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": ("networking.v1", "NetworkPolicyInitArgs"),
    "kubernetes:policy/v1:PodDisruptionBudget": ("policy.v1", "PodDisruptionBudgetInitArgs"),
    "kubernetes:monitoring.googleapis.com/v1:PodMonitoring": (
        "local_cloud.kubernetes.pod_monitoring",
        "PodMonitoringInitArgs",
    ),
    "kubernetes:rbac.authorization.k8s.io/v1:Role": ("rbac.v1", "RoleInitArgs"),
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding": ("rbac.v1", "RoleBindingInitArgs"),
}


# The SDK's modules are loaded lazily. If two threads access one at once, Python before 3.12 may raise AttributeError in
# one of them (github.com/python/cpython/issues/114763).
_LOADING = threading.RLock()


@cache
def input_class(token: str) -> type:
    """The SDK's class of a kind's inputs."""
    module, name = KINDS[token]
    with _LOADING:
        ours = module.startswith("local_cloud.")
        found: type = getattr(importlib.import_module(module if ours else f"pulumi_kubernetes.{module}"), name)
    return found


def unknown_fields(token: str, inputs: Props) -> list[CheckFailure]:
    """Every field that the kind does not have, with the API server's message."""
    failures = _unknown(input_class(token), inputs, "")
    return [CheckFailure(path.lstrip("."), f"{path}: field not declared in schema") for path in failures]


def _unknown(cls: type, value: Any, path: str) -> Iterator[str]:
    if value == UNKNOWN or not isinstance(value, dict):
        return
    known = fields(cls)
    for name, inner in value.items():
        here = f"{path}.{name}"
        if name not in known:
            yield here
            continue
        nested = known[name]
        if nested is None:
            continue
        if isinstance(inner, list):
            for index, item in enumerate(inner):
                yield from _unknown(nested, item, f"{here}[{index}]")
        else:
            yield from _unknown(nested, inner, here)


@cache
def fields(cls: type) -> dict[str, type | None]:
    """Wire names of a class's fields, with the class of those that are objects."""
    with _LOADING:
        types = _types.input_type_types(cls)
    return {name: _object_class(types[name]) for name in _types.input_type_py_to_pulumi_names(cls).values()}


def _object_class(annotation: Any) -> type | None:
    """The input class inside Input[Optional[...]], Sequence[...] and the like; maps of plain values have none."""
    if isinstance(annotation, type) and _types.is_input_type(annotation):
        return annotation
    if typing.get_origin(annotation) in (Mapping, dict):
        return None
    for argument in typing.get_args(annotation):
        found = _object_class(argument)
        if found is not None:
            return found
    return None
