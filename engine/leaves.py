"""A change of a resource, leaf by leaf: the value in the cloud, and the value wanted.

The engine describes a change by property paths (`detailedDiff`), and one path may cover a whole subtree. The recorded
inputs of an imported Service have no `spec`, so the kubernetes plugin answers `spec: add` and nothing else, although a
single field differs. Such a path is compared here, live outputs with new inputs. A field that only the cloud has is
not a change: the server or another field manager owns it, and an apply leaves it alone
(https://kubernetes.io/docs/reference/using-api/server-side-apply/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secret_text import SECRET

Step = str | int  # of a path: a name, or a list index
Steps = tuple[Step, ...]

KUBERNETES = "kubernetes:"
# What identifies an element of a list (`x-kubernetes-list-map-keys` in Kubernetes' own OpenAPI document), by the list's
# name; the first set of keys that every element has. All other lists are compared as one value.
LIST_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "imagePullSecrets": (("name",),),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
# Maps with one owner (`x-kubernetes-map-type: atomic` there): keys that are not given are removed.
_ATOMIC_MAPS = ("selector", "nodeSelector")


@dataclass(frozen=True)
class Leaf:
    """One value that changes; None if absent.

    `path`: as the engine writes it, except that an element of a keyed list is identified by its keys:
    `spec.ports[5060/UDP].name`.
    """

    path: str
    before: Any
    after: Any

    @property
    def dropped(self) -> bool:
        """Whether a field is removed from an object that stays."""
        return self.after is None and not self.path.endswith("]")


@dataclass(frozen=True)
class Sides:
    """A resource's properties, or a part of them: in the cloud (`live`), as inputs of the last update (`asked`), and as
    inputs of the next one (`wanted`)."""

    live: Any
    asked: Any
    wanted: Any

    def at(self, steps: Iterable[Step]) -> Sides:
        """The value at a path, on each side."""
        return Sides(*(_at(side, steps) for side in (self.live, self.asked, self.wanted)))

    @property
    def all(self) -> tuple[Any, Any, Any]:
        """The three of them."""
        return self.live, self.asked, self.wanted

    @property
    def before(self) -> Any:
        """The value in the cloud, or the last input if the cloud does not return it."""
        return self.asked if self.live is None else self.live


def changed_leaves(sides: Sides, reported: Mapping[str, str], *, kubernetes: bool) -> list[Leaf]:
    """The values that change, in order. `reported`: the engine's paths, with their kinds (`add`, `update`, `delete`;
    empty if not reported).

    A path to a single value is taken as it is, except the addition of an empty value; a path to a subtree is compared.
    The result is empty if nothing differs.
    """
    found: dict[str, Leaf] = {}
    for path, kind in sorted(reported.items()):
        steps = parsed(path)
        whole = _whole_list(sides, steps) if kubernetes else steps
        part = sides.at(whole)
        if any(isinstance(side, dict | list) for side in part.all):
            leaves = list(
                _compared(
                    part,
                    "".join(map(_step, whole)).removeprefix("."),
                    str(whole[-1]) if whole else "",
                    kubernetes=kubernetes,
                )
            )
            if len(steps) > len(whole) + 1:  # of an element only this: what it lost otherwise, the server decides
                leaves = [leaf for leaf in leaves if not leaf.dropped or parsed(leaf.path)[-1] == steps[-1]]
        else:
            believed = Leaf(path, part.asked if part.before == part.wanted else part.before, part.wanted)
            leaves = [] if kind == "add" and empty(believed.before) and empty(believed.after) else [believed]
        found |= {leaf.path: leaf for leaf in leaves}
    return list(found.values())


def parsed(path: str) -> Steps:
    """`spec.ports[0].name`, `metadata.labels["a.b/c"]` as steps."""
    return tuple(
        int(index) if index else quoted.replace('\\"', '"') or name
        for quoted, index, name in re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)', path)
    )


def empty(value: Any) -> bool:
    """Whether there is nothing, as any plugin writes it."""
    return value is None or value in ({}, [], "")


def _at(value: Any, steps: Iterable[Step]) -> Any:
    for step in steps:
        if value == SECRET:
            return value  # all of it is one
        if isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        elif isinstance(value, dict):
            value = value.get(str(step))
        else:
            return None
    return value


def _compared(part: Sides, path: str, name: str, *, kubernetes: bool) -> Iterator[Leaf]:
    """The leaves that differ; `name` is the last step of `path`."""
    # Where the program never asked for anything, all that is there goes away.
    everything = part.wanted is None and part.asked is None
    if keys := _keys(name, part.all) if kubernetes else None:
        elements = [_by_key(side, keys) for side in part.all]
        for key in _named(*elements, everything=everything):
            element = Sides(*(each.get(key) for each in elements))
            if element.wanted is None or element.before is None:
                yield Leaf(f"{path}[{key}]", element.before, element.wanted)
            else:
                yield from _compared(element, f"{path}[{key}]", "", kubernetes=kubernetes)
    elif any(isinstance(side, dict) for side in part.all):
        maps = [side if isinstance(side, dict) else {} for side in part.all]
        for key in _named(*maps, everything=everything or (kubernetes and name in _ATOMIC_MAPS)):
            if not key.startswith("__"):  # the bridge's own notes
                yield from _compared(part.at((key,)), f"{path}{_step(key)}".lstrip("."), key, kubernetes=kubernetes)
    elif part.before == SECRET or differs(part.before, part.wanted):
        # Two secrets look the same, whether they are or not.
        yield Leaf(path, part.before, part.wanted)


def differs(before: Any, after: Any) -> bool:
    """Whether it would be another value; nothing is nothing, however a plugin writes it."""
    return before != after and not (empty(before) and empty(after))


def _named(
    live: Mapping[str, Any], asked: Mapping[str, Any], wanted: Mapping[str, Any], *, everything: bool
) -> list[str]:
    """The keys that the program names or named; or those that only the cloud has, too."""
    return list(dict.fromkeys([*wanted, *asked, *(live if everything else ())]))


def _keys(name: str, lists: Iterable[Any]) -> tuple[str, ...] | None:
    """The keys of a keyed list's elements; None: it is none."""
    elements = [element for each in lists if isinstance(each, list) for element in each]
    for keys in LIST_KEYS.get(name, ()):
        if elements and all(isinstance(element, dict) and keys[0] in element for element in elements):
            return keys
    return None


def _by_key(elements: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    return {
        "/".join(str(element.get(key, _KEY_DEFAULTS.get(key))) for key in keys): element
        for element in (elements if isinstance(elements, list) else ())
    }


def _whole_list(sides: Sides, steps: Steps) -> Steps:
    """A path into a keyed list ends at the list: places in it say nothing, an order is no difference."""
    for place, step in enumerate(steps):
        if isinstance(step, int) and place and _keys(str(steps[place - 1]), sides.at(steps[:place]).all):
            return steps[:place]
    return steps


def _step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f'["{step}"]' if re.search(r'[."\[\]]', step) else f".{step}"
