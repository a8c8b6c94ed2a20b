"""`accounts.customers` is production's own: it is checked, never changed. New databases may get a minimal one."""

from __future__ import annotations

from collections.abc import Iterable

from components.trunk_acl.lock import Connection
from refusal import Refusal

# Tells a table made here from production's: only into this one are customers of the trunk files put.
MARK = "Customers, as far as the trunk ACL needs them; made by pulumi for a database that had none"
MINIMAL = f"""
CREATE SCHEMA IF NOT EXISTS accounts;
COMMENT ON SCHEMA accounts IS 'Customers, their trunks and where their calls come from';
CREATE TABLE accounts.customers (
    ban text PRIMARY KEY,
    name text NOT NULL DEFAULT '',
    active boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE accounts.customers IS '{MARK}';
COMMENT ON COLUMN accounts.customers.ban IS 'Billing account number';
COMMENT ON COLUMN accounts.customers.name IS 'Name';
COMMENT ON COLUMN accounts.customers.active IS 'When false, nothing of this customer''s matches';
"""
TEXTS = ("text", "character varying")


def ensure(connection: Connection, *, create: bool) -> None:
    """Have `accounts.customers` there, with what the ACL builds on. Raises `Refusal` with the remedy."""
    _check_rights(connection)
    if connection.execute("SELECT to_regclass('accounts.customers')").fetchone() == (None,):
        if not create:
            raise Refusal(
                "there is no table accounts.customers, which every trunk belongs to",
                "is this the right database? A new one gets a minimal table with trunkAcl.createCustomers: true",
            )
        with connection.transaction():
            connection.execute(MINIMAL.encode())
    check(connection)


def add(connection: Connection, bans: Iterable[str]) -> None:
    """Put customers into the minimal table; production's is left alone."""
    mark = connection.execute("SELECT obj_description('accounts.customers'::regclass, 'pg_class')").fetchone()
    if mark == (MARK,):
        connection.execute(
            "INSERT INTO accounts.customers (ban) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (list(bans),)
        )


def check(connection: Connection) -> None:
    """Raise `Refusal` unless `accounts.customers` has a unique `ban` and a flag `active`."""
    columns: dict[str, tuple[str, bool]] = {
        str(name): (str(kind), bool(required))
        for name, kind, required in connection.execute(
            "SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute"
            " WHERE attrelid = 'accounts.customers'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    }
    kind, _ = columns.get("ban", ("", False))
    if kind not in TEXTS:
        raise Refusal(
            f"accounts.customers has {f'a column ban of type {kind}' if kind else 'no column ban'}; a customer is known"
            " by its BAN, a text",
            "ALTER TABLE accounts.customers: a column `ban` of type text, NOT NULL, unique",
        )
    if not _ban_is_unique(connection):
        raise Refusal(
            "accounts.customers.ban is not unique: a trunk could belong to two customers",
            "ALTER TABLE accounts.customers ADD CONSTRAINT customers_ban_once UNIQUE (ban)",
        )
    if columns.get("active") != ("boolean", True):
        raise Refusal(
            "accounts.customers has no column `active boolean NOT NULL`: no customer could be switched off",
            "ALTER TABLE accounts.customers ADD COLUMN active boolean NOT NULL DEFAULT true",
        )


def _ban_is_unique(connection: Connection) -> bool:
    """A whole, valid, immediate unique index on `ban` alone: what a foreign key needs."""
    row = connection.execute(
        """
        SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attname = 'ban'
        WHERE indrelid = 'accounts.customers'::regclass AND indisunique AND indisvalid AND indimmediate
            AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = attnum
        """
    ).fetchone()
    return bool(row and row[0])


def _check_rights(connection: Connection) -> None:
    """Where somebody else owns the schema or the table, they must let us in. First of all: a name in it cannot even be
    looked up without. The two roles get USAGE from us; who may not pass it on is told so by a warning only."""
    row = connection.execute(
        """
        SELECT current_user,
            has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION'),
            c.oid IS NULL OR has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'REFERENCES')
        FROM pg_namespace AS n LEFT JOIN pg_class AS c ON relnamespace = n.oid AND relname = 'customers'
        WHERE nspname = 'accounts'
        """
    ).fetchone()
    user, may_create, may_refer = row or ("", True, True)
    if not (may_create and may_refer):
        raise Refusal(
            f"user {user} may not build on schema accounts",
            f'its owner runs: GRANT CREATE, USAGE ON SCHEMA accounts TO "{user}" WITH GRANT OPTION;'
            f' GRANT SELECT, REFERENCES ON accounts.customers TO "{user}"',
        )
