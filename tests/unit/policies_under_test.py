"""What tests of the policy pack ask of one rule, by its name: a rule that is gone makes its tests fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from policies.declared import Declared
from policies.judge import Excepted, NotJudged, Refused, Verdict, judge_resource, judge_stack
from policies.rule import ResourceRule, Rule, StackRule
from policies.rules import RULES

TODAY = date(2026, 1, 15)


def rule(name: str) -> Rule:
    (found,) = [each for each in RULES if each.name == name]
    return found


def resource(token: str, logical: str = "it", /, *, protect: bool = False, **properties: Any) -> Declared:
    """The engine hands over no resource without any input, but those that a targeted update leaves out."""
    urn = f"urn:pulumi:prod::warp-edge::{token}::{logical}"
    return Declared(token, logical, urn, properties or {"project": "warp-prod"}, protect=protect, secret=frozenset())


def verdicts(name: str, *resources: Declared, today: date = TODAY, **config: Any) -> list[Verdict]:
    return list(_verdicts(rule(name), resources, config, today))


def _verdicts(asked: Rule, resources: tuple[Declared, ...], config: dict[str, Any], today: date) -> Iterator[Verdict]:
    if isinstance(asked, StackRule):
        yield from judge_stack(asked, resources, config, today)
    elif isinstance(asked, ResourceRule):
        for each in filter(asked.about, resources):
            yield from judge_resource(asked, each, config, today)


def refused(name: str, *resources: Declared, **config: Any) -> list[str]:
    """What a rule refuses, without the remedy, which must be there."""
    reported = [each.message for each in verdicts(name, *resources, **config) if isinstance(each, Refused)]
    for message in reported:
        assert message.count("\n-> ") == 1, f"no remedy: {message}"
    return [message.split("\n-> ")[0] for message in reported]


def unjudged(name: str, *resources: Declared, **config: Any) -> list[str]:
    return [each.message for each in verdicts(name, *resources, **config) if isinstance(each, NotJudged)]


def excepted(name: str, *resources: Declared, **config: Any) -> list[str]:
    return [each.what for each in verdicts(name, *resources, **config) if isinstance(each, Excepted)]


def silent(name: str, *resources: Declared, **config: Any) -> bool:
    """Nothing refused and nothing left open."""
    return not verdicts(name, *resources, **config)
