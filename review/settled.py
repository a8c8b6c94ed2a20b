"""Whether an update took effect: the preview after it has nothing left to do.

The engine reports success if the plugin does. A plugin may drop a change (pulumi-gcp 9.35.0 and 9.36.0 sent the old
values of Cloud SQL's settings: pulumi-gcp issue 3970), and the next preview shows the same difference again, although
the update was reported as done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    "Run `pulumi up` once more. If the same is left again, the provider drops it or the cloud changes it back: check"
    " the provider's known faults, and do not consider this update done."
)
# The zone's keys, for example, may appear after the update that requested them (docs/known-faults.md).
_PUBLISH = "Some values were known only after the update. Run `pulumi up` once more to publish them."


@dataclass(frozen=True)
class Left:
    """What is left to do for one resource; `properties`: actual and expected values."""

    name: str
    words: str
    properties: tuple[Effected, ...]


@dataclass(frozen=True)
class Settled:
    """A preview after an update. `outputs`: names of outputs that another update would change."""

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
    """Every step that would change something, also of types without a counterpart in the cloud."""
    left = sorted((_left(step) for step in preview.changes), key=lambda each: each.name)
    before, after = preview.before or {}, preview.after
    outputs: Iterable[str] = ()
    if after is not None and not preview.partial:  # only if the preview includes both
        outputs = (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))
    return Settled(stack, tuple(left), tuple(outputs), preview.errors, preview.failed)


def page(found: Settled) -> str:
    """The report as Markdown."""
    return bounded("\n".join(_page(found)).rstrip() + "\n")


def failure(update: Preview, stack: str) -> str:
    """Why an update failed, as Markdown. Changes before the failure stay."""
    lines = [
        f"## Update of stack {code(stack)}",
        "",
        "**The update failed.** Changes made before the failure stay; `pulumi up` continues from there.",
        *section("Errors", update.errors, error_lines),
    ]
    return bounded("\n".join(lines) + "\n")


def _page(found: Settled) -> Iterator[str]:
    yield f"## After the update of stack {code(found.stack)}"
    yield ""
    if found.holds:
        yield "**The update took effect: nothing is left to do.**"
        return
    if found.failed:
        yield "**Whether the update took effect is not known: the preview after it failed.**"
    elif not found.left:
        yield "**The update took effect, but its published outputs are out of date.**"
        yield _PUBLISH
    else:
        yield "**The update did not take effect.**"
        yield _REMEDY
    yield from section("Errors", found.errors, error_lines)
    yield from section("Did not take effect: actual → expected", found.left, _lines)
    heading = "Outputs that differ from the published ones" if found.left else "Outputs to publish again"
    yield from section(heading, found.outputs, lambda name: [f"- {code(name)}"])


def _lines(left: Left) -> Iterator[str]:
    yield f"- {code(left.name)} {left.words}"
    yield from (f"  - {values(each)}" for each in left.properties)


def _left(step: Step) -> Left:
    words = _WORDS.get(step.op, "differs from the settings")
    properties = tuple(_properties(step)) if step.op not in ("create", "delete") else ()
    return Left(known_as(step.model_dump()), words, properties)


def _properties(step: Step) -> Iterator[Effected]:
    if step.type.startswith(OURS):
        for path in sorted(step.detailedDiff or step.diffReasons or ()):
            yield Effected(Effect.UNKNOWN, property=path)
        return
    for each in compare([step.model_dump() | {"op": "update"}]).differences:
        yield Effected.of(each, Effect.UNKNOWN)
