"""Untrusted text in Markdown.

Names, purposes, values and messages come from settings, clouds and people, and must be shown as data only. Each is in a
code span, where GitHub renders no links, mentions, HTML or tables. Characters that could end the span or mislead
readers (runs of backticks, pipes, line ends, control and bidirectional characters) are written as their code point,
`\\u{202e}`. Text that looks like a secret is masked, and is searched for in the complete text, before it is shortened.
"""

from __future__ import annotations

import unicodedata

from engine.values import readable
from secret_text import SECRET, hidden

LONGEST = 200  # characters shown of one value
LINES = 12  # of one message; of an error, whose cause may be at the beginning or at the end:
ERROR_LINES, ERROR_LONGEST = 40, 2_000


def code(text: str, longest: int = LONGEST) -> str:
    """Untrusted text as a code span that its content cannot end, cut to `longest` characters."""
    if hidden(text) != text:
        return f"`{SECRET}`"
    text = readable(text)
    if len(text) > longest:
        text = f"{text[:longest]}…"
    if not text.strip():
        return "(none)"
    # CommonMark 6.1: a span ends at a run of as many backticks as it began with. Not all renderers count long runs.
    runs = "``" in text
    shown = "".join(_number_of(each) if runs and each == "`" else _visible(each) for each in text)
    if "`" not in shown:
        return f"`{shown}`"
    return f"`` {shown} ``"


def _visible(character: str) -> str:
    # Marks (M) combine with the preceding character; non-printable characters are invisible or change others. A pipe
    # ends a table cell even inside a span.
    plain = character.isprintable() and character != "|" and unicodedata.category(character)[0] != "M"
    return character if plain else _number_of(character)


def _number_of(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def message_text(text: str) -> list[str]:
    """The lines of a message, bounded; any character that a viewer may treat as a line end is one."""
    lines = _lines(text)
    return [code(line) for line in lines[:LINES]] + _left_out(len(lines) - LINES)


def error_text(text: str) -> list[str]:
    """The lines of an error. Both ends of a long one are kept: one of them is the cause."""
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
