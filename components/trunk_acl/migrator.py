"""Brings a database's trunk ACL schema to this program's, one migration at a time, and finds what was changed by hand.

Every migration is one transaction together with its row in the registry and the new record of the catalogue: whoever is
killed at any moment leaves the old state or the new one, and the next run goes on from there. Leaves to others: how the
database is reached (`reach.py`) and the rows of trunk files (`entries.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import psycopg
from psycopg import sql

from components.trunk_acl import catalogue, customers, roles
from components.trunk_acl.database_errors import told
from components.trunk_acl.lock import Connection, held
from components.trunk_acl.migrations import Applied, Migration, pending
from components.trunk_acl.patience import Patience
from components.trunk_acl.role_members import Role
from refusal import Refusal

T = TypeVar("T")

REGISTRY = """
CREATE SCHEMA trunk_acl;
COMMENT ON SCHEMA trunk_acl IS 'The trunk ACL''s machinery: registry of migrations, limits, triggers';
CREATE TABLE trunk_acl.migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user,
    duration_ms integer NOT NULL
);
COMMENT ON TABLE trunk_acl.migrations IS 'Migrations that were applied; written by pulumi, never by hand';
COMMENT ON COLUMN trunk_acl.migrations.version IS 'Number of the file';
COMMENT ON COLUMN trunk_acl.migrations.name IS 'Name of the file';
COMMENT ON COLUMN trunk_acl.migrations.sha256 IS 'Of the file''s bytes';
COMMENT ON COLUMN trunk_acl.migrations.applied_at IS 'When';
COMMENT ON COLUMN trunk_acl.migrations.applied_by IS 'The role that signed in';
COMMENT ON COLUMN trunk_acl.migrations.duration_ms IS 'How long it took, in milliseconds';
CREATE TABLE trunk_acl.catalogue (
    kind text NOT NULL,
    identity text NOT NULL,
    definition text NOT NULL,
    creation text NOT NULL,
    removal text NOT NULL,
    place bigint NOT NULL,
    PRIMARY KEY (kind, identity)
);
COMMENT ON TABLE trunk_acl.catalogue IS 'What the last migration left; a difference from it was made by hand';
COMMENT ON COLUMN trunk_acl.catalogue.kind IS 'Kind of object';
COMMENT ON COLUMN trunk_acl.catalogue.identity IS 'Its name';
COMMENT ON COLUMN trunk_acl.catalogue.definition IS 'What it must be like';
COMMENT ON COLUMN trunk_acl.catalogue.creation IS 'SQL that makes it so';
COMMENT ON COLUMN trunk_acl.catalogue.removal IS 'SQL that takes it away';
COMMENT ON COLUMN trunk_acl.catalogue.place IS 'Its place among those of its kind';
"""


@dataclass(frozen=True)
class Wishes:
    """What the database should be like. Times in seconds."""

    migrations: Sequence[Migration]
    roles: Sequence[Role]
    create_customers: bool = False
    lock_seconds: float = 60
    statement_seconds: float = 600


@dataclass(frozen=True)
class Report:
    """What one run did: migrations applied now, and what it put back."""

    applied: tuple[str, ...]
    repaired: tuple[str, ...]


def migrate(connection: Connection, wishes: Wishes, then: Callable[[], object] = lambda: None) -> Report:
    """Bring the schema up to date under the lock, repair what was changed by hand, and run `then` before letting go.

    `then` has to be repeatable: while others have locks that it needs, it is run again (`patience.py`). The connection
    must be in autocommit; nothing is dropped, ever. Raises `Refusal`, also for what PostgreSQL refuses; what was
    committed before stays, and the next run goes on from there.
    """
    try:
        _prepare(connection, wishes)
        with held(connection, wishes.lock_seconds):
            patience = Patience(connection, wishes.lock_seconds)
            known = pending(wishes.migrations, applied(connection))
            patience.run("table customers", partial(customers.ensure, connection, create=wishes.create_customers))
            patience.run("the registry", partial(_make_registry, connection))
            put_right = _PutRight(patience, may_wait=not known)
            put_right.run("a role", partial(roles.ensure, connection, wishes.roles))
            # Before anything is built on it, so that the record of the next migration is no record of drift.
            repaired = put_right.run("a repair", partial(catalogue.repair, connection)) or []
            for migration in known:
                patience.run(f"migration {migration.file}", partial(_apply, connection, migration))
            with put_right.told_afterwards():
                patience.run("the trunks", then)
    except psycopg.Error as error:
        raise Refusal(*told(error)) from None
    return Report(tuple(migration.file for migration in known), tuple(repaired))


@dataclass
class _PutRight:
    """Puts right what was changed by hand. What cannot be is refused after the rows were written, if no migration
    builds on it (`may_wait`): a customer's revocation does not depend on it."""

    patience: Patience
    may_wait: bool
    refused: list[Refusal] = field(default_factory=list)

    def run(self, what: str, work: Callable[[], T]) -> T | None:
        """The result of `work`; None if it was refused, which is reported afterwards."""
        try:
            return self.patience.run(what, work)
        except Refusal as error:
            if not self.may_wait:
                raise
            self.refused.append(error)
            return None

    @contextmanager
    def told_afterwards(self) -> Iterator[None]:
        """Raise the first refusal after the block, also instead of an error of PostgreSQL, whose cause it may be."""
        try:
            yield
        except psycopg.Error:
            if not self.refused:
                raise
        if self.refused:
            raise self.refused[0]


def applied(connection: Connection) -> list[Applied]:
    """The registry, in order; empty where there is none."""
    if connection.execute("SELECT to_regclass('trunk_acl.migrations')").fetchone() == (None,):
        return []
    rows = connection.execute("SELECT version, name, sha256 FROM trunk_acl.migrations ORDER BY version")
    return [Applied(*row) for row in rows]


def drift(connection: Connection, wishes: Wishes) -> list[str]:
    """What differs from the wishes, one line each. Reads only. Raises `Refusal` as `pending` does."""
    _prepare(connection, wishes)
    known = pending(wishes.migrations, applied(connection))
    found = [f"migration {migration.file} is not applied" for migration in known]
    if len(known) < len(wishes.migrations):
        found += catalogue.differences(catalogue.recorded(connection), catalogue.read(connection))
    return [*found, *roles.drift(connection, wishes.roles)]


def _prepare(connection: Connection, wishes: Wishes) -> None:
    """The session's own settings: no name is looked up anywhere but where the SQL says, and nothing waits for ever."""
    # Statements that psycopg prepared by itself would be thrown away with every DROP of a migration.
    connection.prepare_threshold = None
    for setting, value in (
        ("search_path", "pg_catalog, pg_temp"),
        ("lock_timeout", f"{wishes.lock_seconds * 1000:.0f}"),
        ("statement_timeout", f"{wishes.statement_seconds * 1000:.0f}"),
        ("idle_in_transaction_session_timeout", f"{wishes.statement_seconds * 1000:.0f}"),
    ):
        connection.execute("SELECT set_config(%s, %s, false)", (setting, value))


def _make_registry(connection: Connection) -> None:
    if connection.execute("SELECT to_regclass('trunk_acl.migrations')").fetchone() == (None,):
        catalogue.refuse_strangers(connection)
        with connection.transaction():
            connection.execute(REGISTRY)


def _apply(connection: Connection, migration: Migration) -> None:
    began = time.monotonic()
    try:
        with connection.transaction():
            connection.execute(migration.sql.encode())
            catalogue.record(connection)
            connection.execute(
                sql.SQL(
                    "INSERT INTO trunk_acl.migrations (version, name, sha256, duration_ms) VALUES (%s, %s, %s, %s)"
                ),
                (migration.version, migration.name, migration.sha256, round((time.monotonic() - began) * 1000)),
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        what, remedy = told(error)
        raise Refusal(f"migration {migration.file}: {what}", remedy) from None
