"""What the engine's error messages say, the cause first.

A program that breaks says why in the last line of its traceback, after all the places it came from. And the current
language host interrupts the program as soon as a resource fails: then its own KeyboardInterrupt, 25 lines of asyncio,
comes before the resource's error. Whoever reads a failed check wants the one line that names what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.tokens import STACK, type_of

_TRACEBACK = "Traceback (most recent call last):"
# Between two tracebacks of one chain of exceptions.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_INTERRUPTED = "KeyboardInterrupt"
# What only says that something else has failed.
_ENDED = re.compile(r"(BAIL: |an unhandled error occurred: )|.*\b(preview|update|refresh|destroy|import) failed$")
_PROGRAM_ENDED = "an unhandled error occurred: "


@dataclass(frozen=True)
class Message:
    """Something the engine or the program said; `urn` is empty where it is about no resource."""

    urn: str
    text: str


def causes(errors: Iterable[Message], output: Sequence[str] = ()) -> tuple[Message, ...]:
    """The errors: resources' own first, then the program's, then those that follow from them; each begins with its
    cause. `output`: what the program wrote to standard error, told where no error says why it ended."""
    found = [replace(each, text=_cause_first(each.text)) for each in _joined(errors)]
    if any(each.text.startswith(_PROGRAM_ENDED) for each in found) and all(map(_follows, found)):
        written = "".join(line if line.endswith("\n") else f"{line}\n" for line in output).strip()
        if written:
            found.append(Message("", _cause_first(written)))
    if any(not _follows(each) for each in found):
        found = [each for each in found if not each.text.startswith(_INTERRUPTED)]
    return tuple(sorted(found, key=_rank))


def _rank(message: Message) -> int:
    if _follows(message):
        return 2
    return 0 if message.urn.count("::") >= 3 and type_of(message.urn) != STACK else 1


def _follows(message: Message) -> bool:
    """Whether it says no more than that something else has failed."""
    text = message.text.strip()
    return text.startswith(_INTERRUPTED) or bool(_ENDED.match(text) and "\n" not in text)


def _joined(messages: Iterable[Message]) -> Iterator[Message]:
    """A traceback that comes line by line is one message."""
    held: Message | None = None
    for message in messages:
        if held and held.urn == message.urn and _goes_on(held.text, message.text):
            held = replace(held, text=f"{held.text.rstrip()}\n{message.text.rstrip()}")
            continue
        if held:
            yield held
        held = message
    if held:
        yield held


def _goes_on(text: str, more: str) -> bool:
    if _TRACEBACK not in text:
        return False
    if not more.strip():
        return True
    last = text.rstrip().splitlines()[-1]
    return last[:1].isspace() or last == _TRACEBACK or last.startswith(_CHAINED) or more.startswith(_CHAINED)


def _cause_first(text: str) -> str:
    """A text with a traceback: the exception, where it was raised, and then the whole text."""
    if _TRACEBACK not in text:
        return text
    lines = text.rstrip().splitlines()
    frames = [place for place, line in enumerate(lines) if line.lstrip(" |").startswith('File "')]
    if not frames:
        return text
    # The exception's own text may have several lines; source lines and marks below a frame are indented.
    cause = next((place for place in range(frames[-1], len(lines)) if not lines[place][:1].isspace()), None)
    told = lines[cause:] if cause is not None else lines[-1:]
    return "\n".join([*(line for line in told if line.strip()), lines[frames[-1]].strip(" |"), *lines[:cause]])
