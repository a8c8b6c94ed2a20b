"""Plans: the desired state of a resource, computed from its current state and the inputs.

The rules are the Terraform bridge's. A given field is compared with the state; an omitted field that the cloud computes
(`~`) keeps its value, which is the trap of `drainNatIps`; any other omitted field reverts to its default. Nothing here
depends on a resource type or on the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local_cloud.fields import Field
from local_cloud.links import relative, same_link
from local_cloud.shapes import Shape
from local_cloud.values import DEFAULTS, UNKNOWN, Path, Props

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
    """The state that the inputs ask for, based on the prior state (empty for a new resource)."""
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
            # An element of a set has no counterpart whose values could be kept, not even in a set of one.
            planned[name] = _plan(one.fields, before if isinstance(before, dict) and not one.set_of_one else {}, value)
        else:
            planned[name] = [
                item if item == UNKNOWN else _plan(one.fields, _counterpart(one, before, index), item)
                for index, item in enumerate(value)
            ]
    return planned


def _counterpart(one: Field, before: Any, index: int) -> Props:
    """The element at the same index of a list; elements of a set have no counterpart."""
    if one.many == "[]" and isinstance(before, list) and index < len(before) and isinstance(before[index], dict):
        counterpart: Props = before[index]
        return counterpart
    return {}


def same(one: Field, before: Any, after: Any) -> bool:
    """Whether two values of a field are equivalent to the cloud; all empty values are."""
    if UNKNOWN in (before, after):
        return False
    if one.implied:
        before, after = (one.default if value in (None, "") else value for value in (before, after))
    if is_empty(before) and is_empty(after):
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
            elements = Elements(one, right)
            return all(item in elements for item in left)
        return all(same_item(one, item, other) for item, other in zip(left, right, strict=True))
    if one.many == "{}":
        return (before or {}) == (after or {})
    return same_item(one, before, after)


def same_item(one: Field, before: Any, after: Any) -> bool:
    """Whether two elements (or single values) of a field are equivalent."""
    if one.fields and isinstance(before, dict) and isinstance(after, dict):
        return all(same(inner, before.get(name), after.get(name)) for name, inner in one.fields.items())
    if one.link and isinstance(before, str) and isinstance(after, str):
        return same_link(before, after)
    return bool(before == after)


class Elements:
    """The elements of a set, matched by key: a gateway may have 300 addresses, too many to compare pairwise."""

    def __init__(self, one: Field, items: list[Any]) -> None:
        self._one = one
        self._items = items
        self._spellings = {spelling(one, item) for item in items}

    def __contains__(self, item: Any) -> bool:
        return spelling(self._one, item) in self._spellings or any(
            same_item(self._one, item, one) for one in self._items
        )


def spelling(one: Field, item: Any) -> str:
    """A text that is equal for equal elements of a field."""
    return relative(item) if one.link and isinstance(item, str) else canonical(item)


def is_empty(value: Any) -> bool:
    """Whether the cloud treats a value as absent: null, "", 0, false, an empty list or block."""
    if isinstance(value, dict):
        return all(is_empty(item) for name, item in value.items() if name != DEFAULTS)
    return value is None or value == "" or value == [] or value is False or (value == 0 and not isinstance(value, str))


def imported_inputs(shape: Shape, body: Props) -> Props:
    """Inputs of an imported resource: the cloud's values that are neither empty nor a documented default."""
    inputs = _imported(shape.fields, body)
    inputs.pop("labels", None)  # not read on import: only labels set by a program are its own
    return inputs


def _imported(fields: Mapping[str, Field], body: Props) -> Props:
    inputs: Props = {}
    for name, one in fields.items():
        value: Any = body.get(name)
        if one.output_only or one.secret or value == one.default or (one.default is None and is_empty(value)):
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
    """The given inputs with the cloud's current values, so that drift shows."""
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
