"""Which fields an object may have: those of the SDK's own input classes, generated from the API's published schema."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from pulumi import _types  # the only place that knows a class's names on the wire
from pulumi_kubernetes.apps.v1 import DeploymentInitArgs
from pulumi_kubernetes.core.v1 import ConfigMapInitArgs, NamespaceInitArgs, SecretInitArgs, ServiceInitArgs

from sandbox.errors import CheckFailure
from sandbox.values import UNKNOWN, Props

KINDS: Final[Mapping[str, type]] = {
    "kubernetes:core/v1:Service": ServiceInitArgs,
    "kubernetes:core/v1:Namespace": NamespaceInitArgs,
    "kubernetes:core/v1:ConfigMap": ConfigMapInitArgs,
    "kubernetes:core/v1:Secret": SecretInitArgs,
    "kubernetes:apps/v1:Deployment": DeploymentInitArgs,
}


def unknown_fields(token: str, inputs: Props) -> list[CheckFailure]:
    """Every field that the kind does not have, in the API server's words."""
    failures = _unknown(KINDS[token], inputs, "")
    return [CheckFailure(path.lstrip("."), f"{path}: field not declared in schema") for path in failures]


def _unknown(cls: type, value: Any, path: str) -> Iterator[str]:
    if value == UNKNOWN or not isinstance(value, dict):
        return
    fields = _fields(cls)
    for name, inner in value.items():
        here = f"{path}.{name}"
        if name not in fields:
            yield here
            continue
        nested = fields[name]
        if nested is None:
            continue
        if isinstance(inner, list):
            for index, item in enumerate(inner):
                yield from _unknown(nested, item, f"{here}[{index}]")
        else:
            yield from _unknown(nested, inner, here)


@cache
def _fields(cls: type) -> dict[str, type | None]:
    """Wire names of a class's fields, with the class of those that are objects."""
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
