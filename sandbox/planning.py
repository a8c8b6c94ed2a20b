"""Plans: what a resource should look like, compared with what it looks like.

The rules are the Terraform bridge's. A field given is compared with the state; a field left out that the cloud decides
(`~`) keeps what is there, which is the trap of `drainNatIps`; any other field left out goes back to its default.
Nothing here knows a resource type or touches the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.links import relative, same_link
from sandbox.shapes import Field, Shape
from sandbox.values import DEFAULTS, UNKNOWN, Path, Props

ChangeKind = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Change:
    """One place where the plan differs from the state."""

    path: Path
    kind: ChangeKind
    replace: bool
    input_diff: bool = False
    """The plugin compared the old inputs, not the old outputs."""


def plan(shape: Shape, prior: Props, given: Props) -> Props:
    """The state that the given inputs ask for, starting from the prior state (empty for a new resource)."""
    return _plan(shape.fields, prior, given)


def _plan(fields: Mapping[str, Field], prior: Props, given: Props) -> Props:
    planned: Props = {}
    for name, one in fields.items():
        value = given.get(name)
        before = prior.get(name)
        if one.output_only:
            planned[name] = before
        elif value is None:
            planned[name] = before if one.computed else one.default
        elif value == UNKNOWN or not one.fields:
            planned[name] = value
        elif one.many == "{}":
            planned[name] = _plan(one.fields, before if isinstance(before, dict) else {}, value)
        else:
            planned[name] = [
                item if item == UNKNOWN else _plan(one.fields, _counterpart(one, before, index), item)
                for index, item in enumerate(value)
            ]
    return planned


def _counterpart(one: Field, before: Any, index: int) -> Props:
    """The element at the same place of a list; elements of a set have no counterpart."""
    if one.many == "[]" and isinstance(before, list) and index < len(before) and isinstance(before[index], dict):
        counterpart: Props = before[index]
        return counterpart
    return {}


def compare(shape: Shape, prior: Props, planned: Props) -> list[Change]:
    """Every place where the plan differs from the prior state."""
    return list(_compare(shape.fields, prior, planned, (), replace=False))


def _compare(fields: Mapping[str, Field], prior: Props, planned: Props, at: Path, *, replace: bool) -> Iterator[Change]:
    for name, one in fields.items():
        if not one.output_only:
            yield from _compare_field(one, prior.get(name), planned.get(name), (*at, name), replace or one.force_new)


def _compare_field(one: Field, before: Any, after: Any, at: Path, replace: bool) -> Iterator[Change]:
    if same(one, before, after):
        return
    if after == UNKNOWN or before == UNKNOWN:
        yield Change(at, "update" if not _empty(before) else "add", replace)
    elif one.block and isinstance(before, dict) and isinstance(after, dict):
        yield from _compare(one.fields, before, after, at, replace=replace)
    elif one.many == "{}" and not one.fields:
        yield from _compare_maps(before or {}, after or {}, at, replace)
    elif one.many == "[]":
        yield from _compare_lists(one, before or [], after or [], at, replace)
    elif one.many == "<>":
        yield from _compare_sets(one, before or [], after or [], at, replace)
    else:
        # A block that comes or goes as a whole does so with every field in it.
        whole = before if isinstance(before, dict) else after
        forced = one.block and isinstance(whole, dict) and _forces(one.fields, whole)
        yield Change(at, _kind(before, after), replace or forced)


def _forces(fields: Mapping[str, Field], given: Props) -> bool:
    """Whether a field of a block that is given a value cannot change in place."""
    return any(
        one.force_new or (one.block and isinstance(given[name], dict) and _forces(one.fields, given[name]))
        for name, one in fields.items()
        if not _empty(given.get(name))
    )


def _kind(before: Any, after: Any) -> ChangeKind:
    if before is None or before == "":
        return "add"
    return "delete" if after is None or after == "" else "update"


def _compare_maps(before: Props, after: Props, at: Path, replace: bool) -> Iterator[Change]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            kind: ChangeKind = "add" if key not in before else "delete" if key not in after else "update"
            yield Change((*at, key), kind, replace)


def _compare_lists(one: Field, before: list[Any], after: list[Any], at: Path, replace: bool) -> Iterator[Change]:
    for index in range(max(len(before), len(after))):
        if index >= len(before):
            yield Change((*at, index), "add", replace)
        elif index >= len(after):
            yield Change((*at, index), "delete", replace)
        elif isinstance(before[index], dict) and isinstance(after[index], dict):
            yield from _compare(one.fields, before[index], after[index], (*at, index), replace=replace)
        elif not same_item(one, before[index], after[index]):
            yield Change((*at, index), "update", replace)


def _compare_sets(one: Field, before: list[Any], after: list[Any], at: Path, replace: bool) -> Iterator[Change]:
    was, will_be = _Elements(one, before), _Elements(one, after)
    for index, item in enumerate(after):
        if item not in was:
            yield Change((*at, index), "add", replace)
    for index, item in enumerate(before):
        if item not in will_be:
            yield Change((*at, index), "delete", replace)


class _Elements:
    """The elements of a set. A gateway may have 300 addresses, so equal spellings are found without comparing all."""

    def __init__(self, one: Field, items: list[Any]) -> None:
        self._one = one
        self._items = items
        self._spellings = {self._spelling(item) for item in items}

    def __contains__(self, item: Any) -> bool:
        return self._spelling(item) in self._spellings or any(same_item(self._one, item, one) for one in self._items)

    def _spelling(self, item: Any) -> str:
        return relative(item) if self._one.link and isinstance(item, str) else canonical(item)


def same(one: Field, before: Any, after: Any) -> bool:
    """Whether two values of a field mean the same to the cloud; empty values are all alike."""
    if UNKNOWN in (before, after):
        return False
    if _empty(before) and _empty(after):
        return True
    if one.block:
        if not isinstance(before, dict) or not isinstance(after, dict):
            return False
        return all(same(inner, before.get(name), after.get(name)) for name, inner in one.fields.items())
    if one.many in ("[]", "<>"):
        left, right = before or [], after or []
        if len(left) != len(right):
            return False
        if one.many == "<>":
            elements = _Elements(one, right)
            return all(item in elements for item in left)
        return all(same_item(one, item, other) for item, other in zip(left, right, strict=True))
    if one.many == "{}":
        return (before or {}) == (after or {})
    return same_item(one, before, after)


def same_item(one: Field, before: Any, after: Any) -> bool:
    """Whether two elements (or single values) of a field mean the same."""
    if one.fields and isinstance(before, dict) and isinstance(after, dict):
        return all(same(inner, before.get(name), after.get(name)) for name, inner in one.fields.items())
    if one.link and isinstance(before, str) and isinstance(after, str):
        return same_link(before, after)
    return bool(before == after)


def _empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_empty(item) for name, item in value.items() if name != DEFAULTS)
    return value is None or value == "" or value == [] or value is False or (value == 0 and not isinstance(value, str))


def imported_inputs(shape: Shape, body: Props) -> Props:
    """Inputs for a resource known only by its id: what the cloud has that is neither empty nor a documented default."""
    inputs = _imported(shape.fields, body)
    inputs.pop("labels", None)  # not read on import: only labels that a program names are its own
    return inputs


def _imported(fields: Mapping[str, Field], body: Props) -> Props:
    inputs: Props = {}
    for name, one in fields.items():
        value: Any = body.get(name)
        if one.output_only or one.secret or value == one.default or (one.default is None and _empty(value)):
            continue
        if one.block:
            inner = _imported(one.fields, value)
            if inner:
                inputs[name] = {**inner, DEFAULTS: []}
        elif one.fields:
            inputs[name] = [{**_imported(one.fields, item), DEFAULTS: []} for item in value]
        else:
            inputs[name] = value
    return inputs


def refreshed_inputs(shape: Shape, inputs: Props, body: Props) -> Props:
    """The given inputs with what the cloud has now, so that a hand-made change shows."""
    return _refreshed(shape.fields, inputs, body)


def _refreshed(fields: Mapping[str, Field], inputs: Props, body: Props) -> Props:
    result: Props = {}
    for name, value in inputs.items():
        one = fields.get(name)
        if one is None or one.secret:
            result[name] = value
            continue
        now = body.get(name)
        if same(one, value, now):
            result[name] = value
        elif one.block and isinstance(value, dict) and isinstance(now, dict):
            result[name] = _refreshed(one.fields, value, now)
        elif now is not None:
            result[name] = now
    return result


def canonical(value: Any) -> str:
    """A text that is equal for equal values, for hashing and comparing."""
    return json.dumps(value, sort_keys=True, default=str)
