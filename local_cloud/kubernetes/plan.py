"""The plugin's plans: the state, pruned to the shape of the old inputs, compared with the new inputs.

Implements its rules (pulumi-kubernetes, provider/pkg/provider: Diff, convertPatchToDiff, pruneMap, normalizeInputs,
diff.go); tests/conformance has its recorded answers. It does not query the cluster: drift shows after a refresh, and
refusals of the API server show in the dry run of the update. Fields are compared one by one, elements of lists by
index; an omitted field is a deletion; a change of a few fields replaces the object.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local_cloud.kubernetes.schema import fields, input_class
from local_cloud.planning import Change, ChangeKind
from local_cloud.values import UNKNOWN, Path, Props, has_unknown

SECRET: Final = "Secret"
CONFIG_MAP: Final = "ConfigMap"
_Forced = tuple[tuple[str, ...], ...]
_IDENTITY: Final[_Forced] = (("metadata", "name"), ("metadata", "namespace"))
# By apiVersion and kind, as in the plugin's diff.go; for ConfigMap and Secret see `forced`.
_FORCED: Final[Mapping[tuple[str, str], _Forced]] = {
    ("v1", "Service"): (("spec", "clusterIP"),),
    ("v1", SECRET): (("type",),),
    ("apps/v1", "Deployment"): (("spec", "selector"),),
    ("batch/v1", "Job"): (
        ("spec", "completions"),
        ("spec", "parallelism"),
        ("spec", "selector"),
        ("spec", "template"),
    ),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): (("roleRef",),),
}
_DATA: Final[Mapping[str, _Forced]] = {
    CONFIG_MAP: (("binaryData",), ("data",)),
    SECRET: (("type",), ("stringData",), ("data",)),
}
# Fields of the API (k8s.io/api) that are not pointers: false and zero equal absent.
_PLAIN: Final = frozenset(
    {
        "failureThreshold",
        "healthCheckNodePort",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "initialDelaySeconds",
        "minReadySeconds",
        "nodePort",
        "paused",
        "periodSeconds",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "stdinOnce",
        "successThreshold",
        "tty",
    }
)
# Written by the API server: ignored in inputs.
_READ_ONLY: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)


def forced(given: Props, mutable: frozenset[str]) -> _Forced:
    """Fields whose change replaces the object. `mutable`: ConfigMap and Secret, where the provider may update them."""
    version, kind = str(given.get("apiVersion")), str(given.get("kind"))
    if version == "v1" and kind in _DATA and (kind not in mutable or given.get("immutable") is True):
        return _IDENTITY + _DATA[kind]
    return _IDENTITY + _FORCED.get((version, kind), ())


def normalised(token: str, inputs: Props) -> Props:
    """Inputs as the plugin stores them: without empty values, a Secret's strings in base64.

    The plugin passes them through the API's Go types, which omit empty strings, lists and maps, and false and zero
    where these equal absent. Unknown values are kept.
    """
    if has_unknown(inputs):
        return inputs
    result = _without_empty(input_class(token), inputs)
    if isinstance(result.get("metadata"), dict):
        result["metadata"] = {name: one for name, one in result["metadata"].items() if name not in _READ_ONLY}
    return with_data(result)


def with_data(secret: Props) -> Props:
    """`stringData` is write-only: the API server stores `data`. Objects of other kinds are unchanged."""
    words = secret.get("stringData")
    if secret.get("kind") != SECRET or not isinstance(words, dict):
        return secret
    encoded = {name: base64.b64encode(str(word).encode()).decode() for name, word in words.items()}
    rest = {name: one for name, one in secret.items() if name != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **encoded}}


def _without_empty(cls: type, value: Props) -> Props:
    known = fields(cls)
    result: Props = {}
    for name, inner in value.items():
        nested = known.get(name)
        if inner in ("", []) or (inner == {} and nested is None) or (name in _PLAIN and not inner):
            continue  # an empty object is kept: it may have a meaning, like `emptyDir: {}`
        if nested is not None and isinstance(inner, dict):
            result[name] = _without_empty(nested, inner)
        elif nested is not None and isinstance(inner, list):
            result[name] = [_without_empty(nested, item) if isinstance(item, dict) else item for item in inner]
        else:
            result[name] = inner
    return result


def pruned(live: Any, shape: Any) -> Any:
    """The part of a live value that the inputs specify."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {name: pruned(live[name], inner) for name, inner in shape.items() if name in live}
    if isinstance(live, list) and isinstance(shape, list) and live and shape and type(live[0]) is type(shape[0]):
        return [pruned(one, inner) for one, inner in zip(live, shape, strict=False)]
    return [] if isinstance(live, list) and shape == [] else live


def changes(before: Props, after: Props, force: _Forced) -> list[Change]:
    """Every path at which the new inputs differ from the old ones."""
    return [
        Change(path, kind, replace=_replaces(path, value, force), input_diff=kind == "delete")
        for path, kind, value in sorted(_changes((), before, after), key=lambda one: [str(step) for step in one[0]])
    ]


def _changes(at: Path, before: Any, after: Any) -> Iterator[tuple[Path, ChangeKind, Any]]:
    """Path, kind, and the patch's value at that path."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {*before, *after}:
            if name not in after:
                yield (*at, name), "delete", None
            elif name not in before:
                yield (*at, name), "add", after[name]
            else:
                yield from _changes((*at, name), before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            if index >= len(after):
                yield (*at, index), "delete", None
            elif index >= len(before):
                yield (*at, index), "add", after[index]
            else:
                yield from _changes((*at, index), before[index], after[index])
    elif after == UNKNOWN:
        yield at, "update", None
    elif before != after:
        yield at, "update", after


def _replaces(path: Path, value: Any, force: _Forced) -> bool:
    """Whether a change affects a replacing field: below it, or above it with a value that contains it."""
    names = tuple(step for step in path if isinstance(step, str))
    return any(names[: len(place)] == place or _has(value, names, place) for place in force)


def _has(value: Any, above: tuple[str, ...], place: tuple[str, ...]) -> bool:
    if place[: len(above)] != above:
        return False
    for name in place[len(above) :]:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True
