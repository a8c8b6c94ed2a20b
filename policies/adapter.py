"""Converts the values of `pulumi_policy` to plain data, and back.

They are proxies that raise on access to an unknown value, which ends a policy for the whole resource. So every value
is read once, here, and unknown values become `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs, Secret
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from engine.values import leaves
from policies.declared import UNKNOWN, Declared


class NotJudgedError(UnknownValueError):
    """Reported by `pulumi_policy` as an advisory note, beside the violations reported before."""

    def __init__(self, message: str) -> None:
        super().__init__(UNKNOWN_STRING_VALUE, [])
        self.message = message


def declared(resource: ResourceValidationArgs | PolicyResource, secret: frozenset[str] | None = None) -> Declared:
    """A resource as rules get it; `secret` as in `Declared`."""
    return Declared(
        resource.resource_type,
        resource.name,
        resource.urn,
        plain(resource.props),
        protect=resource.opts.protect,
        secret=secret,
    )


def plain(value: Any) -> Any:
    """A value without proxies; `UNKNOWN` where a preview does not know it."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if _is_list(value):
        return [_known(value, index) for index in range(len(value))]
    return value


def _known(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def bare(value: Any) -> Any:
    """The inputs of a remediation as mutable plain data; secrets stay `Secret`, unknowns unchanged.

    `__target` is how the library's own serializer bypasses a proxy: access through the proxy unwraps secrets.
    """
    if isinstance(value, Secret):
        return Secret(bare(value.value))
    if isinstance(value, Mapping):
        behind = value if isinstance(value, dict) else value["__target"]
        return {key: bare(inner) for key, inner in behind.items()}
    if _is_list(value):
        behind = value if isinstance(value, list) else value["__target"]
        return [bare(inner) for inner in behind]
    return value


def secret_paths(inputs: Any) -> Iterator[str]:
    """Paths of the secrets inside bare inputs."""
    return (path for path, value in leaves(inputs) if isinstance(value, Secret))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
