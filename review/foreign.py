"""Foreign text on a page of Markdown.

Names, purposes, values and messages come from settings, from clouds and from people; on the page they are data and
nothing else. Each stands in a code span: in there GitHub makes no link, no mention, no HTML and no table of it. What
could end the span or deceive the eye (runs of backticks, pipes, line ends, control and bidirectional characters) is
written as its number, `\\u{202e}`. What looks like a secret is not written at all, and is looked for in the whole text,
before any of it is left out.
"""

from __future__ import annotations

import unicodedata

from engine.values import UNKNOWN
from secret_text import SECRET, hidden

AT_UPDATE = "assigned at update"
LONGEST = 200  # characters of one value
LINES = 12  # of one message; of an error, which ends with what is wrong as often as it begins with it:
ERROR_LINES, ERROR_LONGEST = 40, 2_000


def code(text: str, longest: int = LONGEST) -> str:
    """Foreign text as data: a code span that nothing in it can leave. Of more than `longest` characters the first."""
    if hidden(text) != text:
        return f"`{SECRET}`"
    for unknown in UNKNOWN:
        text = text.replace(unknown, AT_UPDATE)
    if len(text) > longest:
        text = f"{text[:longest]}…"
    if not text.strip():
        return "(none)"
    # CommonMark 6.1: a span ends at a run of as many backticks as it began with. Long runs are not counted by all.
    runs = "``" in text
    shown = "".join(_number_of(each) if runs and each == "`" else _visible(each) for each in text)
    if "`" not in shown:
        return f"`{shown}`"
    return f"`` {shown} ``"


def _visible(character: str) -> str:
    # Marks (M) pile up on what stands before them; what is not printable has no shape or changes that of others. A pipe
    # ends a table's cell also inside a span.
    plain = character.isprintable() and character != "|" and unicodedata.category(character)[0] != "M"
    return character if plain else _number_of(character)


def _number_of(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def message_text(text: str) -> list[str]:
    """The lines of a message, bounded; whatever a viewer might take for a line's end is one."""
    lines = _lines(text)
    return [code(line) for line in lines[:LINES]] + _left_out(len(lines) - LINES)


def error_text(text: str) -> list[str]:
    """The lines of an error. Both ends of what is too long stay: one of them is the cause."""
    lines = _lines(text)
    half, rest = ERROR_LINES // 2, len(lines) - ERROR_LINES
    shown = [code(_both_ends(line), longest=ERROR_LONGEST + 1) for line in lines]
    return [*shown[:half], *_left_out(rest), *shown[-half:]] if rest > 0 else shown


def _lines(text: str) -> list[str]:
    return [line.strip() for line in hidden(text).splitlines() if line.strip()]


def _both_ends(line: str) -> str:
    half = ERROR_LONGEST // 2
    return f"{line[:half]}…{line[-half:]}" if len(line) > ERROR_LONGEST else line


def _left_out(count: int) -> list[str]:
    return [f"and {count} more lines"] if count > 0 else []
