"""The engine's error messages, with the cause first.

A failed program has the reason in the last line of its traceback, after all frames. And the current language host
interrupts the program as soon as a resource fails: then its KeyboardInterrupt, 25 lines of asyncio, comes before the
resource's error. Readers of a failed check need the one line with the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.tokens import STACK, type_of

_TRACEBACK = "Traceback (most recent call last):"
# Between the tracebacks of chained exceptions.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
# A frame, its source, and marks below it; or the exception, whose name has no blanks.
_OF_TRACEBACK = re.compile(rf"\s|{re.escape(_TRACEBACK)}|[A-Za-z_][\w.]*(:\s|\s*$)")
_INTERRUPTED = "KeyboardInterrupt"
# Messages that only report a consequence of another failure.
_ENDED = re.compile(r"(BAIL: |an unhandled error occurred: )|.*\b(preview|update|refresh|destroy|import) failed$")
_PROGRAM_ENDED = "an unhandled error occurred: "


@dataclass(frozen=True)
class Message:
    """A message of the engine or the program; `urn` is empty if it is not about a resource."""

    urn: str
    text: str


def causes(errors: Iterable[Message], output: Sequence[str] = ()) -> tuple[Message, ...]:
    """The errors: of resources first, then of the program, then consequences; each begins with its cause. `output`: the
    program's standard error, included if no error explains its end."""
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
    """Whether it only reports a consequence of another failure."""
    text = message.text.strip()
    return text.startswith(_INTERRUPTED) or bool(_ENDED.match(text) and "\n" not in text)


def _joined(messages: Iterable[Message]) -> list[Message]:
    """Join a traceback that arrives line by line into one message, even if other messages are in between."""
    found = list[Message]()
    last = dict[str, int]()  # index of the last message, by resource
    for message in messages:
        place = last.get(message.urn)
        if place is not None and _goes_on(found[place].text, message.text):
            found[place] = replace(found[place], text=f"{found[place].text.rstrip()}\n{message.text.rstrip()}")
            continue
        if not _ENDED.match(message.text.strip()):  # after that a traceback may still continue
            last[message.urn] = len(found)
        found.append(message)
    return found


def _goes_on(text: str, more: str) -> bool:
    if _TRACEBACK not in text:
        return False
    if not more.strip():
        return True
    last = text.rstrip().splitlines()[-1]
    inside = last[:1].isspace() or last == _TRACEBACK or last.startswith(_CHAINED)
    return more.startswith(_CHAINED) or (inside and bool(_OF_TRACEBACK.match(more)))


def _cause_first(text: str) -> str:
    """A text with a traceback, reordered: the exception, where it was raised, and then the rest."""
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
