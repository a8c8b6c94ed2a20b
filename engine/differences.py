"""The differences between the cloud and the settings, from the engine's own preview (`--json`)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.cli import masked
from engine.dns_hosts import OF_RECORD_SET
from engine.effects import Effect, effect_of
from engine.leaves import KUBERNETES, Sides, changed_leaves, differs, empty
from engine.tokens import logical_name, type_of
from engine.values import readable
from secret_text import SECRET, hidden

ABSENT = "(none)"
LONGEST = 400  # characters shown of one value
LINES = 3  # shown of one text
# Types without a counterpart in the cloud: the engine's own records and generated secrets.
OURS = ("pulumi:", "warp:", "random:")
# Their protocol reports only that something changes.
DYNAMIC = "pulumi-python:dynamic/"
# The plugin's own copies of `labels`: secret outputs that include the provider's default labels.
MIRRORS = ("effectiveLabels", "pulumiLabels")


@dataclass(frozen=True)
class Difference:
    """One property of one resource, in the cloud and in the settings; both empty: not known."""

    effect: Effect
    resource: str
    property: str
    cloud: str
    settings: str
    words: str

    def __str__(self) -> str:
        values = f"  {self.cloud} -> {self.settings}" if self.cloud or self.settings else ""
        why = f": {self.words}" if self.words else ""
        return f"{self.resource}  {self.property}{values}{why}"


@dataclass(frozen=True)
class Comparison:
    """Everything a first `pulumi up` would do. `taken_over`: by host of the zone, record sets that are not imported: it
    adopts or creates them, depending on what the host has; those with other data are refused (docs/dns.md)."""

    differences: tuple[Difference, ...]
    creations: tuple[str, ...]
    taken_over: Mapping[str, tuple[str, ...]]
    replacements: tuple[str, ...]
    deletions: tuple[str, ...]
    unchanged: int

    @property
    def cutting(self) -> bool:
        """Whether an update would cut calls, or has an effect that is not known here."""
        unsafe = self.with_effect(Effect.CUTS) + self.with_effect(Effect.UNKNOWN)
        return bool(self.replacements or self.deletions or unsafe)

    def with_effect(self, effect: Effect) -> list[Difference]:
        """The differences with this effect."""
        return [each for each in self.differences if each.effect is effect]


def compare(steps: Sequence[Mapping[str, Any]]) -> Comparison:
    """From the `steps` of `pulumi preview --json`."""
    by_operation = defaultdict[str, list[Mapping[str, Any]]](list)
    for step in steps:
        if not type_of(step["urn"]).startswith(OURS):
            by_operation[step["op"]].append(step)
    created = by_operation["create"]
    taken_over = {type_: host.title for type_, host in OF_RECORD_SET.items() if not host.imported}
    updated = [difference for step in by_operation["update"] for difference in _differences(step)]
    return Comparison(
        differences=tuple(sorted(updated, key=lambda each: (list(Effect).index(each.effect), each.resource))),
        creations=tuple(known_as(step) for step in created if type_of(step["urn"]) not in taken_over),
        taken_over={
            title: found
            for type_, title in taken_over.items()
            if (found := tuple(known_as(step) for step in created if type_of(step["urn"]) == type_))
        },
        replacements=tuple(known_as(step) for step in by_operation["replace"]),
        deletions=tuple(known_as(step) for step in by_operation["delete"]),
        unchanged=len(by_operation["same"]),
    )


def known_as(step: Mapping[str, Any]) -> str:
    """A readable name: `Service warp-core/kamailio-sip-udp`."""
    urn = step["urn"]
    inputs = _object((step.get("newState") or step.get("oldState") or {}).get("inputs"))
    metadata = _object(inputs.get("metadata"))
    known = inputs.get("name") or "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
    record = f" {inputs['type']}" if "rrdatas" in inputs else ""
    return f"{type_of(urn).rsplit(':', 1)[-1]} {known or logical_name(urn)}{record}"


def _object(value: Any) -> Mapping[str, Any]:
    """A part of a state: null if absent, a string if secret or not known yet."""
    return value if isinstance(value, dict) else {}


def _differences(step: Mapping[str, Any]) -> Iterator[Difference]:
    type_token = type_of(step["urn"])
    before, after = (masked(step.get(state) or {}) for state in ("oldState", "newState"))
    sides = Sides(_object(before.get("outputs")), _object(before.get("inputs")), _object(after.get("inputs")))
    reported = _reported(step)
    if not reported and type_token.startswith(DYNAMIC):
        # A dynamic provider does not always report the inputs that differ from the last update's.
        parts = {key: sides.at((key,)) for key in {**sides.wanted, **sides.asked} if not key.startswith("__")}
        reported = {key: "" for key, part in parts.items() if differs(part.live, part.wanted)}
    mirrors = [path for path in reported if path.startswith(MIRRORS)]
    reported = {path: kind for path, kind in reported.items() if path not in mirrors}
    kubernetes = type_token.startswith(KUBERNETES)
    leaves = changed_leaves(sides, reported, kubernetes=kubernetes)
    for leaf in leaves:
        effect, words = effect_of(step["urn"], leaf.path, (leaf.before, leaf.after))
        yield Difference(effect, known_as(step), leaf.path, *_shown(leaf.before, leaf.after), words)
    if leaves:
        return
    # No leaf differs: report the step itself.
    if mirrors:
        silent = sorted({path.partition(".")[0].partition("[")[0] for path in mirrors})
        effect, words = Effect.NONE, "the provider's default labels"
    elif kubernetes and reported:
        silent, effect = sorted(reported), Effect.NONE
        words = "the cluster has the same value; only the field's ownership is recorded"
    elif type_token.startswith(DYNAMIC):
        silent, effect, words = ["__provider"], Effect.NONE, "how it is applied"
    else:
        silent, effect, words = sorted(reported), Effect.UNKNOWN, "the engine reports a change without its values"
    yield Difference(effect, known_as(step), ", ".join(silent), "", "", words)


def _reported(step: Mapping[str, Any]) -> dict[str, str]:
    """The changed paths with their kinds, as precisely as the engine reports them."""
    detailed = step.get("detailedDiff") or dict.fromkeys(step.get("diffReasons") or (), None)
    return {
        path: str((kind or {}).get("diffKind") or (kind or {}).get("kind") or "") for path, kind in detailed.items()
    }


def _shown(before: Any, after: Any) -> tuple[str, str]:
    """Both sides of a change; of multi-line text, the removed and the added lines."""
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        before, after = hidden(before), hidden(after)
        if before == after:
            return SECRET, SECRET
        old, new = before.splitlines(), after.splitlines()
        gone, come = ([line for line in one if line not in other] for one, other in ((old, new), (new, old)))
        return _lines(gone), _lines(come)
    return _value(before), _value(after)


def _lines(lines: Sequence[str]) -> str:
    reported = "; ".join(line.strip() for line in lines[:LINES] if line.strip()) or "(no line)"
    return _bounded(reported) + (f" and {len(lines) - LINES:,} more lines" if lines[LINES:] else "")


def _value(value: Any) -> str:
    """A value, masked if it looks like a secret; checked before it is cut, as half a secret might not look like one."""
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if not key.startswith("__")}
    if empty(value):
        return ABSENT
    if isinstance(value, str):
        value = hidden(value)
        return _lines(value.splitlines()) if "\n" in value else _bounded(value)
    return _bounded(hidden(json.dumps(value, sort_keys=True)))


def _bounded(text: str) -> str:
    text = readable(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
