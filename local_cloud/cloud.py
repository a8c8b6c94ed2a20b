"""The cloud itself: an SQLite file that both the server and the command line read and write.

It holds every resource (as the cloud sees it), an append-only log of every operation, faults, quotas and counters. A
write of a resource and its log row are one transaction. Resources are not validated here.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from local_cloud.values import Props

LogOperation = Literal["read", "create", "update", "delete", "invoke"]
Who = Literal["engine", "hand"]

WRITES: Final = ("create", "update", "delete")

_TABLES = """
CREATE TABLE IF NOT EXISTS resources (
    type TEXT NOT NULL, id TEXT NOT NULL, provider TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (type, id)
);
CREATE TABLE IF NOT EXISTS log (
    number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, who TEXT NOT NULL, operation TEXT NOT NULL,
    type TEXT NOT NULL, id TEXT NOT NULL, refusal TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS quotas (metric TEXT PRIMARY KEY, maximum REAL NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, type TEXT NOT NULL, operation TEXT NOT NULL,
    times INTEGER, milliseconds INTEGER NOT NULL
);
"""
# Places in a resource's body that `having` and `count` search, each with an index, so that lookups stay fast with
# thousands of resources. A dual-stack load balancer has an address of each family.
LoadBalancerPlace = Literal["status.loadBalancer.ingress[0].ip", "status.loadBalancer.ingress[1].ip"]
NodePortPlace = Literal[
    "spec.healthCheckNodePort",
    "spec.ports[0].nodePort",
    "spec.ports[1].nodePort",
    "spec.ports[2].nodePort",
    "spec.ports[3].nodePort",
]
Place = Literal["address", "addressType", "spec.clusterIP", LoadBalancerPlace, NodePortPlace]


@dataclass(frozen=True)
class Resource:
    """One resource as the cloud has it."""

    type: str
    id: str
    body: Props


@dataclass(frozen=True)
class LogRow:
    """One operation; `refusal` is empty if it succeeded."""

    number: int
    time: str
    who: str
    op: str
    type: str
    id: str
    refusal: str


class Transaction:
    """Reads and writes in one transaction."""

    def __init__(self, connection: sqlite3.Connection, who: Who) -> None:
        self._connection = connection
        self._who = who

    def get(self, type_: str, id_: str) -> Props | None:
        row = self._connection.execute("SELECT body FROM resources WHERE type = ? AND id = ?", (type_, id_)).fetchone()
        return None if row is None else _body(row[0])

    def all(self, type_: str, prefix: str = "") -> list[Resource]:
        """Every resource of a type whose id starts with a prefix, in the order of their ids."""
        rows = self._connection.execute(
            "SELECT type, id, body FROM resources WHERE type = ? AND id >= ? AND id < ? ORDER BY id",
            (type_, prefix, prefix + _LAST),
        )
        return [Resource(row[0], row[1], _body(row[2])) for row in rows]

    def having(self, type_: str, place: Place, value: str | int, prefix: str = "") -> list[Resource]:
        """Those of `all` that have this value at this place."""
        return [
            Resource(row[0], row[1], _body(row[2])) for row in self._at("type, id, body", type_, place, value, prefix)
        ]

    def count(self, type_: str, place: Place, value: str | int, prefix: str = "") -> int:
        """Number of resources that `having` finds."""
        return int(self._at("count(*)", type_, place, value, prefix)[0][0])

    def _at(self, what: str, type_: str, place: Place, value: str | int, prefix: str) -> list[tuple[Any, ...]]:
        # Columns and places are constants of this module, never input.
        where = f"type = ? AND {_value(place)} = ? AND id >= ? AND id < ?"
        statement = f"SELECT {what} FROM resources WHERE {where} ORDER BY id"  # noqa: S608
        return self.execute(statement, (type_, value, prefix, prefix + _LAST))

    def everything(self) -> list[Resource]:
        rows = self._connection.execute("SELECT type, id, body FROM resources ORDER BY type, id")
        return [Resource(row[0], row[1], _body(row[2])) for row in rows]

    def create(self, type_: str, id_: str, body: Props) -> None:
        self.put(type_, id_, body)
        self.record("create", type_, id_)

    def update(self, type_: str, id_: str, body: Props) -> None:
        self.put(type_, id_, body)
        self.record("update", type_, id_)

    def delete(self, type_: str, id_: str) -> None:
        self.drop(type_, id_)
        self.record("delete", type_, id_)

    def put(self, type_: str, id_: str, body: Props) -> None:
        """Write without a log row: side effects of another resource, or changes by the cloud itself."""
        self._connection.execute(
            "INSERT INTO resources (type, id, provider, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (type, id) DO UPDATE SET body = excluded.body",
            (type_, id_, type_.partition(":")[0], json.dumps(body, sort_keys=True)),
        )

    def drop(self, type_: str, id_: str) -> None:
        """Remove without a log row, the counterpart of `put`."""
        self._connection.execute("DELETE FROM resources WHERE type = ? AND id = ?", (type_, id_))

    def record(self, operation: LogOperation, type_: str, id_: str, refusal: str = "") -> None:
        self._connection.execute(
            "INSERT INTO log (time, who, operation, type, id, refusal) VALUES (?, ?, ?, ?, ?, ?)",
            (now(), self._who, operation, type_, id_, refusal),
        )

    def log(self) -> list[LogRow]:
        rows = self._connection.execute(
            "SELECT number, time, who, operation, type, id, refusal FROM log ORDER BY number"
        )
        return [LogRow(*row) for row in rows]

    def next_number(self, name: str) -> int:
        """A counter that never gives the same number twice."""
        row = self._connection.execute(
            "INSERT INTO counters (name, value) VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        ).fetchone()
        return int(row[0])

    def setting(self, name: str, default: str = "") -> str:
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def quota(self, metric: str, default: float) -> float:
        row = self._connection.execute("SELECT maximum FROM quotas WHERE metric = ?", (metric,)).fetchone()
        return default if row is None else float(row[0])

    def set_quota(self, metric: str, maximum: float) -> None:
        self._connection.execute(
            "INSERT INTO quotas (metric, maximum) VALUES (?, ?) "
            "ON CONFLICT (metric) DO UPDATE SET maximum = excluded.maximum",
            (metric, maximum),
        )

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """For the tables that another module owns (`faults.py`)."""
        return self._connection.execute(statement, values).fetchall()


class Cloud:
    """The file; may be opened any number of times, from any thread or process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._local = threading.local()
        # SQLite waits by polling with growing delays, which makes many threads slower than one.
        self._writing = threading.Lock()
        with self.change("hand") as transaction:
            for statement in _TABLES.split(";\n"):
                transaction.execute(statement)
            for place in get_args(Place):
                transaction.execute(f'CREATE INDEX IF NOT EXISTS "by {place}" ON resources (type, {_value(place)}, id)')

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    @contextmanager
    def change(self, who: Who = "engine") -> Iterator[Transaction]:
        """A transaction that writes; others wait for it."""
        connection = self._connection()
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, who)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def dry_run(self) -> Iterator[Transaction]:
        """A transaction that is always rolled back, for dry runs."""
        connection = self._connection()
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, "engine")
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def view(self) -> Iterator[Transaction]:
        """One consistent snapshot of the cloud."""
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            yield Transaction(connection, "engine")
        finally:
            connection.execute("COMMIT")


def now() -> str:
    """The time as Google writes it."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}+00:00"


_LAST: Final = "\U0010ffff"  # after every id


def _value(place: Place) -> str:
    """SQLite uses an expression index only for the identical expression, so the path cannot be a parameter."""
    return f"json_extract(body, '$.{place}')"


def _body(text: str) -> Props:
    body: Props = json.loads(text)
    return body
