"""Keeps the last complete tables in a file, for proxies that start while the database is away (kamailio/start.py).

A thread and connections of its own: also a reloader that only stands by has a snapshot. It hears of each change as the
main loop does, and removes the file at once, before it reads the views again: what the database withdrew, no proxy
starts with. Everything is read in one transaction.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import zlib
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from kamailio.reloader import limits
from kamailio.reloader.database import DatabaseDown, Listener, connect, cut, words
from kamailio.reloader.environment import Settings
from kamailio.reloader.status import Status
from kamailio.snapshot import Part, Snapshot, Unusable, seal, unseal

log = logging.getLogger("reloader")

TAKEN = "warp_acl_snapshot_timestamp_seconds"
LONGEST_PAUSE, LONGEST_BURST = 4.0, 2.0
# Where changes come one after the other, reading takes at most an eleventh of the time.
SHARE = 10.0
BEGIN: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Keeper:
    """The file, and the thread that keeps it true. `changed`: Unix time of the last change that it heard of. With that
    a proxy refuses an older snapshot of another reloader, which did not hear of it."""

    def __init__(self, settings: Settings, file: Path, status: Status) -> None:
        self._settings, self._file, self._status = settings, file, status
        self.changed = 0

    def start(self) -> None:
        """Begin with the file of an earlier run, if there is one: the database may be away."""
        self._status.set(TAKEN, 0)
        try:
            self._status.set(TAKEN, unseal(self._file.read_bytes(), self._settings.token, time.time()).taken)
        except FileNotFoundError:
            pass
        except (OSError, Unusable) as problem:
            log.warning("%s is not used: %s", self._file, problem)
        threading.Thread(target=self._run, name="snapshot", daemon=True).start()

    def _run(self) -> None:
        pause = 0.5
        while True:
            try:
                listener = Listener(self._settings.database_url, self._settings.poll_seconds)
                pause = 0.5
                try:
                    self._keep(listener)
                finally:
                    listener.close()
            except DatabaseDown as down:
                log.info("the snapshot stays as it is: %s", down)
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _keep(self, listener: Listener) -> None:
        """For as long as the database answers. What changed before the listener was there is in the first one."""
        due = earliest = time.monotonic()
        while True:
            began = time.monotonic()
            if began >= due:
                self.take()
                now = time.monotonic()
                due, earliest = now + self._settings.full_seconds, now + SHARE * (now - began)
            wait = min(self._settings.watch_seconds, max(due - time.monotonic(), self._settings.quiet_seconds))
            if list(listener.payloads(wait)):
                self.discard()
                due = earliest
                end = time.monotonic() + LONGEST_BURST
                while list(listener.payloads(self._settings.quiet_seconds)) and time.monotonic() < end:
                    pass
            else:
                listener.check()

    def discard(self) -> None:
        """It is not true any more."""
        self.changed = int(time.time())
        self._remove()

    def read(self) -> bytes | None:
        """The snapshot, if there is one."""
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None

    def _remove(self) -> None:
        self._status.set(TAKEN, 0)
        self._file.unlink(missing_ok=True)

    def take(self) -> None:
        """Read everything, and write it. Raises `DatabaseDown`; a file that cannot be written is reported."""
        began = time.time()
        sealed = seal(
            Snapshot(int(began), int(began + self._settings.snapshot_seconds), self._read()), self._settings.token
        )
        try:
            self._write(sealed)
        except OSError as error:
            self._remove()
            log.warning("no snapshot: %s: %s; proxies do not start without the database", self._file, error.strerror)
            return
        self._status.set(TAKEN, began)
        log.info("snapshot of %d bytes in %.2f s", len(sealed), time.time() - began)

    def _write(self, sealed: bytes) -> None:
        """For its owner's eyes, and whole or not at all."""
        fresh = self._file.with_name(f"{self._file.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.write(sealed)
        fresh.rename(self._file)

    def _read(self) -> dict[str, Part]:
        connection = connect(self._settings.database_url)
        # A server that stands still acknowledges and never answers.
        timer = threading.Timer(self._settings.reload_seconds, cut, (connection,))
        timer.daemon = True
        timer.start()
        try:
            with contextlib.closing(connection):
                connection.execute(BEGIN)
                views = [*self._settings.table.views]
                # Of a database that the stack has not updated yet there are no limits.
                if connection.execute("SELECT to_regclass(%s)", (f"kamailio.{limits.TABLE}",)).fetchone() != (None,):
                    views.append(limits.TABLE)
                return {view: _part(connection, view) for view in views}
        except psycopg.Error as error:
            raise DatabaseDown(words(error)) from None
        finally:
            timer.cancel()


def _part(connection: psycopg.Connection[tuple[object, ...]], view: str) -> Part:
    """A view as Kamailio would read it. Compressed while it comes: a million hosts are 50 MB."""
    query = sql.SQL("SELECT * FROM kamailio.{}").format(sql.Identifier(view))
    described = connection.execute(query + sql.SQL(" LIMIT 0")).description or ()
    squeeze, rows = zlib.compressobj(1), []
    with connection.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
        rows += [squeeze.compress(chunk) for chunk in copy]
    columns = tuple(column.name for column in described)
    return Part(columns, tuple(column.type_code for column in described), b"".join([*rows, squeeze.flush()]))
