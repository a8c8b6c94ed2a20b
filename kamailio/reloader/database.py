"""The database, as warp_acl_reader sees it: notifications, the present value of hosts, and counts.

Two connections: one listens, the other answers the proxies' threads in turn. TLS is libpq's, by PGSSLMODE and
PGSSLROOTCERT. No message has the URL in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from kamailio.reloader.work import Network

CHANNEL = "trunk_acl"
COUNTED = ("hosts", "subnets", "prefixes", "dedicated")
Connection = psycopg.Connection[TupleRow]


class DatabaseDown(Exception):
    """Not reached, or lost; in PostgreSQL's words."""


def _connect(url: str) -> Connection:
    try:
        return psycopg.connect(
            url, autocommit=True, connect_timeout=5, application_name="warp-acl-reloader",
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=15000,
        )  # fmt: skip
    except psycopg.Error as error:
        raise DatabaseDown(_words(error)) from None


class Listener:
    """Notifications of the channel, from the moment it is made."""

    def __init__(self, url: str) -> None:
        self._connection = _connect(url)
        try:
            self._connection.execute("LISTEN trunk_acl")
        except psycopg.Error as error:
            self._connection.close()
            raise DatabaseDown(_words(error)) from None

    def payloads(self, seconds: float) -> Iterator[str]:
        """The first that comes within that time. Raises `DatabaseDown` when the connection is lost."""
        try:
            for notification in self._connection.notifies(timeout=seconds, stop_after=1):
                yield notification.payload
        except psycopg.Error as error:
            raise DatabaseDown(_words(error)) from None

    def check(self) -> None:
        """Whether the connection still answers: one that was cut without a word says nothing by itself."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise DatabaseDown(_words(error)) from None

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


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
                    raise DatabaseDown(_words(error)) from None
            connection = self._connection = _connect(self._url)
            try:
                return connection.execute(query, parameters).fetchall()
            except psycopg.Error as error:
                raise DatabaseDown(_words(error)) from None


def _words(error: psycopg.Error) -> str:
    """PostgreSQL's own where it has any; libpq's otherwise, which name host and user and never the password."""
    return error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
