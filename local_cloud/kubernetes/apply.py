"""Server-side apply: ownership of fields, conflicts, removals.

https://kubernetes.io/docs/reference/using-api/server-side-apply/. Ownership is stored as by the API server, in
`metadata.managedFields`, in its notation (f: a field, k: an element of a list by its keys).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from local_cloud.cloud import now
from local_cloud.kubernetes.list_keys import keys_of
from local_cloud.values import Props

MANAGER: Final = "pulumi-kubernetes"
KUBECTL: Final = "kubectl-client-side-apply"
FieldPath = tuple[str, ...]
_NOT_OWNED: Final = {("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace")}


@dataclass(frozen=True)
class Conflict:
    """A field that another manager owns with a different value."""

    manager: str
    operation: str
    field: str


class ConflictError(Exception):
    """The API server's 409 to an apply that is not forced."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        self.conflicts = conflicts
        managers = sorted({conflict.manager for conflict in conflicts})
        words = [f'conflict with "{one.manager}" using v1: {one.field}' for one in conflicts]
        if len(conflicts) > 1:
            words = [
                f'conflicts with "{manager}" using v1:\n'
                + "\n".join(f"- {one.field}" for one in conflicts if one.manager == manager)
                for manager in managers
            ]
        plural = "s" if len(conflicts) > 1 else ""
        super().__init__(f"Apply failed with {len(conflicts)} conflict{plural}: " + "\n".join(words))


def leaves(value: Props) -> dict[FieldPath, Any]:
    """Every field that a manager of this object would own, with its value."""
    found: dict[FieldPath, Any] = {}
    _leaves(value, (), "", "", found)
    return {path: leaf for path, leaf in found.items() if path not in _NOT_OWNED and path[0] != "f:status"}


def _leaves(value: Any, path: FieldPath, parent: str, name: str, found: dict[FieldPath, Any]) -> None:
    """`name`: of the field, or of the list that it is an element of; `parent`: of the enclosing field."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _leaves(inner, (*path, f"f:{key}"), name, key, found)
    elif isinstance(value, list) and (keys := keys_of(parent, name, value)):
        for item in value:
            _leaves(item, (*path, _element(keys, item)), "", name, found)
    else:
        found[path] = value


def duplicates(value: Any, at: str = "", parent: str = "") -> list[str]:
    """Elements of keyed lists with duplicate keys, which a patch must not have."""
    found: list[str] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += duplicates(inner, f"{at}.{name}", name)
            if isinstance(inner, list) and (keys := keys_of(parent, name, inner)):
                elements = [_element(keys, item) for item in inner]
                twice = sorted({one for one in elements if elements.count(one) > 1})
                found += [f"{at}.{name}: duplicate entries for key {dotted((one,))}" for one in twice]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += duplicates(item, f"{at}[{index}]", parent)
    return found


def _element(keys: Sequence[str], item: Props) -> str:
    return "k:" + json.dumps({key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}, sort_keys=True)


def owners(live: Props) -> dict[str, set[FieldPath]]:
    """The fields that each manager owns."""
    found: dict[str, set[FieldPath]] = {}
    for entry in live.get("metadata", {}).get("managedFields", []):
        found.setdefault(entry["manager"], set()).update(_decode(entry["fieldsV1"], ()))
    return found


def with_owners(live: Props, managers: Mapping[str, Iterable[FieldPath]]) -> Props:
    """The object with its managers recorded."""
    entries = [
        {
            "apiVersion": live["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": _encode(paths),
            "manager": manager,
            "operation": "Apply" if manager == MANAGER else "Update",
            "time": now(),
        }
        for manager, paths in sorted(managers.items())
        if paths
    ]
    return {**live, "metadata": {**live["metadata"], "managedFields": entries}}


def _encode(paths: Iterable[FieldPath]) -> Props:
    tree: Props = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def _decode(tree: Props, path: FieldPath) -> Iterable[FieldPath]:
    for step, inner in tree.items():
        if inner:
            yield from _decode(inner, (*path, step))
        else:
            yield (*path, step)


def apply(live: Props, given: Props, *, manager: str = MANAGER, force: bool = False) -> Props:
    """The live object after a manager applied its fields; fields that it no longer applies are removed."""
    wanted, current, managers = leaves(given), leaves(live), owners(live)
    others = {name: paths for name, paths in managers.items() if name != manager}
    conflicts = [
        Conflict(name, "Update", dotted(path))
        for path, value in wanted.items()
        for name, paths in sorted(others.items())
        if path in paths and path in current and current[path] != value
    ]
    if conflicts and not force:
        raise ConflictError(conflicts)
    taken = {path for path, value in wanted.items() if current.get(path) != value}
    result = copy.deepcopy(live)
    for path in dropped(live, given, manager):
        _remove(result, path)
    for path, value in wanted.items():
        _set(result, path, value)
    _order(result, live, given)
    lasting = {name: paths - taken for name, paths in others.items()}
    return with_owners(result, {**lasting, manager: set(wanted)})


def _order(result: Any, live: Any, given: Any, parent: str = "", name: str = "") -> None:
    """Order the elements of keyed lists as the API server's merge does."""
    if isinstance(given, dict) and isinstance(result, dict):
        for key, inner in given.items():
            before = live.get(key) if isinstance(live, dict) else None
            _order(result.get(key), before, inner, name, key)
    elif isinstance(given, list) and isinstance(result, list) and (keys := keys_of(parent, name, given)):
        there = {_element(keys, item): item for item in (live if isinstance(live, list) else [])}
        wanted = {_element(keys, item): item for item in given}
        places = {key: place for place, key in enumerate(merged_order(list(there), list(wanted)))}
        result.sort(key=lambda item: places[_element(keys, item)])
        for item in result:
            key = _element(keys, item)
            _order(item, there.get(key), wanted.get(key), "", name)


def merged_order(live: list[str], given: list[str]) -> list[str]:
    """Applied elements keep their order; an element only of others stays before its former successor.

    From structured-merge-diff 4.6.0 (typed/merge.go, visitListItems), used by Kubernetes 1.33.
    """
    rest = list(live)
    order: list[str] = []
    for key in given:
        while rest and rest[0] != key and (key in live or rest[0] not in given):
            passed = rest.pop(0)
            order += [passed] if passed not in given else []
        if rest and rest[0] == key:
            rest.pop(0)
        order.append(key)
    return order + [key for key in rest if key not in given]


def dropped(live: Props, given: Props, manager: str = MANAGER) -> set[FieldPath]:
    """Fields that only this manager owned and no longer applies; a list element without an owner as a whole."""
    managers = owners(live)
    wanted = set(leaves(given))
    kept = wanted.union(*(paths for name, paths in managers.items() if name != manager))
    gone: set[FieldPath] = set()
    for path in managers.get(manager, set()) - kept:
        element = next((path[: index + 1] for index, step in enumerate(path) if step.startswith("k:")), None)
        if element is not None and not any(other[: len(element)] == element for other in kept):
            gone.add(element)
        else:
            gone.add(path)
    return gone


def dotted(path: FieldPath) -> str:
    """.spec.ports[port=5060,protocol="UDP"].name, as the API server writes it."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        else:
            keys = json.loads(step[2:])
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "]"
    return text


def value_at(live: Props, path: FieldPath) -> Any:
    """The value of a field; None if there is none."""
    node: Any = live
    for step in path:
        index = _index(node, step)
        if index is None:
            return None
        node = node[index]
    return node


def _index(node: Any, step: str) -> Any:
    """The key or index of a step in a node; None if it does not exist."""
    if step.startswith("f:"):
        return step[2:] if isinstance(node, dict) and step[2:] in node else None
    keys = json.loads(step[2:])
    for index, item in enumerate(node if isinstance(node, list) else []):
        if all(item.get(key, "TCP" if key == "protocol" else None) == value for key, value in keys.items()):
            return index
    return None


def _set(live: Props, path: FieldPath, value: Any) -> None:
    node: Any = live
    for step, following in pairwise(path):
        index = _index(node, step)
        if index is None or node[index] is None:
            index = _make(node, step, [] if following.startswith("k:") else {})
        node = node[index]
    index = _index(node, path[-1])
    if index is None:
        _make(node, path[-1], value)
    else:
        node[index] = value


def _make(node: Any, step: str, value: Any) -> Any:
    if step.startswith("f:"):
        node[step[2:]] = value
        return step[2:]
    node.append(json.loads(step[2:]))
    return len(node) - 1


def _remove(live: Props, path: FieldPath) -> None:
    parent = value_at(live, path[:-1]) if len(path) > 1 else live
    index = _index(parent, path[-1])
    if index is None:
        return
    del parent[index]
    if not parent and len(path) > 1:
        _remove(live, path[:-1])
