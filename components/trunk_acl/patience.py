"""Locks that other transactions hold: waited for about a second at a time, so that nothing queues behind this run for
longer.

A session that waits for a lock delays all later requests that conflict with its own, also those that do not conflict
with the holder (postgresql.org/docs/current/explicit-locking.html): a migration behind one open transaction would stop
every writer. So an attempt gives up soon, its transaction is rolled back, and it is made again after a pause in which
others work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from components.trunk_acl.lock import Connection
from refusal import Refusal

T = TypeVar("T")

# Longer than the server's deadlock_timeout (1 s): only after that it ends an autovacuum that is in the way, and with a
# lock_timeout of the same length this attempt would be given up first, each time (storage/lmgr/proc.c, ProcSleep).
ATTEMPT_SECONDS = 1.2
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
# Another's transaction has the lock; or each waits for the other, or depends on what the other wrote, and the server
# ended this one (postgresql.org/docs/current/mvcc-serialization-failure-handling.html).
BUSY = (
    psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure,
)  # fmt: skip


class Patience:
    """What one run may wait for locks, `seconds` altogether. Time in which it works does not count.

    Sets the session's lock timeout. Whatever it runs has to be transactions, and repeatable.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection, self._seconds, self._waited = connection, seconds, 0.0
        self._pause = FIRST_PAUSE
        self._attempt = min(ATTEMPT_SECONDS, seconds)
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{self._attempt * 1000:.0f}",))

    def run(self, what: str, work: Callable[[], T]) -> T:
        """The result of `work`. Raises `Refusal` with the holders of the locks when no time is left."""
        while True:
            try:
                return work()
            except BUSY:
                self._waited += self._attempt
                holders = _holders(self._connection, self._attempt)
            if self._waited + self._pause > self._seconds:
                raise Refusal(
                    f"the database is busy: {what} waited {self._waited:g} s for locks; they are held by {holders}",
                    "run again when these transactions have ended; one that was forgotten: SELECT"
                    " pg_terminate_backend(its process id). More time: trunkAcl.reach.lockSeconds",
                )
            # On standard error of the provider's process, which the engine shows.
            print(
                f"trunk ACL: {what} waits for locks ({self._waited:g} of {self._seconds:g} s), held by {holders}",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(self._pause)
            self._waited += self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)


def _holders(connection: Connection, seconds: float) -> str:
    """Transactions that have locks on what is ours, or on roles, for longer than we waited; never what they do.

    Not by pg_blocking_pids: it has to be asked by another session while this one waits, and the connector gives one
    only. What a session's own user may not see (when it began) is left out.
    """
    rows = connection.execute(
        """
        SELECT coalesce(format('%%s as %%s, process %%s', coalesce(nullif(application_name, ''), 'a session'),
                coalesce(usename, backend_type, '?'), pid), 'a prepared transaction')
            || coalesce(format(', since %%s', date_trunc('second', xact_start)), '')
            || format(' (%%s)', string_agg(DISTINCT relation::regclass::text, ', '))
        FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'relation' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
            AND (xact_start IS NULL OR xact_start < clock_timestamp() - make_interval(secs => %(seconds)s))
            AND (
                pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND relation IN (
                    SELECT pg_class.oid FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
                    WHERE nspname IN ('accounts', 'trunk_acl', 'kamailio') AND relkind IN ('r', 'p', 'v')
                )
                OR mode = 'RowExclusiveLock' AND relation IN (
                    'pg_authid'::regclass, 'pg_auth_members'::regclass, 'pg_db_role_setting'::regclass
                )
            )
        GROUP BY application_name, usename, backend_type, pid, xact_start
        ORDER BY xact_start LIMIT 5
        """,
        {"seconds": seconds},
    ).fetchall()
    return "; ".join(str(line) for (line,) in rows) or "a transaction that has just ended"
