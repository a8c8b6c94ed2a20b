"""Rules that span settings: functions whose parameters name what they need, in any order of the fields.

The first parameter is the setting that the rule checks and for which it reports a problem; the others are what it is
compared with. A rule raises `problems.refuse(...)`. Rules within one group are validators of its model.
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
