"""One field of a resource type, as `shapes.py` reads it from a shape's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Type = Literal["str", "int", "bool", "num"]
Many = Literal["", "[]", "<>", "{}"]

_ZERO: Mapping[Type, Any] = {"str": "", "int": 0, "bool": False, "num": 0}


@dataclass(frozen=True)
class Field:
    """One input or output of a resource type, or of a block inside it."""

    name: str
    type: Type
    many: Many
    marks: str
    default: Any
    fields: Mapping[str, Field] = field(default_factory=dict)
    allowed: tuple[str, ...] | range | None = None
    """The values that the plugin accepts; each type checks what the cloud accepts."""

    @property
    def required(self) -> bool:
        return "*" in self.marks

    @property
    def force_new(self) -> bool:
        return "!" in self.marks

    @property
    def computed(self) -> bool:
        return "~" in self.marks

    @property
    def link(self) -> bool:
        return "@" in self.marks

    @property
    def secret(self) -> bool:
        return "$" in self.marks

    @property
    def output_only(self) -> bool:
        return "^" in self.marks

    @property
    def plugin_only(self) -> bool:
        return "%" in self.marks

    @property
    def implied(self) -> bool:
        return "?" in self.marks

    @property
    def autonamed(self) -> bool:
        return "+" in self.marks

    @property
    def set_of_one(self) -> bool:
        return "&" in self.marks

    @property
    def needs_one(self) -> bool:
        return "#" in self.marks

    @property
    def nothing(self) -> bool:
        return "-" in self.marks

    @property
    def scalar(self) -> bool:
        return not self.many

    @property
    def block(self) -> bool:
        """A single object with its own fields."""
        return self.many == "{}" and bool(self.fields)

    def zero(self) -> Any:
        """What the provider reports for a field without a value in the cloud."""
        if self.nothing:
            return None
        if self.many in ("[]", "<>"):
            return []
        if self.many == "{}":
            return None if self.fields else {}
        return _ZERO[self.type]
