"""Runs rules so that nothing hides anything else.

Whatever a rule finds is told as soon as it is found. A rule that breaks is told as a violation of its own at the
resource where it broke, and goes on with the next. What a preview does not know is told, not refused; so is what an
update with --target or --exclude leaves out and does not exist yet: the engine hands that over without any input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from pydantic import ValidationError

from policies.declared import Declared
from policies.rule import Finding, Granted, Options, ResourceRule, Rule, StackRule, Violation
from refusal import with_remedy

LEFT_OUT = "this update leaves it out (--target, --exclude), so it has no inputs yet"
RESTS = "rests on what this update leaves out (--target, --exclude)"
_told = partial(with_remedy, indent="")  # the engine indents the whole of it
COMPONENTS = ("pulumi:", "warp:")  # never have inputs
LONGEST = timedelta(days=366)  # an exception that nobody will live to see the end of is a change of the rule


@dataclass(frozen=True)
class Refused:
    """A violation, ready to be read. Empty `urn`: the stack as a whole."""

    urn: str
    message: str


@dataclass(frozen=True)
class Violated(Refused):
    """A rule is broken, and has not broken itself. `what`: the message without its remedy."""

    what: str = ""


@dataclass(frozen=True)
class NotJudged:
    """What a rule could not judge yet."""

    urn: str
    message: str


@dataclass(frozen=True)
class Excepted:
    """A violation that somebody answers for."""

    urn: str
    rule: str
    what: str
    granted: Granted


Verdict = Refused | NotJudged | Excepted


def judge_resource(rule: ResourceRule, resource: Declared, config: Mapping[str, Any], today: date) -> Iterator[Verdict]:
    """Every verdict of a rule on one resource."""
    options = _options(rule, config, resource.urn)
    if isinstance(options, Refused):
        yield options
        return
    if rule.types and _left_out(resource):
        yield NotJudged(resource.urn, f"{resource.name}: {LEFT_OUT}")
        return
    yield from _judge(rule, resource, lambda: rule.check(resource, options), options, today)


def judge_stack(
    rule: StackRule, resources: Sequence[Declared], config: Mapping[str, Any], today: date
) -> Iterator[Verdict]:
    """Every verdict of a rule on a whole stack, resource by resource."""
    options = _options(rule, config, "")
    if isinstance(options, Refused):
        yield options
        return
    among = [each for each in resources if each.type in rule.reads]
    partial = any(map(_left_out, among))
    for resource in filter(rule.about, resources):
        if _left_out(resource):
            yield NotJudged(resource.urn, f"{resource.name}: {LEFT_OUT}")
            continue
        for verdict in _judge(rule, resource, _check_among(rule, resource, among, options), options, today):
            if partial and isinstance(verdict, Violated):
                yield NotJudged(resource.urn, f"{verdict.what}, which {RESTS}")
            else:
                yield verdict


def mended(
    rule: ResourceRule, resource: Declared, inputs: dict[str, Any], config: Mapping[str, Any], today: date
) -> bool:
    """Let a rule mend inputs in place, unless there is an exception; whether to use them.

    What goes wrong here is told by the rule's check, which comes next.
    """
    options = _options(rule, config, resource.urn)
    if isinstance(options, Refused) or rule.mend is None:
        return False
    if any(_holds(each, resource, today) for each in options.exceptions):
        return False
    try:
        return rule.mend(inputs, options)
    except Exception:
        return False


def judge_exceptions(rule: Rule, config: Mapping[str, Any], today: date) -> Iterator[Refused]:
    """What is wrong with a rule's configuration itself: once a stack, whatever resources it has."""
    options = _options(rule, config, "")
    if isinstance(options, Refused):
        yield options
        return
    for granted in options.exceptions:
        if granted.expires < today:
            what = f"the exception for {granted.resource} expired on {granted.expires} ({granted.by}: {granted.reason})"
            yield Refused("", _told(what, "remove it, or have it granted anew with a later date"))
        elif granted.expires > today + LONGEST:
            what = f"the exception for {granted.resource} lasts until {granted.expires}, longer than a year"
            yield Refused("", _told(what, "grant it for a year at most, or change the rule"))


def _left_out(resource: Declared) -> bool:
    return not resource.properties and not resource.type.startswith(COMPONENTS)


def _check_among(
    rule: StackRule, resource: Declared, among: Sequence[Declared], options: Options
) -> Callable[[], Iterable[Finding]]:
    return lambda: rule.check(resource, among, options)


def _judge(
    rule: Rule, resource: Declared, check: Callable[[], Iterable[Finding]], options: Options, today: date
) -> Iterator[Verdict]:
    granted = next((each for each in options.exceptions if _holds(each, resource, today)), None)
    try:
        for finding in check():
            if not isinstance(finding, Violation):
                yield NotJudged(resource.urn, f"{resource.name}: {finding.what}")
            elif granted:
                yield Excepted(resource.urn, rule.name, finding.what, granted)
            else:
                what = f"{resource.name}: {finding.what}"
                yield Violated(resource.urn, _told(what, finding.remedy or rule.remedy), what)
    except Exception as error:
        # Whatever it is, it must not end the judging of anything else. Its text may hold a property's value.
        what = f"{resource.name}: the rule itself failed ({type(error).__name__}), so this resource was not judged"
        yield Refused(resource.urn, _told(what, f"correct rule {rule.name} in policies/rules/, its test first"))


def _options(rule: Rule, config: Mapping[str, Any], urn: str) -> Options | Refused:
    try:
        return rule.options.model_validate(dict(config))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        )
    return Refused(
        urn, _told(f"the configuration of rule {rule.name} cannot be used: {wrong}", "docs/policies.md has its options")
    )


def _holds(granted: Granted, resource: Declared, today: date) -> bool:
    names = (resource.urn, resource.name)
    return today <= granted.expires <= today + LONGEST and any(fnmatchcase(name, granted.resource) for name in names)
