"""What stands in the database after the migrations: tables, functions, comments, and who may do what with them."""

from __future__ import annotations

import psycopg
import pytest

from components.trunk_acl.lock import Connection
from tests.database.servers import CUSTOMERS, Database

TABLES = {
    "trunk_groups": {"ban", "name", "auth_type", "calls_per_second", "concurrent_calls", "active"},
    "trunk_ips": {"trunk_group_id", "cidr", "active"},
    "customer_dedicated_ips": {"ban", "address", "gcp_address_name", "gcp_service_name"},
}
LOOKUPS = ("accounts.get_customer_by_source_ip(inet)", "accounts.get_customer_by_dest_ip(inet)")
OURS = "('accounts', 'trunk_acl', 'kamailio')"
NOT_OF_AN_EXTENSION = "NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = o.oid AND d.deptype = 'e')"

# The listing is the test's own, without a word of the catalogue's.
UNCOMMENTED = {
    "schemas": f"""SELECT nspname FROM pg_namespace
        WHERE nspname IN {OURS} AND obj_description(oid, 'pg_namespace') IS NULL""",
    "relations": f"""SELECT o.oid::regclass FROM pg_class AS o
        WHERE relnamespace::regnamespace::text IN {OURS} AND relkind IN ('r', 'p', 'v', 'm', 'f')
            AND obj_description(o.oid, 'pg_class') IS NULL""",
    "columns of tables": f"""SELECT o.oid::regclass || '.' || attname
        FROM pg_class AS o JOIN pg_attribute ON attrelid = o.oid
        WHERE relnamespace::regnamespace::text IN {OURS} AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
            AND col_description(o.oid, attnum) IS NULL""",
    "indexes without a constraint": f"""SELECT o.oid::regclass FROM pg_class AS o
        WHERE relnamespace::regnamespace::text IN {OURS} AND relkind = 'i'
            AND obj_description(o.oid, 'pg_class') IS NULL
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = o.oid)""",
    "functions": f"""SELECT o.oid::regprocedure FROM pg_proc AS o
        WHERE pronamespace::regnamespace::text IN {OURS} AND {NOT_OF_AN_EXTENSION}
            AND obj_description(o.oid, 'pg_proc') IS NULL""",
    "triggers": """SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger AS o
        WHERE NOT tgisinternal AND obj_description(o.oid, 'pg_trigger') IS NULL""",
    "roles": """SELECT rolname FROM pg_roles AS o
        WHERE rolname ~ '^warp_acl' AND shobj_description(o.oid, 'pg_authid') IS NULL""",
}


def test_the_tables_of_the_specification_have_their_columns(acl: Database) -> None:
    rows = acl.ask("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'accounts'")
    for table, columns in TABLES.items():
        assert columns <= {column for name, column in rows if name == table}


def test_every_object_has_a_comment(acl: Database) -> None:
    assert {kind: acl.ask(query) for kind, query in UNCOMMENTED.items()} == {kind: [] for kind in UNCOMMENTED}


def test_an_object_without_a_comment_would_be_found(own: Database) -> None:
    own.do(
        "CREATE TABLE trunk_acl.bare (x integer)",
        "CREATE INDEX bare_x ON trunk_acl.bare (x)",
        "CREATE FUNCTION trunk_acl.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER t AFTER INSERT ON trunk_acl.bare EXECUTE FUNCTION trunk_acl.f()",
        "CREATE VIEW kamailio.v AS SELECT 1 AS one",
    )
    found = {kind: [str(name) for name in own.ask(query)] for kind, query in UNCOMMENTED.items()}
    assert found == {
        "schemas": [], "relations": ["trunk_acl.bare", "kamailio.v"], "columns of tables": ["trunk_acl.bare.x"],
        "indexes without a constraint": ["trunk_acl.bare_x"], "functions": ["trunk_acl.f()"],
        "triggers": ["trunk_acl.bare t"], "roles": [],
    }  # fmt: skip


@pytest.mark.parametrize("function", LOOKUPS)
def test_lookups_are_stable_with_a_pinned_search_path(acl: Database, function: str) -> None:
    ((volatility, settings, definer),) = acl.ask(
        "SELECT provolatile::text, proconfig, prosecdef FROM pg_proc WHERE oid = %s::regprocedure", function
    )
    assert (volatility, definer) == ("s", True)
    assert settings == ["search_path=pg_catalog, pg_temp"]


def test_no_function_looks_names_up_where_a_caller_says(acl: Database) -> None:
    unpinned = f"""
        SELECT o.oid::regprocedure FROM pg_proc AS o
        WHERE pronamespace::regnamespace::text IN {OURS} AND {NOT_OF_AN_EXTENSION}
            AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)"""
    assert acl.ask(unpinned) == []


def test_a_lookup_is_not_fooled_by_a_caller_s_own_objects(acl: Database) -> None:
    """A temporary table comes first in an unpinned search path, and an operator of one's own before the system's."""
    trunk = acl.add_trunk()
    acl.add_entry(trunk, "34.1.2.0/24")
    with acl.connect("warp_acl_writer") as connection:
        connection.execute("CREATE TEMP TABLE trunk_ips AS SELECT * FROM accounts.trunk_ips WHERE false")
        connection.execute("CREATE TEMP TABLE limits AS SELECT true AS only_row, 32 AS widest_ipv4, 128 AS widest_ipv6")
        connection.execute("SET search_path = pg_temp, accounts, trunk_acl")
        (row,) = connection.execute("SELECT accounts.get_customer_by_source_ip('34.1.2.3')").fetchall()
    assert row == (CUSTOMERS[0],)


def test_functions_are_executed_only_by_those_who_need_them(acl: Database) -> None:
    rights = acl.ask(f"""
        SELECT o.oid::regprocedure::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END
        FROM pg_proc AS o, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
        WHERE pronamespace::regnamespace::text IN {OURS} AND {NOT_OF_AN_EXTENSION} AND a.grantee <> proowner
        ORDER BY 1, 2""")
    both = ["warp_acl_reader", "warp_acl_writer"]
    assert [right for right in rights if right[0] in LOOKUPS] == [
        (name, role) for name in sorted(LOOKUPS) for role in both
    ]
    assert {role for _, role in rights} <= set(both)
    assert [name for name, _ in rights if name.startswith("trunk_acl.")] == []


# --- the reader: Kamailio's views and the two functions, nothing else -------------------------------------------------

NOT_FOR_THE_READER = (
    "SELECT * FROM accounts.trunk_groups",
    "SELECT * FROM accounts.trunk_ips",
    "SELECT * FROM accounts.customer_dedicated_ips",
    "SELECT * FROM accounts.customers",
    "SELECT * FROM accounts.trunk_acl_audit",
    "SELECT * FROM kamailio.entries",
    "SELECT * FROM trunk_acl.migrations",
    "SELECT * FROM trunk_acl.limits",
    "SELECT * FROM trunk_acl.changes",
    "SELECT * FROM trunk_acl.dedicated_addresses",
    "DELETE FROM kamailio.changes",
    "SELECT trunk_acl.announce('all')",
    "DROP VIEW kamailio.version",
    "SELECT accounts.get_customer_by_source_ip('34.1.2.3') FROM accounts.trunk_ips",
    "DELETE FROM accounts.trunk_ips",
    "CREATE TABLE kamailio.mine (x integer)",
    "CREATE TABLE accounts.mine (x integer)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "SET ROLE warp_acl_writer",
    "SET ROLE warp",
)


def is_denied(connection: Connection, statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_the_reader_reads_every_view_of_kamailio_s(acl: Database) -> None:
    with acl.connect("warp_acl_reader") as connection:
        for view in ("address", "version", "acl_hosts", "acl_prefixes", "dedicated", "acl_counts", "changes"):
            # Without a schema, as Kamailio's modules name them.
            connection.execute(f"SELECT * FROM {view}".encode()).fetchall()


@pytest.mark.parametrize("function", LOOKUPS)
@pytest.mark.parametrize("role", ["warp_acl_reader", "warp_acl_writer"])
def test_both_roles_may_look_up(acl: Database, role: str, function: str) -> None:
    name = function.removesuffix("(inet)")
    assert acl.ask(f"SELECT {name}('34.1.2.3')", user=role) == [None]


def test_the_reader_may_do_nothing_else(acl: Database) -> None:
    with acl.connect("warp_acl_reader") as connection:
        allowed = [statement for statement in NOT_FOR_THE_READER if not is_denied(connection, statement)]
    assert allowed == []


# --- the writer: rows, no DDL -----------------------------------------------------------------------------------------

NOT_FOR_THE_WRITER = (
    "TRUNCATE accounts.trunk_ips",
    "ALTER TABLE accounts.trunk_ips DISABLE TRIGGER ALL",
    "ALTER TABLE accounts.trunk_ips DROP CONSTRAINT trunk_ips_one_customer",
    "DROP TABLE accounts.trunk_ips",
    "CREATE TABLE accounts.mine (x integer)",
    "CREATE INDEX ON accounts.trunk_ips (owner)",
    "INSERT INTO accounts.customers (ban) VALUES ('999')",
    "UPDATE accounts.customers SET active = false",
    "INSERT INTO accounts.trunk_acl_audit (relation, operation, ban) VALUES ('trunk_ips', 'INSERT', '1')",
    "UPDATE accounts.trunk_acl_audit SET changed_by = 'nobody'",
    "DELETE FROM accounts.trunk_acl_audit",
    "UPDATE trunk_acl.limits SET widest_ipv4 = 8",
    "DELETE FROM trunk_acl.reserved_ranges",
    "INSERT INTO trunk_acl.allowed_ranges VALUES ('0.0.0.0/0')",
    "DELETE FROM trunk_acl.migrations",
    "INSERT INTO trunk_acl.dedicated_addresses VALUES ('34.9.9.9', '100001', 'a', 'b')",
    "UPDATE trunk_acl.dedicated_addresses SET ban = '100002'",
    "DELETE FROM trunk_acl.dedicated_addresses",
    "SELECT trunk_acl.unfit('34.1.2.0/24')",
    "SELECT trunk_acl.announce('all')",
    "INSERT INTO trunk_acl.changes (payload) VALUES ('all')",
    "DELETE FROM trunk_acl.changes",
    "SELECT * FROM kamailio.address",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "SET ROLE warp_acl_reader",
    "SET session_replication_role = replica",
)


def test_the_writer_writes_rows(acl: Database) -> None:
    trunk = acl.add_trunk()
    acl.add_entry(trunk, "34.1.2.0/24")
    acl.reserve("34.9.9.9")
    insert = "INSERT INTO accounts.customer_dedicated_ips (ban, address, gcp_address_name, gcp_service_name)"
    acl.do(
        f"{insert} VALUES ('{CUSTOMERS[0]}', '34.9.9.9', 'a', 's')",
        "UPDATE accounts.trunk_groups SET calls_per_second = 20",
        "UPDATE accounts.trunk_ips SET active = false",
        "DELETE FROM accounts.trunk_ips",
        "DELETE FROM accounts.trunk_groups",
        "DELETE FROM accounts.customer_dedicated_ips",
        user="warp_acl_writer",
    )
    assert acl.ask("SELECT count(*) FROM accounts.trunk_acl_audit", user="warp_acl_writer") == [8]


def test_the_writer_may_do_nothing_else(acl: Database) -> None:
    with acl.connect("warp_acl_writer") as connection:
        allowed = [statement for statement in NOT_FOR_THE_WRITER if not is_denied(connection, statement)]
    assert allowed == []


def test_neither_role_has_an_attribute_or_a_membership_that_gives_more(acl: Database) -> None:
    rows = acl.ask("""
        SELECT rolname::text, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, rolcanlogin,
            (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid)
        FROM pg_roles WHERE rolname ~ '^warp_acl_' ORDER BY 1""")
    # Roles are the server's: another test may have left the reader's second login (`logins.py`) there.
    assert {("warp_acl_reader", False, True, 0), ("warp_acl_writer", False, True, 0)} <= set(rows)
    assert [each for each in rows if each[1] or each[3]] == []
