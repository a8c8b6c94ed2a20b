"""The database, as warp_acl_reader sees it: what changed, the present value of hosts, and counts.

Two connections: one listens, or polls where the database is a standby, and holds the lease by which one of several
reloaders calls the proxies; the other answers the proxies' threads in turn. TLS is libpq's, by PGSSLMODE and
PGSSLROOTCERT. No message has the URL in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from kamailio.reloader.work import Network

log = logging.getLogger("reloader")

LISTEN: LiteralString = "LISTEN trunk_acl"
COUNTED = ("hosts", "subnets", "prefixes", "dedicated")
Connection = psycopg.Connection[TupleRow]

CONNECT_SECONDS = 5
# For a query that reads next to nothing. A server that stands still acknowledges at TCP's level and never answers.
ANSWER_SECONDS = 5.0
# A network that drops everything: given up 2.5 s after the last sign of life, as in kamailio/ip_auth.cfg.
KEEPALIVE: dict[str, Any] = {"keepalives_idle": 1, "keepalives_interval": 1, "tcp_user_timeout": 2500}

# What is visible now and was not at an earlier snapshot is of a transaction at or above that snapshot's xmin
# (components/trunk_acl/sql/0007_changes.sql). The list of running transactions would say it exactly, but a standby's
# snapshot has none.
CHANGES: LiteralString = """
SELECT pg_is_in_recovery(), pg_snapshot_xmin(pg_current_snapshot())::text, changes.id, changes.payload
FROM (VALUES (true)) AS always LEFT JOIN kamailio.changes ON changes.transaction >= %s::text::xid8 ORDER BY changes.id
"""


# The same from the server's side, of the connection that holds the lease: a node that is lost says no goodbye.
LET_GO: LiteralString = """
SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
    set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '3000', false)
"""
# Advisory locks work on a standby as well (PostgreSQL's documentation, "Hot Standby", 26.4.2).
TAKE: LiteralString = "SELECT pg_try_advisory_lock(%s)"


class DatabaseDown(Exception):
    """Not reached, or lost; in PostgreSQL's words."""


def connect(url: str) -> Connection:
    """A connection. Raises `DatabaseDown`."""
    try:
        return psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="warp-acl-reloader", **KEEPALIVE
        )
    except psycopg.Error as error:
        raise DatabaseDown(words(error)) from None


def cut(connection: Connection) -> None:
    """Have whoever waits for an answer see the connection end. From another thread."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _ask(connection: Connection, query: LiteralString, *parameters: Any) -> list[TupleRow]:
    """A short query's rows. Raises `DatabaseDown`, also when there is no answer for `ANSWER_SECONDS`."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        cut(connection)

    timer = threading.Timer(ANSWER_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []
    except psycopg.errors.UndefinedTable:
        raise
    except psycopg.Error as error:
        raise DatabaseDown(f"no answer within {ANSWER_SECONDS:g} s" if late.is_set() else words(error)) from None
    finally:
        timer.cancel()


class Changes:
    """The log of changes, from the moment this is made. `standby`: whether the database was one when last asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        ((self.standby, self._since),) = _ask(
            connection, "SELECT pg_is_in_recovery(), pg_snapshot_xmin(pg_current_snapshot())::text"
        )
        self._seen = frozenset[int]()
        self._missed = False

    def new(self) -> list[str]:
        """Payloads that became visible since, each once. Raises `DatabaseDown`."""
        try:
            rows = _ask(self._connection, CHANGES, self._since)
        except psycopg.errors.UndefinedTable:
            self._miss_the_log()
            # Notifications come from a promoted standby without the view, too.
            ((self.standby,),) = _ask(self._connection, "SELECT pg_is_in_recovery()")
            return []
        found = {row[2]: str(row[3]) for row in rows if row[2] is not None}
        new = [payload for number, payload in found.items() if number not in self._seen]
        self.standby, self._since, self._seen = bool(rows[0][0]), str(rows[0][1]), frozenset(found)
        return new

    def _miss_the_log(self) -> None:
        if not self._missed:
            log.error(
                "the database has no view kamailio.changes: changes wait for the timed reload; run `pulumi up` of the"
                " stack that owns the database, with the program's version that this reloader is of"
            )
        self._missed = True


class Listener:
    """What is announced of changes, from the moment this is made: by notifications, or, where the database is a standby
    and sends none, from the log of changes, which is read every `poll_seconds`."""

    def __init__(self, url: str, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._connection = connect(url)
        try:
            _ask(self._connection, LET_GO)
            self._changes = Changes(self._connection)
            self.standby = self._changes.standby
            if not self.standby:
                _ask(self._connection, LISTEN)
        except DatabaseDown:
            self._connection.close()
            raise

    def payloads(self, seconds: float) -> Iterator[str]:
        """Those that come first within that time. Raises `DatabaseDown` when the connection is lost."""
        if self.standby:
            time.sleep(min(seconds, self._poll_seconds))
            yield from self._changes.new()
            if not self._changes.standby:
                log.info("the standby was promoted: from now on it sends notifications")
                _ask(self._connection, LISTEN)
                self.standby = False
                yield from self._changes.new()
            return
        try:
            for notification in self._connection.notifies(timeout=seconds, stop_after=1):
                yield notification.payload
        except psycopg.Error as error:
            raise DatabaseDown(words(error)) from None

    def take(self, lease: int) -> bool:
        """Whether this connection holds the lease, now and for as long as it lasts. Raises `DatabaseDown`."""
        ((taken,),) = _ask(self._connection, TAKE, lease)
        return bool(taken)

    def forget(self) -> None:
        """What was announced until now. Raises `DatabaseDown` when the connection is lost."""
        for _ in self.payloads(0):
            pass

    def check(self) -> None:
        """Whether the connection still answers: one that was cut without a word says nothing by itself."""
        if not self.standby:
            _ask(self._connection, "SELECT 1")

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def lease_of(token: str) -> int:
    """The key of the advisory lock: reloaders with the same token call the same proxies. It shows in pg_locks; the
    token is random, so nobody finds it from a part of its hash."""
    return int.from_bytes(hashlib.sha256(b"lease " + token.encode()).digest()[:8], "big", signed=True)


class Views:
    """The views of schema kamailio, for any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def values(self, hosts: Iterable[Network]) -> dict[Network, str]:
        """The value of every one of these hosts that has an entry that matches."""
        texts = {str(host): host for host in hosts}
        rows = self._rows(
            "SELECT text(cidr), key_value FROM kamailio.acl_hosts WHERE cidr = ANY (%s::cidr[])", (list(texts),)
        )
        return {texts[str(cidr)]: str(value) for cidr, value in rows}

    def counts(self) -> dict[str, int]:
        """How many rows a complete load of each part has."""
        (row,) = self._rows("SELECT hosts, subnets, prefixes, dedicated FROM kamailio.acl_counts", ())
        return dict(zip(COUNTED, row, strict=True))

    def limits(self, trunks: Iterable[str]) -> dict[str, str]:
        """`calls a second|calls at a time` of every one of these trunks (`trunk|BAN`) that exists."""
        query: LiteralString = "SELECT key_name, key_value FROM kamailio.trunk_limits WHERE key_name = ANY (%s)"
        return {str(name): str(value) for name, value in self._rows(query, (list(trunks),))}

    def limited(self) -> int:
        """How many trunks have limits."""
        ((rows,),) = self._rows("SELECT count(*) FROM kamailio.trunk_limits", ())
        return int(rows)

    def give_up(self) -> None:
        """The database does not answer: whoever waits for it gets `DatabaseDown` now."""
        if (connection := self._connection) is not None:
            cut(connection)

    def _rows(self, query: LiteralString, parameters: tuple[Any, ...]) -> list[TupleRow]:
        """One attempt on the connection there is, and one on a new one: it may have been lost since."""
        with self._lock:
            if self._connection is not None:
                try:
                    return self._connection.execute(query, parameters).fetchall()
                except psycopg.OperationalError:
                    self._connection.close()
                    self._connection = None
                except psycopg.Error as error:
                    raise DatabaseDown(words(error)) from None
            connection = self._connection = connect(self._url)
            try:
                return connection.execute(query, parameters).fetchall()
            except psycopg.Error as error:
                raise DatabaseDown(words(error)) from None


def words(error: psycopg.Error) -> str:
    """PostgreSQL's own where it has any; libpq's otherwise, which name host and user and never the password."""
    return error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
