"""A resource as rules get it: plain data, with a marker for values that a preview does not know yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Unknown(Enum):
    """The marker for values that a preview cannot know."""

    UNKNOWN = "not known before the update"


UNKNOWN = Unknown.UNKNOWN
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """One resource. `properties` are its inputs; in a rule over the whole stack, its outputs.

    `secret`: paths of values that the engine keeps secret; None: not reported.
    """

    type: str
    name: str
    urn: str
    properties: Properties = field(default_factory=dict)
    protect: bool = False
    secret: frozenset[str] | None = None

    def at(self, path: str) -> Any:
        """The value at a path like `spec.ports`; None if absent, `UNKNOWN` if it cannot be known."""
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
    """The items of a list; empty for anything else."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
