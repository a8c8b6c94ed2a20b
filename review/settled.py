"""Whether an update took: the preview after it has nothing left to do.

An engine that reports success reports what the plugin said. A plugin may drop what it was asked for (pulumi-gcp 9.35.0
and 9.36.0 sent the old values of Cloud SQL's settings: pulumi-gcp issue 3970), and the next preview shows the same
difference again, after everybody has read "updated".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.differences import OURS, compare, known_as
from engine.effects import Effect
from review.causes import Message
from review.foreign import code
from review.markdown import bounded
from review.parts import error_lines, section, values
from review.preview import Preview, Step
from review.resources import Effected

_WORDS = {"create": "is missing", "delete": "is still there", "replace": "is to be replaced"}
_REMEDY = (
    "Run `pulumi up` once more. If the same is left again, the provider drops it or the cloud changes it back: see the"
    " provider's known faults, and do not report this update as done."
)
# The zone's keys, for one, may come after the update that asked for them (docs/known-faults.md).
_PUBLISH = "Some values are known only after the update that they come from. Publish again: run `pulumi up` once more."


@dataclass(frozen=True)
class Left:
    """What is left to do with one resource; `properties`: as they are and as they were to be."""

    name: str
    words: str
    properties: tuple[Effected, ...]


@dataclass(frozen=True)
class Settled:
    """A preview after an update. `outputs`: names of those that another update would publish otherwise."""

    stack: str
    left: tuple[Left, ...]
    outputs: tuple[str, ...]
    errors: tuple[Message, ...]
    failed: bool

    @property
    def holds(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.failed or self.left or self.outputs)


def settled(preview: Preview, stack: str) -> Settled:
    """Every step that would change something, also those that no cloud sees."""
    left = sorted((_left(step) for step in preview.changes), key=lambda each: each.name)
    return Settled(stack, tuple(left), tuple(_outputs(preview)), preview.errors, preview.failed)


def page(found: Settled) -> str:
    """As Markdown, like a report."""
    return bounded("\n".join(_page(found)).rstrip() + "\n")


def failure(update: Preview, stack: str) -> str:
    """Why an update stopped, as Markdown. What it had done by then is done."""
    lines = [
        f"## Update of stack {code(stack)}",
        "",
        "**The update failed.** What it had done by then is done; `pulumi up` goes on from there.",
        *section("Errors", update.errors, error_lines),
    ]
    return bounded("\n".join(lines) + "\n")


def _page(found: Settled) -> Iterator[str]:
    yield f"## After the update of stack {code(found.stack)}"
    yield ""
    if found.holds:
        yield "**The update took: nothing is left to do.**"
        return
    if found.failed:
        yield "**Whether the update took is not known: the preview after it failed.**"
    elif not found.left:
        yield "**The update took, but what it published is out of date.**"
        yield _PUBLISH
    else:
        yield "**The update did not take.**"
        yield _REMEDY
    yield from section("Errors", found.errors, error_lines)
    yield from section("Did not take: as it is → as it was to be", found.left, _lines)
    heading = "Outputs that are not as published" if found.left else "Outputs to publish again"
    yield from section(heading, found.outputs, lambda name: [f"- {code(name)}"])


def _lines(left: Left) -> Iterator[str]:
    yield f"- {code(left.name)} {left.words}"
    yield from (f"  - {values(each)}" for each in left.properties)


def _left(step: Step) -> Left:
    words = _WORDS.get(step.op, "is not as the settings have it")
    properties = tuple(_properties(step)) if step.op not in ("create", "delete") else ()
    return Left(known_as(step.model_dump()), words, properties)


def _properties(step: Step) -> Iterator[Effected]:
    if step.type.startswith(OURS):
        for path in sorted(step.detailedDiff or step.diffReasons or ()):
            yield Effected(Effect.UNKNOWN, property=path)
        return
    for each in compare([step.model_dump() | {"op": "update"}]).differences:
        yield Effected.of(each, Effect.UNKNOWN)


def _outputs(preview: Preview) -> Iterator[str]:
    """Only where the form of the preview tells both."""
    before: Mapping[str, Any] = preview.before or {}
    after: Mapping[str, Any] | None = preview.after
    if after is not None and not preview.partial:
        yield from (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))
