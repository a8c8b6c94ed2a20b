"""The parts of a rule: name, level, reason, remedy, options and check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from policies.declared import UNKNOWN, Declared

Text = Annotated[str, Field(min_length=1)]


class Level(StrEnum):
    """The enforcement levels of the engine. With REMEDIATE a violation also stops the update, unless the rule fixes
    it."""

    ADVISORY = "advisory"
    MANDATORY = "mandatory"
    REMEDIATE = "remediate"


class Configured(BaseModel):
    """A group of options: camelCase in the JSON, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Granted(Configured):
    """An exception: a rule is suspended for a resource, for a limited time, on a person's responsibility."""

    # Not * alone: an exception for everything is a change of the rule.
    resource: str = Field(pattern=r"[^*?]", description="URN or logical name of the resource; * matches anything")
    reason: Text = Field(description="why the rule cannot be met today")
    by: Text = Field(description="who decided it")
    expires: date = Field(description="last day on which it holds, YYYY-MM-DD")


class Options(Configured):
    """Options of every rule."""

    exceptions: tuple[Granted, ...] = Field(
        (), description="resources for which the rule is suspended for a limited time"
    )


class InProduction(Options):
    """Options of a rule that applies only to production."""

    production: bool = Field(True, description="false: not a production stack, the rule does not apply")


@dataclass(frozen=True)
class Violation:
    """What is wrong, with the value. `remedy`: if it differs from the rule's."""

    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Unjudged:
    """What could not be judged, usually the path of a value that a preview does not know yet."""

    what: str


Finding = Violation | Unjudged
Check = Callable[[Declared, Any], Iterator[Finding]]
Mend = Callable[[dict[str, Any], Any], bool]


@dataclass(frozen=True)
class Rule:
    """A rule. `says`: the rule in one sentence; `why`: the reason, for the documentation.

    `types`: the resource types that `check` gets.
    """

    name: str
    says: str
    why: str
    remedy: str
    types: frozenset[str]
    level: Level = field(default=Level.MANDATORY, kw_only=True)
    options: type[Options] = field(default=Options, kw_only=True)

    def about(self, resource: Declared) -> bool:
        """Whether this rule applies to resources of this type."""
        return not self.types or resource.type in self.types


@dataclass(frozen=True)
class ResourceRule(Rule):
    """Checks one resource's inputs, before the engine changes it. No `types`: every resource.

    `mend` fixes the inputs in place and returns whether it did; only at level REMEDIATE, which a stack has to choose.
    """

    check: Callable[[Declared, Any], Iterable[Finding]] = field(kw_only=True)
    mend: Mend | None = field(default=None, kw_only=True)


def expected(path: str, right: Collection[Any], wrong: str, absent: str = "") -> Check:
    """A check of one property; `{}` in `wrong` is its value, or `absent` if it has none."""

    def check(resource: Declared, _: Options) -> Iterator[Finding]:
        value = resource.at(path)
        if value is UNKNOWN:
            yield Unjudged(path)
        elif value not in right:
            yield Violation(wrong.format(value or absent))

    return check


def in_production(*checks: Check) -> Check:
    """These checks, in production only."""

    def check(resource: Declared, options: InProduction) -> Iterator[Finding]:
        for each in checks if options.production else ():
            yield from each(resource, options)

    return check


@dataclass(frozen=True)
class StackRule(Rule):
    """Checks one resource together with others of the stack, at the end of a preview or update.

    `reads`: the types of the others, the only ones that `check` gets. If an update leaves out resources of these types,
    they may be the missing ones, so the rule refuses nothing then; resources of other types do not matter.
    """

    reads: frozenset[str] = field(kw_only=True)
    check: Callable[[Declared, Sequence[Declared], Any], Iterable[Finding]] = field(kw_only=True)
