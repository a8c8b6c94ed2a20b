"""A resource as rules see it: plain data, with a mark where a preview does not know the value yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Unknown(Enum):
    """The one value that stands for whatever a preview cannot know."""

    UNKNOWN = "not known before the update"


UNKNOWN = Unknown.UNKNOWN
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """One resource. `properties` are its inputs; in a rule over the whole stack, its outputs.

    `secret` holds the paths of what the engine keeps secret; None: nobody told.
    """

    type: str
    name: str
    urn: str
    properties: Properties = field(default_factory=dict)
    protect: bool = False
    secret: frozenset[str] | None = None

    def at(self, path: str) -> Any:
        """The value at a path like `spec.ports`; None where there is nothing, `UNKNOWN` where it cannot be known."""
        return at(self.properties, path)


def at(value: Any, path: str) -> Any:
    """The value at a path below `value`, as in `Declared.at`."""
    for step in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def items(value: Any) -> Sequence[Any]:
    """The items of a list; of anything else, none."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything inside `value` that is neither a mapping nor a list."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
