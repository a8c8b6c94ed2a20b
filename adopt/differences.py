"""The differences between the cloud and the settings, from the engine's own preview (`--json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adopt.effects import GANDI_RECORD, Effect, effect_of

ABSENT = "(none)"
# What has no counterpart in a cloud: the engine's own records and generated secrets.
OURS = ("pulumi:", "warp:", "random:")
# Their protocol says that something changes, and no more.
DYNAMIC = "pulumi-python:dynamic/"
# The plugin's own mirrors of `labels`.
MIRRORS = ("effectiveLabels", "pulumiLabels")


@dataclass(frozen=True)
class Difference:
    """One property of one resource, as the cloud has it and as the settings want it."""

    effect: Effect
    resource: str
    property: str
    cloud: str
    settings: str
    words: str

    def __str__(self) -> str:
        why = f": {self.words}" if self.words else ""
        return f"{self.resource}  {self.property}  {self.cloud} -> {self.settings}{why}"


@dataclass(frozen=True)
class Comparison:
    """Everything a first `pulumi up` would do. `at_gandi`: record sets that it takes over or creates, which only Gandi
    can tell; it refuses those that hold something else (docs/dns.md)."""

    differences: tuple[Difference, ...]
    creations: tuple[str, ...]
    at_gandi: tuple[str, ...]
    replacements: tuple[str, ...]
    deletions: tuple[str, ...]
    unchanged: int

    @property
    def cutting(self) -> bool:
        """Whether an update would cut calls, or do what nobody here knows."""
        unsafe = self.with_effect(Effect.CUTS) + self.with_effect(Effect.UNKNOWN)
        return bool(self.replacements or self.deletions or unsafe)

    def with_effect(self, effect: Effect) -> list[Difference]:
        """The differences of one group."""
        return [each for each in self.differences if each.effect is effect]


def compare(steps: Sequence[Mapping[str, Any]]) -> Comparison:
    """From the `steps` of `pulumi preview --json`."""
    ours = [step for step in steps if not type_of(step["urn"]).startswith(OURS)]
    by_operation: dict[str, list[Mapping[str, Any]]] = {}
    for step in ours:
        by_operation.setdefault(step["op"], []).append(step)
    created = by_operation.get("create", [])
    updated = [difference for step in by_operation.get("update", []) for difference in _differences(step)]
    return Comparison(
        differences=tuple(sorted(updated, key=lambda each: (list(Effect).index(each.effect), each.resource))),
        creations=tuple(known_as(step) for step in created if type_of(step["urn"]) != GANDI_RECORD),
        at_gandi=tuple(known_as(step) for step in created if type_of(step["urn"]) == GANDI_RECORD),
        replacements=tuple(known_as(step) for step in by_operation.get("replace", [])),
        deletions=tuple(known_as(step) for step in by_operation.get("delete", [])),
        unchanged=len(by_operation.get("same", [])),
    )


def type_of(urn: str) -> str:
    """`gcp:compute/address:Address`, without the types of the parents before it."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def logical_name(urn: str) -> str:
    """The name the program gave."""
    return urn.split("::", 3)[3]


def known_as(step: Mapping[str, Any]) -> str:
    """`Service warp-core/kamailio-sip-udp`: what people know it by."""
    urn = step["urn"]
    inputs = (step.get("newState") or step.get("oldState") or {}).get("inputs") or {}
    metadata = inputs.get("metadata") or {}
    known = inputs.get("name") or "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
    record = f" {inputs['type']}" if "rrdatas" in inputs else ""
    return f"{type_of(urn).rsplit(':', 1)[-1]} {known or logical_name(urn)}{record}"


def _differences(step: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = (step.get(state) or {} for state in ("oldState", "newState"))
    changed = step.get("detailedDiff") or {path: {} for path in step.get("diffReasons") or ()}
    if not changed and type_of(step["urn"]).startswith(DYNAMIC):
        changed = {path: {} for path in _untold(before, after)}
    for path, kind in _one_by_one(changed, after.get("inputs") or {}):
        if path.startswith(MIRRORS):
            continue
        addition = str(kind.get("diffKind") or kind.get("kind")) == "add"
        effect, words = effect_of(type_of(step["urn"]), path, addition=addition)
        place = "inputs" if kind.get("inputDiff") else "outputs"
        yield Difference(
            effect=effect,
            resource=known_as(step),
            property=path,
            cloud=_shown(at(before.get(place) or {}, path)),
            settings=_shown(at(after.get("inputs") or {}, path)),
            words=words,
        )


def _untold(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What the next update gives otherwise than the last one left it."""
    was, will_be = before.get("outputs") or {}, after.get("inputs") or {}
    for key in sorted({*was, *will_be} - {"__provider"}):
        if was.get(key) != will_be.get(key) and (was.get(key) or will_be.get(key)):
            yield key


def _one_by_one(
    changed: Mapping[str, Mapping[str, Any]], inputs: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The changed properties; a group of labels or annotations that is new as a whole, key by key."""
    for path, kind in sorted(changed.items()):
        group = at(inputs, path) if path.endswith(("labels", "annotations")) else None
        if isinstance(group, dict) and group:
            yield from ((f'{path}["{key}"]', kind) for key in group)
        else:
            yield path, kind


def at(value: Any, path: str) -> Any:
    """What stands at `path` (`spec.ports[0].name`, `metadata.labels["a.b/c"]`), or None."""
    for quoted, index, key in re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', path):
        if isinstance(value, list) and index:
            value = value[int(index)] if int(index) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(quoted or key or index)
        else:
            return None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if key != "__defaults"}
    if value is None or value in ({}, [], ""):
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
