"""What a generated class adds to a resource's inputs: type token, plugin version, secret properties."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pulumi

T = TypeVar("T")
Properties = dict[str, Any]  # of a resource, or a part of it, under the names of its schema

GCP, KUBERNETES = "pulumi_gcp", "pulumi_kubernetes"  # packages of the plugins in use
# Copies of a Google resource's labels that include the provider's default labels; secret in the plugin's schema.
LABELS = ("effectiveLabels", "pulumiLabels")


class Known(Generic[T]):
    """An output of a resource, under its name in the schema. Numbers are floats, as the engine sends them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(
        self, resource: pulumi.CustomResource, _owner: type[pulumi.CustomResource] | None = None
    ) -> pulumi.Output[T]:
        found: pulumi.Output[T] = resource.__dict__[self.name]
        return found


class Resource(pulumi.CustomResource):
    """A resource of a plugin, with inputs under the names of its schema; None is not set.

    Class arguments: `token`, the type in the state, from which `apiVersion` and `kind` of Kubernetes' resources follow;
    `package`, of the plugin; `secret`, properties that are secret as inputs and outputs.
    """

    token: ClassVar[str]
    _package: ClassVar[str]
    _constant: ClassVar[Mapping[str, str]]
    _secret: ClassVar[tuple[str, ...]]
    _known: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, token: str, package: str, secret: Sequence[str] = ()) -> None:
        super().__init_subclass__()
        cls.token, cls._package, cls._secret = token, package, tuple(secret)
        _, version, kind = token.split(":")
        constant = {"apiVersion": version.removeprefix("core/"), "kind": kind}
        cls._constant = constant if package == KUBERNETES else {}
        cls._known = tuple(each.name for each in vars(cls).values() if isinstance(each, Known))

    def __init__(self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        given = {**self._constant, **_without_none(inputs)}
        hidden = {key: pulumi.Output.secret(given[key]) for key in self._secret if key in given}
        added = pulumi.ResourceOptions(
            version=plugin_version(self._package), additional_secret_outputs=list(self._secret) or None
        )
        # An output also exists if no input has its name.
        properties = {**dict.fromkeys(self._known), **given, **hidden}
        super().__init__(self.token, name, properties, pulumi.ResourceOptions.merge(added, opts))


def ask(package: str, token: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
    """The result of a plugin's function, with the names of its schema. Raises the engine's errors."""
    options = pulumi.InvokeOptions(version=plugin_version(package))
    answer = pulumi.runtime.invoke(token, dict(arguments), options).value
    return answer if isinstance(answer, Mapping) else {}


@cache
def plugin_version(package: str) -> str:
    """The plugin version of an installed SDK, which the engine finds or downloads."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    written = json.loads((Path(spec.origin).parent / "pulumi-plugin.json").read_text(encoding="utf-8"))
    return str(written["version"])


def _without_none(value: Any) -> Any:
    """Remove None (not set) at any depth. The SDK only removes it from a resource's top-level inputs."""
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value
