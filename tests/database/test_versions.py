"""PostgreSQL 15 to 18, as an ordinary user of Cloud SQL who may create roles: new databases, upgrades, copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from components.trunk_acl import catalogue, entries, migrations, migrator, roles
from local_cloud.postgres import binaries
from refusal import Refusal
from tests.database.conftest import BETWEEN, started
from tests.database.servers import CUSTOMERS, READER_PASSWORD, USER, Database, Server, wishes
from tests.database.upgrades import dump, restore, upgraded

FIRST, SECOND = CUSTOMERS[:2]
KINDS = {"15": "production", **{major: major for major in BETWEEN}, "18": "embedded"}
TRUNKS = {FIRST: "main IP_ACL 10 calls/s 100 calls\n  34.1.2.0/24\n  34.1.3.7/32 off"}
CHANGED = {SECOND: "other IP_ACL 5 calls/s 50 calls\n  34.1.2.0/24"}
DOCS = Path(__file__).parents[2] / "docs" / "trunk-acl.md"
ROTATED = wishes(roles=(roles.reader("another", ()), roles.writer(None, ())))


def works(database: Database, customers: dict[str, str]) -> None:
    """One update, and what is to hold after it."""
    with database.connect() as connection:
        migrator.migrate(connection, wishes(), lambda: entries.reconcile(connection, "warp-edge", customers, {}))
        assert entries.read(connection, "warp-edge") == customers
    assert database.drift() == []
    assert database.owner_of("34.1.2.3") == next(iter(customers))
    assert database.owner_of("34.1.3.7") is None
    assert len(database.ask("SELECT * FROM address", user="warp_acl_reader")) == 2


def passwords_can_change(database: Database) -> None:
    database.migrate(ROTATED)
    with database.connect("warp_acl_reader", password="another") as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("kamailio",)
    with pytest.raises(psycopg.OperationalError):
        database.connect("warp_acl_reader", password=READER_PASSWORD)
    database.migrate()


@pytest.mark.parametrize("version", KINDS)
def test_a_new_database_works_and_is_repaired(servers: Callable[[str], Server], version: str) -> None:
    server = servers(KINDS[version])
    assert server.postgres.version.partition(".")[0] == version
    with server.empty() as database:
        assert database.ask("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user") == [
            (False, True)
        ]
        assert len(database.migrate().applied) == len(migrations.load())
        database.do(f"INSERT INTO accounts.customers (ban) VALUES ('{FIRST}'), ('{SECOND}')")
        works(database, TRUNKS)
        database.do(
            "DROP VIEW kamailio.entries CASCADE",
            "ALTER TABLE accounts.trunk_ips DROP CONSTRAINT trunk_ips_one_customer",
            "ALTER TABLE accounts.trunk_ips ENABLE ROW LEVEL SECURITY",
            "DROP FUNCTION accounts.get_customer_by_source_ip(inet)",
            "ALTER ROLE warp_acl_reader NOLOGIN",
            "CREATE ROLE mallory",
            "GRANT warp_acl_writer TO mallory",
        )
        assert len(database.drift()) > 6
        works(database, CHANGED)
        database.do("DROP ROLE mallory")
        passwords_can_change(database)
        assert database.drift() == []


@pytest.mark.parametrize("version", [version for version in KINDS if version != "15"])
def test_a_newer_version_describes_the_same_things(servers: Callable[[str], Server], version: str) -> None:
    """What production's recorded, compared with what a newer one has: as after an upgrade of the instance."""
    found = []
    for kind in ("production", KINDS[version]):
        with (
            servers(kind).migrated() as database,
            database.connect(options="-c search_path=pg_catalog,pg_temp") as connection,
        ):
            found.append((catalogue.recorded(connection), catalogue.read(connection)))
    (before, _), (_, now) = found
    assert before[catalogue.SERVER].definition != now[catalogue.SERVER].definition
    assert catalogue.differences(before, now) == []


def test_an_upgraded_server_goes_on(servers: Callable[[str], Server], tmp_path: Path) -> None:
    """pg_upgrade from 15 to 18."""
    newest = servers("embedded").postgres._postmaster.binaries
    with started("production", tmp_path) as before:
        before._create("acl", before._template().name)
        before.postgres.drop_database(before._template().name)
        works(Database(before.postgres, "acl"), TRUNKS)
        before.close()
        before.postgres.stop()
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(binaries, "SERVER_BINARIES", (str(newest.folder.relative_to("/")),))
            after = upgraded(before.postgres, newest)
            after.start()
        try:
            assert after.version.startswith("18.")
            database = Database(after, "acl")
            assert database.drift() == []
            works(database, CHANGED)
            passwords_can_change(database)
            # By now the record is of this version.
            database.do("ALTER FUNCTION accounts.get_customer_by_dest_ip(inet) VOLATILE")
            assert database.drift() == ["function accounts.get_customer_by_dest_ip(inet) was changed"]
            works(database, TRUNKS)
            # Without what the update granted itself in 15, as an older program left it.
            database.as_superuser(f"REVOKE warp_acl_reader, warp_acl_writer FROM {USER}")
            with pytest.raises(Refusal, match=r'as a superuser run: GRANT "warp_acl_reader" TO .* WITH ADMIN OPTION;'):
                database.migrate()
            section = DOCS.read_text(encoding="utf-8").partition("**Upgraded without it, on Cloud SQL,**")[2]
            database.do(*section.split("```")[1].split(";")[:-1])
            for role in ("warp_acl_reader", "warp_acl_writer"):  # by the Admin API
                after.drop_user(role)
            works(database, CHANGED)
        finally:
            after.stop()


def test_a_dump_is_restored_elsewhere(servers: Callable[[str], Server], tmp_path: Path) -> None:
    """From 15 to 18, as docs/trunk-acl.md says: first the two roles, then the dump, then an update."""
    newest = servers("embedded").postgres._postmaster.binaries
    file = tmp_path / "acl.dump"
    with servers("production").migrated() as database:
        works(database, TRUNKS)
        dump(database, file, newest)
    with started("embedded", tmp_path) as elsewhere, elsewhere.empty() as database:
        assert 'role "warp_acl_reader" does not exist' in restore(database, file, newest)
        database.do("DROP SCHEMA trunk_acl, accounts, kamailio CASCADE")
        database.do("CREATE ROLE warp_acl_reader", "CREATE ROLE warp_acl_writer")
        assert restore(database, file, newest) == ""
        # Roles are the server's and not in the dump: the update puts them right.
        found = database.drift()
        assert found
        assert all("role warp_acl_" in line for line in found)
        works(database, CHANGED)
        passwords_can_change(database)
