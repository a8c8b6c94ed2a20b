"""Rules that span settings: functions whose parameters name what they need.

The first parameter is the setting that the rule checks and for which it reports a problem; the others are what it is
compared with. A rule raises `problems.refuse(...)`. Rules of a stack (`broken`) need its settings in any order; rules
within one group (`rule`) are methods of its model and compare a field with earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Rule = Callable[..., None]


def rule(check: Rule) -> Any:
    """A rule within one group, as a method of its model. It runs if every field that it names is valid; where a
    parameter has a default, that stands for an invalid field."""
    field_name, *others = list(signature(check).parameters.values())[1:]
    needs = {each.name for each in others if each.default is Parameter.empty}

    def run(cls: type, value: object, info: ValidationInfo) -> object:
        if info.data.keys() >= needs:
            check(cls, value, **{each.name: info.data[each.name] for each in others if each.name in info.data})
        return value

    return field_validator(field_name.name)(classmethod(run))


@dataclass(frozen=True)
class Given:
    """The raw configuration, as parameter `given` of a rule. `valid`: field to value, for all settings that are valid
    by themselves."""

    config: Mapping[str, str]
    secret_keys: frozenset[str]
    valid: dict[str, Any] = field(default_factory=dict)


def broken(rules: Iterable[Rule], given: Given) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The field and the refusal's context, for each rule that fails.

    A rule runs only if every setting that it names is valid; a setting that one rule refuses is invalid for later
    rules.
    """
    known = {**given.valid, "given": given}
    for rule in rules:
        needs = tuple(signature(rule).parameters)
        if known.keys() >= set(needs):
            try:
                rule(**{name: known[name] for name in needs})
            except PydanticCustomError as error:
                del known[needs[0]]
                yield needs[0], error.context or {}
