"""What went wrong, in PostgreSQL's own words.

Leaves to others: which operation failed, and how Google's API would put it.
"""

from __future__ import annotations

import re

import psycopg

FAILURE = re.compile(r"(?:FATAL|PANIC|ERROR):\s+(.+)|LOG:\s+(could not .+)")


class PostgresError(Exception):
    """What PostgreSQL, or the attempt to start it, gave as the reason."""


def connection_words(error: psycopg.Error) -> str:
    """PostgreSQL's own words. Never str(error) where it has any: that quotes the statement."""
    parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    return "; ".join(part for part in parts if part) or str(error).strip()


def log_words(said: str) -> str:
    """The reason in what a program of PostgreSQL printed."""
    found = [fatal or log for fatal, log in FAILURE.findall(said)]
    return "; ".join(dict.fromkeys(found)) or (said.strip().splitlines() or ["it said nothing"])[-1]
