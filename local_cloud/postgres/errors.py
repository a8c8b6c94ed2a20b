"""Errors in PostgreSQL's own words.

Not here: the failed operation, and the wording of Google's API.
"""

from __future__ import annotations

import re

import psycopg

FAILURE = re.compile(r"(?:FATAL|PANIC|ERROR):\s+(.+)|LOG:\s+(could not .+)")


class PostgresError(Exception):
    """PostgreSQL, or the attempt to start it, failed; the message is the reason."""


def connection_words(error: psycopg.Error) -> str:
    """PostgreSQL's message. Not str(error), if there is a message: that quotes the statement."""
    parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    return "; ".join(part for part in parts if part) or str(error).strip()


def log_words(said: str) -> str:
    """The reason in the output of a PostgreSQL program."""
    found = [fatal or log for fatal, log in FAILURE.findall(said)]
    return "; ".join(dict.fromkeys(found)) or (said.strip().splitlines() or ["no error message"])[-1]
