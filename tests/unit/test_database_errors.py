"""What PostgreSQL says is reported with what to do about it, and not as a connection that was lost."""

from __future__ import annotations

import psycopg
import pytest

from components.trunk_acl.database_errors import told

WORDS = {
    "40P01": ("a deadlock with another transaction", "run again"),
    "40001": ("could not serialise", "run again"),
    "53100": ("disk is full", "database.disk"),
    "53200": ("out of memory", "database.tier"),
    "53300": ("no connection left", "max_connections"),
    "25006": ("read-only", "docs/replica.md"),
    "57014": ("took too long", "statementSeconds"),
    "57P01": ("ended the session", "run again"),
    "57P02": ("restarts after a crash", "run again"),
    "57P03": ("does not accept connections yet", "run again"),
    "57P04": ("was dropped", "backup"),
    "55P03": ("is busy", "run again"),
    "42501": ("refuses", "must own"),
    "25P03": ("idle for too long", "run again"),
    "23503": ("refers to", "run again"),
    "58030": ("error of its system", "log"),
    "XX001": ("internal error", "log"),
    "54001": ("beyond a limit", "log"),
    "08006": ("connection to the database was lost", "run again"),
}


@pytest.mark.parametrize("code", WORDS)
def test_each_state_of_the_database_has_its_words_and_its_remedy(code: str) -> None:
    try:
        error = psycopg.errors.lookup(code)("the server's words")
    except KeyError:  # of another version of PostgreSQL
        pytest.fail(f"psycopg does not know {code}")
    what, remedy = told(error)
    assert WORDS[code][0] in what
    assert what.endswith(": the server's words")
    assert WORDS[code][1] in remedy
    assert ("connection to the database was lost" in what) is (code == "08006")


def test_an_error_without_a_state_is_a_lost_connection_where_psycopg_says_so() -> None:
    assert told(psycopg.OperationalError("server closed the connection"))[0].startswith(
        "the connection to the database"
    )
    assert told(psycopg.DataError("odd")) == (
        "the database refuses: odd", "nothing was changed; run again once it is put right",
    )  # fmt: skip
