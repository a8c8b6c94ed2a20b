"""A plan compared with the state: the places that differ, as the Terraform bridge reports them.

The rules are those of the bridge's detailed diff (github.com/pulumi/pulumi-terraform-bridge, pkg/tfbridge/
detailed_diff.go) and of the plan that Terraform's SDK makes; tests/conformance has recorded answers of real plugins.
Nothing here depends on a resource type or on the cloud.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from local_cloud.fields import Field
from local_cloud.planning import Change, ChangeKind, Elements, is_empty, same, spelling
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Path, Props

META = "__meta"
"""Key under which the bridge reports a replacement that no entry of the detailed diff explains."""


def compare(shape: Shape, prior: Props, planned: Props) -> list[Change]:
    """Every place where the plan differs from the prior state."""
    comparison = _Comparison()
    comparison.block(shape.fields, prior, planned, (), replace=False)
    changes = comparison.changes
    if comparison.forced and not any(change.replace for change in changes):
        changes.append(Change((META,), "update", replace=True))
    return changes


def settled_by_the_way(shape: Shape, prior: Props, planned: Props) -> Iterator[Change]:
    """Places added to a plan that has other changes: empty in the state, set in the plan.

    On their own they are not changes. Computed lists, sets and maps are unknown where the state has none; values inside
    blocks get their empty value where the state has null.
    """
    return _settled(shape.fields, prior, planned, ())


def _settled(fields: Mapping[str, Field], prior: Props, planned: Props, at: Path) -> Iterator[Change]:
    for name, one in fields.items():
        before, after, path = prior.get(name), planned.get(name), (*at, name)
        if before is None:
            # An absent single block is an empty list in Terraform's state.
            collection = one.many in ("[]", "<>") or (one.many == "{}" and not one.fields)
            computed = collection and (one.computed or one.output_only)
            if (computed or (one.scalar and at)) and is_empty(after):
                yield Change(path, "add", replace=False)
        elif one.block and isinstance(before, dict) and isinstance(after, dict):
            if not (one.set_of_one and not same(one, before, after)):
                yield from _settled(one.fields, before, after, path)
        elif one.many == "[]" and one.fields and isinstance(before, list) and isinstance(after, list):
            for index, (left, right) in enumerate(zip(before, after, strict=False)):
                if isinstance(left, dict) and isinstance(right, dict):
                    yield from _settled(one.fields, left, right, (*path, index))


class _Comparison:
    """Collects changes; `forced`: Terraform replaces, whatever the individual places say."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.forced = False

    def block(self, fields: Mapping[str, Field], prior: Props, planned: Props, at: Path, *, replace: bool) -> None:
        for name, one in fields.items():
            if not one.output_only:
                self.field(one, prior.get(name), planned.get(name), (*at, name), replace or one.force_new)

    def field(self, one: Field, before: Any, after: Any, at: Path, replace: bool) -> None:
        if before is None and one.default is not None and after == one.default and not one.implied:
            self._change(at, "add", replace)  # also where the default is false or 0
        elif same(one, before, after):
            return
        elif UNKNOWN in (before, after):
            self._change(at, "update" if _present(before) else "add", replace)
        elif one.block and isinstance(before, dict) and isinstance(after, dict):
            self.block(one.fields, before, after, at, replace=replace)
        elif one.many == "{}" and not one.fields:
            self._maps(before or {}, after or {}, at, replace)
        elif one.many in ("[]", "<>") and _present(before) and _present(after):
            if one.many == "<>":
                self._sets(one, before, after, at, replace)
            elif one.fields:
                self._blocks(one, before, after, at, replace)
            else:
                self._lists(one, before, after, at, replace)
        else:
            # A block added or removed as a whole is reported with every field in it.
            whole = [before, after] if one.block else [*(before or []), *(after or [])] if one.many else []
            kind = "update" if one.computed and after is None else _kind(before, after)  # the cloud assigns it
            self._change(at, kind, replace or any(_forces(one.fields, item) for item in whole))

    def _change(self, at: Path, kind: ChangeKind, replace: bool) -> None:
        self.changes.append(Change(at, kind, replace))

    def _maps(self, before: Props, after: Props, at: Path, replace: bool) -> None:
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                self._change((*at, key), _kind(before.get(key), after.get(key)), replace)

    def _blocks(self, one: Field, before: list[Any], after: list[Any], at: Path, replace: bool) -> None:
        """Blocks in a list are compared place by place."""
        for index in range(max(len(before), len(after))):
            left = before[index] if index < len(before) else None
            right = after[index] if index < len(after) else None
            self._element(one, left, right, (*at, index), replace)

    def _element(self, one: Field, before: Any, after: Any, at: Path, replace: bool) -> None:
        if isinstance(before, dict) and isinstance(after, dict):
            self.block(one.fields, before, after, at, replace=replace)
        else:
            forced = _forces(one.fields, before) or _forces(one.fields, after)
            self._change(at, _kind(before, after), replace or forced)

    def _lists(self, one: Field, before: list[Any], after: list[Any], at: Path, replace: bool) -> None:
        """Values in a list: removals and additions."""
        old, new = [spelling(one, item) for item in before], [spelling(one, item) for item in after]
        removed: set[int] = set()
        added: set[int] = set()
        for tag, low, high, start, end in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
            if tag != "equal":
                removed |= {*range(low, high)}
                added |= {*range(start, end)}
        for index in sorted(removed | added):
            kind: ChangeKind = "add" if index not in removed else "delete" if index not in added else "update"
            self._change((*at, index), kind, replace)

    def _sets(self, one: Field, before: list[Any], after: list[Any], at: Path, replace: bool) -> None:
        was, will_be = Elements(one, before), Elements(one, after)
        added = {index for index, item in enumerate(after) if item not in was}
        removed = {index for index, item in enumerate(before) if item not in will_be}
        if any(
            _forces(one.fields, items[index]) for items, some in ((before, removed), (after, added)) for index in some
        ):
            self.forced = True
        if any(_incomplete(one, after[index]) for index in added):
            # The bridge finds an element of the plan in the inputs only if the inputs specify all of it.
            self._change(at, "update", replace)
            return
        for index in sorted(added | removed):
            left, right = before[index] if index in removed else None, after[index] if index in added else None
            self._element(one, left, right, (*at, index), replace)


def _present(value: Any) -> bool:
    return value is not None and value != []


def _kind(before: Any, after: Any) -> ChangeKind:
    if not _present(before):
        return "add"
    return "update" if _present(after) else "delete"


def _forces(fields: Mapping[str, Field], given: Any) -> bool:
    """Whether any set field of a block forces a replacement."""
    return isinstance(given, dict) and any(
        one.force_new or (one.block and _forces(one.fields, given[name]))
        for name, one in fields.items()
        if not is_empty(given.get(name))
    )


def _incomplete(one: Field, item: Any) -> bool:
    return isinstance(item, dict) and any(
        each.scalar and not (each.computed or each.output_only) and item.get(name) is None
        for name, each in one.fields.items()
    )
