"""Keys of list elements: `x-kubernetes-list-map-keys` in Kubernetes' OpenAPI document (1.33).

By enclosing field and own name of the list: `spec.ports` of a Service is keyed, `ingress[].ports` of a NetworkPolicy is
atomic. A test compares the table with that document, for all implemented kinds.
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
    """The keys of a list; None if it is atomic, or its elements have no keys."""
    keys = LIST_KEYS.get((parent, name))
    return keys if keys and items and all(isinstance(item, dict) and keys[0] in item for item in items) else None
