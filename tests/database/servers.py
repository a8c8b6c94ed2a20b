"""Real servers with databases that are as production's: made through the Admin API, used by an ordinary user of it."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.trunk_texts import Trunk, texts
from components.trunk_acl import entries, migrations, migrator, reach, roles
from components.trunk_acl.lock import Connection
from local_cloud.postgres import PostgresServer
from trunk_removal import Allowed

HOST = "127.91.5.1"
USER, PASSWORD = "warp", 'pa\'ss \\ wörd "%s" $1'
READER_PASSWORD, WRITER_PASSWORD = "reader-Secret-1", "writer-Secret-2"
PASSWORDS = {USER: PASSWORD, "warp_acl_reader": READER_PASSWORD, "warp_acl_writer": WRITER_PASSWORD}
CUSTOMERS = tuple(f"{100_001 + number}" for number in range(40))

# Faster than a new database: a tenth of the time of a test that only inserts a row.
AS_NEW = """
DELETE FROM accounts.trunk_ips; DELETE FROM accounts.trunk_groups; DELETE FROM accounts.customer_dedicated_ips;
DELETE FROM trunk_acl.dedicated_addresses;
DELETE FROM accounts.trunk_acl_audit; UPDATE accounts.customers SET active = true WHERE NOT active;
UPDATE trunk_acl.limits SET widest_ipv4 = 20, widest_ipv6 = 40; DELETE FROM trunk_acl.allowed_ranges;
"""

_NAMES = itertools.count(1)


def free_port(host: str = HOST) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wishes(known: Sequence[migrations.Migration] | None = None, **changed: Any) -> migrator.Wishes:
    """What a new database is to be like: all migrations of the program, both roles with passwords."""
    given: dict[str, Any] = {
        "migrations": migrations.load() if known is None else known,
        "roles": (roles.reader(READER_PASSWORD, ()), roles.writer(WRITER_PASSWORD, ())),
        "create_customers": True,
        "lock_seconds": 30.0,
        "statement_seconds": 60.0,
    }
    return migrator.Wishes(**{**given, **changed})


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    server: PostgresServer
    name: str

    def connect(self, user: str = USER, **options: Any) -> Connection:
        """A connection in autocommit, encrypted, as one of the users of the tests."""
        given: dict[str, Any] = {"password": PASSWORDS.get(user), "sslmode": "require", "autocommit": True, **options}
        return psycopg.connect(
            host=self.server.host, port=self.server.port, user=user, dbname=self.name, connect_timeout=10, **given
        )

    def ask(self, query: str, *values: Any, user: str = USER) -> list[Any]:
        """The rows of a query; single columns without their tuples."""
        with self.connect(user) as connection:
            rows = connection.execute(query.encode(), values or None).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def do(self, *statements: str, user: str = USER) -> None:
        with self.connect(user) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def as_superuser(self, *statements: str) -> None:
        """As the server's own superuser, which Cloud SQL keeps to itself."""
        with self.server._superuser(self.name) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def migrate(self, wanted: migrator.Wishes | None = None) -> migrator.Report:
        with self.connect() as connection:
            return migrator.migrate(connection, wanted or wishes())

    def drift(self, wanted: migrator.Wishes | None = None) -> list[str]:
        with self.connect() as connection:
            return migrator.drift(connection, wanted or wishes())

    def reconcile(
        self,
        wanted: Sequence[Trunk],
        owner: str = "warp-edge",
        places: Mapping[str, str] | None = None,
        allowed: Allowed | None = None,
    ) -> entries.Reconciled:
        with self.connect() as connection:
            return entries.reconcile(connection, owner, texts(wanted), places or {}, allowed)

    def allow(self, *ranges: str, widest: tuple[int, int] = (20, 40)) -> None:
        with self.connect() as connection:
            entries.set_limits(connection, *widest, ranges)

    def add_trunk(
        self, ban: str = CUSTOMERS[0], name: str = "main", auth_type: str = "IP_ACL", *, active: bool = True
    ) -> int:
        """A trunk of the portal's; its id."""
        with self.connect("warp_acl_writer") as connection:
            row = connection.execute(
                "INSERT INTO accounts.trunk_groups (ban, name, auth_type, calls_per_second, concurrent_calls, active)"
                " VALUES (%s, %s, %s, 10, 100, %s) RETURNING id",
                (ban, name, auth_type, active),
            ).fetchone()
        assert row
        return int(row[0])

    def add_entry(self, trunk: int, range_: str, ban: str = CUSTOMERS[0], *, active: bool = True) -> None:
        """An entry of the portal's."""
        with self.connect("warp_acl_writer") as connection:
            connection.execute(
                "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr, active) VALUES (%s, %s, %s, %s)",
                (trunk, ban, range_, active),
            )

    def reserve(self, *addresses: str, ban: str = CUSTOMERS[0]) -> None:
        """List dedicated addresses of a customer, as another stack would: only these may have a row."""
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO trunk_acl.dedicated_addresses (address, ban, name, owner)"
                " SELECT address, %s, 'a', 'another-stack' FROM unnest(%s::inet[]) AS address",
                (ban, list(addresses)),
            )

    def owner_of(self, address: str) -> Any:
        """Whose call is it, asked as Kamailio does."""
        (ban,) = self.ask("SELECT accounts.get_customer_by_source_ip(%s)", address, user="warp_acl_reader")
        return ban

    def target(self, **changed: Any) -> reach.Target:
        """How the program gets here."""
        given: dict[str, Any] = {
            "access": "direct", "host": self.server.host, "port": self.server.port, "instance": "p:r:i",
            "database": self.name, "user": USER, "private": False, "iam": False, "deadline_seconds": 10.0,
            "ca": self.server.server_ca, "password": PASSWORD,
        }  # fmt: skip
        return reach.Target(**{**given, **changed})


@dataclass(frozen=True)
class Server:
    """A server of one kind. `made`: the migrated database that the others are copies of, and the one that is shared."""

    postgres: PostgresServer
    kind: str
    made: dict[str, Database] = field(default_factory=dict)
    cleaning: list[Connection] = field(default_factory=list)

    def close(self) -> None:
        """End the connection that stays open."""
        for connection in self.cleaning:
            connection.close()

    @contextlib.contextmanager
    def empty(self) -> Iterator[Database]:
        """A new database."""
        with self._made("template0") as database:
            yield database

    @contextlib.contextmanager
    def migrated(self) -> Iterator[Database]:
        """A new database with the schema, and customers."""
        with self._made(self._template().name) as database:
            yield database

    def shared(self) -> Database:
        """The same one every time, with no rows but the customers."""
        if "shared" not in self.made:
            self.made["shared"] = Database(self.postgres, "shared")
            self._create("shared", self._template().name)
            self.cleaning.append(self.made["shared"].connect())
        self.cleaning[-1].execute(AS_NEW.encode(), prepare=False)
        return self.made["shared"]

    def forget_shared(self) -> None:
        """Whoever asks next gets a new one."""
        self.cleaning.pop().close()
        shared = self.made.pop("shared")
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(shared.name)))

    def _template(self) -> Database:
        if "template" not in self.made:
            self.made["template"] = Database(self.postgres, "template_of_all")
            self._create("template_of_all", "template0")
            self.made["template"].migrate()
            with self.made["template"].connect() as connection:
                connection.execute("INSERT INTO accounts.customers (ban) SELECT unnest(%s::text[])", (list(CUSTOMERS),))
        return self.made["template"]

    @contextlib.contextmanager
    def _made(self, template: str) -> Iterator[Database]:
        database = Database(self.postgres, f"acl_{next(_NAMES)}")
        self._create(database.name, template)
        try:
            yield database
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))

    def _create(self, name: str, template: str) -> None:
        # Owned as the Admin API's are: every user of it may create in it.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER cloudsqlsuperuser")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def _execute(self, statement: sql.Composed) -> None:
        with Database(self.postgres, "postgres").connect() as connection:
            connection.execute(statement)
