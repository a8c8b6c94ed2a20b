"""What identifies an element of a list: `x-kubernetes-list-map-keys` in Kubernetes' own OpenAPI document (1.33).

By the field that the list stands in and its own name: `spec.ports` of a Service is such a list, `ingress[].ports` of a
NetworkPolicy is one value. A test compares the table with that document, for all kinds that are stood in for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_IN_CONTAINERS: Final = {
    "ports": ("containerPort", "protocol"),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
}
_IN_PODS: Final = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "schedulingGates": ("name",),
    "resourceClaims": ("name",),
}
LIST_KEYS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("spec", "ports"): ("port", "protocol"),
    **{("spec", name): keys for name, keys in _IN_PODS.items()},
    **{
        (containers, name): keys
        for containers in ("containers", "initContainers", "ephemeralContainers")
        for name, keys in _IN_CONTAINERS.items()
    },
    ("resources", "claims"): ("name",),
    ("metadata", "ownerReferences"): ("uid",),
    ("", "secrets"): ("name",),
}


def keys_of(parent: str, name: str, items: list[Any]) -> tuple[str, ...] | None:
    """The keys of a list; None when it is one value, or has no elements that could be told apart."""
    keys = LIST_KEYS.get((parent, name))
    return keys if keys and items and all(isinstance(item, dict) and keys[0] in item for item in items) else None
