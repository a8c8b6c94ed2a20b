"""What PostgreSQL or the network said, in words and with a remedy, by SQLSTATE
(postgresql.org/docs/current/errcodes-appendix.html)."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

LOST = "the connection to the database was lost", "run again: it goes on from where it was"
_AGAIN = "nothing of the last step was changed; run again"
# What is wrong, and the remedy; a code before its class, which is its first two characters.
_TABLE: Mapping[str, tuple[str, str]] = {
    "08": LOST,
    "23503": (
        "the database refuses, because another row still refers to this one, or the row it refers to is gone",
        "somebody else changed it at the same time, such as the portal; run again, and the reason is reported in full",
    ),
    "25006": (
        "the database is read-only",
        "a read replica or an instance that is being promoted? The stack that owns the primary applies the trunk ACL"
        " (docs/replica.md). Otherwise look for the flag default_transaction_read_only",
    ),
    "25P03": ("the database ended a transaction that was idle for too long", _AGAIN),
    "40001": (
        "the database could not serialise this with another transaction",
        f"{_AGAIN}. If it keeps failing: do not let the portal change many rows at the same time",
    ),
    "40P01": (
        "a deadlock with another transaction, such as the portal's",
        f"{_AGAIN}. If it keeps failing: let the portal write in shorter transactions",
    ),
    "40": ("the database rolled the transaction back", _AGAIN),
    "42501": ("the database refuses", "the user must own the trunk ACL's schemas; see docs/trunk-acl.md"),
    "53100": (
        "the database's disk is full",
        "raise database.disk.sizeGb, or database.disk.limitGb where it grows by itself; then run again",
    ),
    "53200": (
        "the database is out of memory",
        "a larger database.tier, or fewer connections; then run again",
    ),
    "53300": (
        "the database has no connection left",
        "end sessions that are idle, or raise max_connections in database.flags; then run again",
    ),
    "53": ("the database is short of a resource", "look at the instance's metrics and log; then run again"),
    "54": ("this is beyond a limit of the database", "look at the instance's log"),
    "55P03": ("the database is busy", "run again when the transaction that holds the table has ended"),
    "57014": (
        "the database took too long, or an administrator cancelled the statement",
        "raise trunkAcl.reach.statementSeconds, or find out what slows it",
    ),
    "57P01": ("the database ended the session: it shuts down, or an administrator ended it", LOST[1]),
    "57P02": ("the database restarts after a crash", "wait until the instance runs, and run again"),
    "57P03": ("the database does not accept connections yet", "wait until the instance runs, and run again"),
    "57P04": ("the database was dropped", "restore it from a backup, or correct database.name"),
    "57": ("the database was interrupted", LOST[1]),
    "58": ("the database server has an error of its system", "look at the instance's log"),
    "F0": ("the database server is configured wrongly", "look at the instance's log"),
    "XX": ("the database has an internal error", "look at the instance's log; is its data damaged?"),
}


def told(error: psycopg.Error) -> tuple[str, str]:
    """What is wrong and what to do, in two texts without a traceback."""
    diagnosis = error.diag
    what = ": ".join(filter(None, (diagnosis.message_primary or str(error).strip(), diagnosis.message_detail)))
    code = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "")
    known = _TABLE.get(code) or _TABLE.get(code[:2])
    if known and not (code == "23503" and diagnosis.message_hint):  # a trigger's own words are better
        return f"{known[0]}: {what}", known[1]
    return (
        f"the database refuses: {what}",
        diagnosis.message_hint or "nothing was changed; run again once it is put right",
    )
