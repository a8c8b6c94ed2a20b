"""Finds and masks secrets in text that is shown to people.

Mask before shortening: half a secret no longer looks like one, but still reveals half of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The placeholder for a secret, the same as the engine's.
SECRET = "[secret]"  # noqa: S105

# Patterns of secrets in any text.
SHAPES = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")),
    ("a URL with a password", re.compile(r"(?<=[A-Za-z0-9+.-])://[^/\s:@]*:[^/\s@]+@")),
    ("a connection string with a password", re.compile(r"\b(password|pwd)\s*=\s*\S+", re.IGNORECASE)),
    ("an authorization header", re.compile(r"\b(bearer|apikey)\s+[\w.~+/-]{16,}", re.IGNORECASE)),
    ("an access token", re.compile(r"\b(gh[pousr]_\w{20,}|AIza[\w-]{35}|ya29\.[\w-]{20,}|pul-[0-9a-f]{40})")),
    ("a signed token", re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    (
        "a token in a document",
        re.compile(r"^[^\S\n]*(token|password|client-key-data)\s*:\s*[^\s{\[#]+", re.MULTILINE),
    ),
)
# A key extends from its first line to its last line, or to the end of a truncated text.
_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY[A-Z ]*-----|\Z)", re.DOTALL
)


def hidden(text: str) -> str:
    """The text, with each run of lines that contains a secret, completely or in part, replaced by `SECRET`."""
    spans = [found.span() for shape in (_KEY, *(shape for _, shape in SHAPES)) for found in shape.finditer(text)]
    return "".join(_without(text, sorted(spans))) if spans else text


def _without(text: str, spans: list[tuple[int, int]]) -> Iterator[str]:
    begin, inside = 0, False
    for line in text.splitlines(keepends=True):
        end = begin + len(line)
        if not any(first < end and begin < last for first, last in spans):
            yield line
            inside = False
        elif not inside:
            yield SECRET + line[len(line.rstrip("\r\n")) :]
            inside = True
        begin = end
