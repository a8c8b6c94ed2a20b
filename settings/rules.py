"""Rules that span settings: functions whose parameters name what they need, in any order of the fields.

The first parameter is the setting that the rule is about, where a problem is reported; the others are what it is held
against. A rule raises `problems.refuse(...)`. Rules inside one group are validators of its model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from pydantic_core import PydanticCustomError

Rule = Callable[..., None]


@dataclass(frozen=True)
class Given:
    """What a stack gives beside its settings, in a rule the parameter `given`. `valid`: field to value, of all settings
    that are right by themselves."""

    config: Mapping[str, str]
    secret_keys: frozenset[str]
    valid: dict[str, Any] = field(default_factory=dict)


def broken(rules: Iterable[Rule], given: Given) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The field and what `refuse` said, of each rule that does not hold.

    A rule is asked where everything that it names is right; what one rule refuses is wrong for those after it.
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
