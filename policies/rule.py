"""What a rule is made of: its name, its level, its reason, its remedy, its options and its check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from policies.declared import Declared

Text = Annotated[str, Field(min_length=1)]


class Level(StrEnum):
    """What a violation does, in the engine's words. With REMEDIATE it also stops, unless the rule could mend it."""

    ADVISORY = "advisory"
    MANDATORY = "mandatory"
    REMEDIATE = "remediate"


class Configured(BaseModel):
    """A group of options: camelCase in the JSON, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Granted(Configured):
    """One exception: a rule does not hold for a resource, for a while, and somebody answers for it."""

    # Something must stand there beside *: an exception for everything is a change of the rule.
    resource: str = Field(pattern=r"[^*?]", description="URN or logical name of the resource; * stands for anything")
    reason: Text = Field(description="why it cannot be otherwise today")
    by: Text = Field(description="who decided it")
    expires: date = Field(description="last day on which it holds, YYYY-MM-DD")


class Options(Configured):
    """What every rule has."""

    exceptions: tuple[Granted, ...] = Field((), description="resources for which the rule does not hold for a while")


class InProduction(Options):
    """Options of a rule that only production must keep."""

    production: bool = Field(True, description="false: nothing in this stack is worth it, the rule says nothing")


@dataclass(frozen=True)
class Violation:
    """What is wrong, with the value. The remedy is the rule's, unless this one needs another."""

    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Unjudged:
    """What could not be judged, mostly a value's path: a preview does not know it yet."""

    what: str


Finding = Violation | Unjudged
Mend = Callable[[dict[str, Any], Any], bool]


@dataclass(frozen=True)
class Rule:
    """A rule. `says` is the promise in one sentence, `why` is for the documentation.

    `types`: the types of resources that `check` is asked about.
    """

    name: str
    says: str
    why: str
    remedy: str
    types: frozenset[str]
    level: Level = field(default=Level.MANDATORY, kw_only=True)
    options: type[Options] = field(default=Options, kw_only=True)

    def about(self, resource: Declared) -> bool:
        """Whether this rule has something to say about a resource of this type."""
        return not self.types or resource.type in self.types


@dataclass(frozen=True)
class ResourceRule(Rule):
    """Looks at one resource's inputs, before the engine does anything with it. No `types`: every resource.

    `mend` changes the inputs in place and says whether it did; only at level REMEDIATE, which a stack has to choose.
    """

    check: Callable[[Declared, Any], Iterable[Finding]] = field(kw_only=True)
    mend: Mend | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class StackRule(Rule):
    """Looks at one resource among others of the stack, at the end of a preview and of an update.

    `reads`: the types of these others, and all that `check` gets of the stack. What an update leaves out of them may
    be what is missing, so the rule refuses nothing then; what it leaves out of other types changes nothing.
    """

    reads: frozenset[str] = field(kw_only=True)
    check: Callable[[Declared, Sequence[Declared], Any], Iterable[Finding]] = field(kw_only=True)
