"""The trunk ACL's rows in a real database, as the portal changes them; and the database itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from components.trunk_acl import migrations, migrator, roles
from local_cloud.postgres import PostgresServer
from sandbox.sip_proxy import Database

OWNER, OWNER_PASSWORD = "warp", "ownerpassword"
READER, READER_PASSWORD = "warp_acl_reader", "readerpassword"


@dataclass(frozen=True)
class Acl:
    """A database on a server, migrated."""

    server: PostgresServer
    name: str

    @property
    def database(self) -> Database:
        server = self.server
        return Database(server.host, server.port, self.name, READER, READER_PASSWORD, server.server_ca)

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[TupleRow]]:
        server = self.server
        with psycopg.connect(
            host=server.host, port=server.port, dbname=self.name, user=OWNER, password=OWNER_PASSWORD,
            sslmode="require", autocommit=True,
        ) as connection:  # fmt: skip
            yield connection

    def do(self, statement: LiteralString | bytes, *parameters: Any) -> list[TupleRow]:
        with self.connection() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def customer(self, ban: str) -> None:
        self.do("INSERT INTO accounts.customers (ban) VALUES (%s) ON CONFLICT DO NOTHING", ban)

    def trunk(
        self, ban: str, name: str, auth_type: str = "IP_ACL", *, calls_per_second: int = 10, concurrent_calls: int = 100
    ) -> None:
        self.do(
            "INSERT INTO accounts.trunk_groups (ban, name, auth_type, calls_per_second, concurrent_calls)"
            " VALUES (%s, %s, %s, %s, %s)",
            ban, name, auth_type, calls_per_second, concurrent_calls,
        )  # fmt: skip

    def add(self, ban: str, trunk: str, *ranges: str) -> None:
        for one in ranges:
            self.do(
                "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr)"
                " SELECT id, ban, %s::cidr FROM accounts.trunk_groups WHERE ban = %s AND name = %s",
                one, ban, trunk,
            )  # fmt: skip

    def remove(self, *ranges: str) -> None:
        self.do("DELETE FROM accounts.trunk_ips WHERE cidr = ANY (%s::cidr[])", list(ranges))

    def dedicate(self, ban: str, address: str) -> None:
        self.do(
            "INSERT INTO trunk_acl.dedicated_addresses (address, ban, name, owner) VALUES (%s, %s, 'a', 'warp-edge')"
            " ON CONFLICT (address) DO UPDATE SET ban = EXCLUDED.ban",
            address, ban,
        )  # fmt: skip
        self.do(
            "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
            " VALUES (%s, %s, 'a', 's')",
            ban, address,
        )  # fmt: skip

    def release(self, *addresses: str) -> None:
        self.do("DELETE FROM accounts.customer_dedicated_ips WHERE address = ANY (%s::inet[])", list(addresses))


def migrated(server: PostgresServer, name: str) -> Acl:
    """A database as pulumi leaves it, that takes loopback and documentation for customers' addresses."""
    server.create_database(name, "UTF8", "C.UTF-8")
    if OWNER not in server.users():
        server.create_user(OWNER, OWNER_PASSWORD)
    acl = Acl(server, name)
    wishes = migrator.Wishes(
        migrations.load(), [roles.reader(READER_PASSWORD, ()), roles.writer(None, ())], create_customers=True
    )
    with acl.connection() as connection:
        migrator.migrate(connection, wishes)
    acl.do("INSERT INTO trunk_acl.allowed_ranges VALUES ('127.0.0.0/8'), ('::/16'), ('2001:db8::/32')")
    acl.do("UPDATE trunk_acl.limits SET widest_ipv4 = 16, widest_ipv6 = 16")
    return acl
