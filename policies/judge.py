"""Runs rules so that no finding hides another.

Findings are reported as soon as they occur. A rule that fails itself is reported as a violation at that resource, and
continues with the next. Values that a preview does not know are reported, not refused; so are resources that do not
exist yet and that an update with --target or --exclude leaves out: the engine passes them without any input.
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
RESTS = "depends on resources that this update leaves out (--target, --exclude)"
_message = partial(with_remedy, indent="")  # the engine indents all of it
COMPONENTS = ("pulumi:", "warp:")  # never have inputs
LONGEST = timedelta(days=366)  # a longer exception is a change of the rule


@dataclass(frozen=True)
class Refused:
    """A violation, as text. Empty `urn`: the stack as a whole. `what`: the message without its remedy; empty if the
    rule itself failed."""

    urn: str
    message: str
    what: str = ""


@dataclass(frozen=True)
class NotJudged:
    """A value or resource that a rule could not judge yet."""

    urn: str
    message: str


@dataclass(frozen=True)
class Excepted:
    """A violation covered by an exception."""

    urn: str
    rule: str
    what: str
    granted: Granted


Verdict = Refused | NotJudged | Excepted


def judge_resource(rule: ResourceRule, resource: Declared, config: Mapping[str, Any], today: date) -> Iterator[Verdict]:
    """All verdicts of a rule on one resource."""
    options = _options(rule, config, resource.urn)
    if isinstance(options, Refused):
        yield options
        return
    if rule.types and _left_out(resource):
        yield NotJudged(resource.urn, f"{resource.name}: {LEFT_OUT}")
        return
    yield from _judge(rule, resource, partial(rule.check, resource, options), options, today)


def judge_stack(
    rule: StackRule, resources: Sequence[Declared], config: Mapping[str, Any], today: date
) -> Iterator[Verdict]:
    """All verdicts of a rule on a whole stack, resource by resource."""
    options = _options(rule, config, "")
    if isinstance(options, Refused):
        yield options
        return
    among = [each for each in resources if each.type in rule.reads]
    incomplete = any(map(_left_out, among))
    for resource in filter(rule.about, resources):
        if _left_out(resource):
            yield NotJudged(resource.urn, f"{resource.name}: {LEFT_OUT}")
            continue
        for verdict in _judge(rule, resource, partial(rule.check, resource, among, options), options, today):
            if incomplete and isinstance(verdict, Refused) and verdict.what:
                yield NotJudged(resource.urn, f"{verdict.what}, which {RESTS}")
            else:
                yield verdict


def mended(
    rule: ResourceRule, resource: Declared, inputs: dict[str, Any], config: Mapping[str, Any], today: date
) -> bool:
    """Let a rule fix inputs in place, unless there is an exception; returns whether to use them.

    Errors here are reported by the rule's check, which runs next.
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
    """Problems of a rule's configuration itself: once per stack, whatever resources it has."""
    options = _options(rule, config, "")
    if isinstance(options, Refused):
        yield options
        return
    for granted in options.exceptions:
        if granted.expires < today:
            what = f"the exception for {granted.resource} expired on {granted.expires} ({granted.by}: {granted.reason})"
            yield Refused("", _message(what, "remove it, or get it extended"))
        elif granted.expires > today + LONGEST:
            what = f"the exception for {granted.resource} lasts until {granted.expires}, longer than a year"
            yield Refused("", _message(what, "grant it for a year at most, or change the rule"))


def _left_out(resource: Declared) -> bool:
    return not resource.properties and not resource.type.startswith(COMPONENTS)


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
                yield Refused(resource.urn, _message(what, finding.remedy or rule.remedy), what)
    except Exception as error:
        # No error may end the judging of other resources. Its text may contain a property's value.
        what = f"{resource.name}: the rule itself failed ({type(error).__name__}), so this resource was not judged"
        yield Refused(resource.urn, _message(what, f"correct rule {rule.name} in policies/rules/, its test first"))


def _options(rule: Rule, config: Mapping[str, Any], urn: str) -> Options | Refused:
    try:
        return rule.options.model_validate(dict(config))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        )
    return Refused(
        urn,
        _message(f"the configuration of rule {rule.name} is invalid: {wrong}", "docs/policies.md lists its options"),
    )


def _holds(granted: Granted, resource: Declared, today: date) -> bool:
    names = (resource.urn, resource.name)
    return today <= granted.expires <= today + LONGEST and any(fnmatchcase(name, granted.resource) for name in names)
