"""What somebody changed by hand: found, and put back by the next run or refused with the reason."""

from __future__ import annotations

import pytest

from components.trunk_acl import entries, migrations, migrator
from refusal import Refusal
from tests.database.servers import CUSTOMERS, Database, wishes

FIRST = CUSTOMERS[0]
LOOKUP = "FUNCTION accounts.get_customer_by_source_ip(inet)"

REPAIRED = {
    "a dropped index": (
        ["DROP INDEX accounts.trunk_ips_by_trunk"],
        "index accounts.trunk_ips_by_trunk is gone",
    ),
    "a changed index": (
        ["DROP INDEX accounts.trunk_ips_by_trunk",
         "CREATE INDEX trunk_ips_by_trunk ON accounts.trunk_ips (owner)"],
        "index accounts.trunk_ips_by_trunk was changed",
    ),
    "a changed function": (
        ["CREATE OR REPLACE FUNCTION accounts.get_customer_by_source_ip(source inet) RETURNS text"
         " LANGUAGE sql STABLE RETURN '100001'::text"],
        "function accounts.get_customer_by_source_ip(inet) was changed",
    ),
    "a dropped function": (
        ["DROP FUNCTION accounts.get_customer_by_dest_ip(inet)"],
        "function accounts.get_customer_by_dest_ip(inet) is gone",
    ),
    "a function that is volatile": (
        [f"ALTER {LOOKUP} VOLATILE"], "function accounts.get_customer_by_source_ip(inet) was changed",
    ),
    "a function without its search path": (
        [f"ALTER {LOOKUP} RESET search_path"], "function accounts.get_customer_by_source_ip(inet) was changed",
    ),
    "a missing grant": (
        [f"REVOKE EXECUTE ON {LOOKUP} FROM warp_acl_reader"],
        "grant EXECUTE ON FUNCTION accounts.get_customer_by_source_ip(inet) TO warp_acl_reader is gone",
    ),
    "a grant to everybody": (
        [f"GRANT EXECUTE ON {LOOKUP} TO PUBLIC"],
        "grant EXECUTE ON FUNCTION accounts.get_customer_by_source_ip(inet) TO PUBLIC was added",
    ),
    "a table opened to the reader": (
        ["GRANT SELECT ON accounts.trunk_ips TO warp_acl_reader"],
        "grant SELECT ON TABLE accounts.trunk_ips TO warp_acl_reader was added",
    ),
    "a column opened to the reader": (
        ["GRANT SELECT (cidr) ON accounts.trunk_ips TO warp_acl_reader"],
        "grant SELECT (cidr) ON TABLE accounts.trunk_ips TO warp_acl_reader was added",
    ),
    "a view that lets more in": (
        ["CREATE OR REPLACE VIEW kamailio.entries AS SELECT entry.id, entry.cidr, entry.ban, trunk.name AS trunk"
         " FROM accounts.trunk_ips AS entry JOIN accounts.trunk_groups AS trunk ON trunk.id = entry.trunk_group_id"],
        "view kamailio.entries was changed",
    ),
    "views that are gone": (["DROP VIEW kamailio.entries CASCADE"], "view kamailio.acl_prefixes is gone"),
    "all of kamailio": (["DROP SCHEMA kamailio CASCADE"], "schema kamailio is gone"),
    "a dropped rule": (
        ["ALTER TABLE accounts.trunk_ips DROP CONSTRAINT trunk_ips_one_customer"],
        "constraint trunk_ips_one_customer ON accounts.trunk_ips is gone",
    ),
    "a loosened rule": (
        ["ALTER TABLE accounts.trunk_groups DROP CONSTRAINT trunk_groups_calls_per_second_positive",
         "ALTER TABLE accounts.trunk_groups ADD CONSTRAINT trunk_groups_calls_per_second_positive"
         " CHECK (calls_per_second > -1)"],
        "constraint trunk_groups_calls_per_second_positive ON accounts.trunk_groups was changed",
    ),
    "a dropped key and what hung on it": (
        ["ALTER TABLE accounts.trunk_groups DROP CONSTRAINT trunk_groups_for_entries CASCADE"],
        "constraint trunk_groups_for_entries ON accounts.trunk_groups is gone",
    ),
    "a dropped trigger": (
        ["DROP TRIGGER refuse_unfit_inserted ON accounts.trunk_ips"],
        "trigger refuse_unfit_inserted ON accounts.trunk_ips is gone",
    ),
    "a trigger that sleeps": (
        ["ALTER TABLE accounts.trunk_ips DISABLE TRIGGER audit_updated"],
        "trigger audit_updated ON accounts.trunk_ips was changed",
    ),
    "a trigger that announces nothing": (
        ["ALTER TABLE accounts.trunk_groups DISABLE TRIGGER notify_updated"],
        "trigger notify_updated ON accounts.trunk_groups was changed",
    ),
    "a log that no reloader can read": (["DROP VIEW kamailio.changes"], "view kamailio.changes is gone"),
    "a log that is slow to read": (
        ["DROP INDEX trunk_acl.changes_by_transaction"], "index trunk_acl.changes_by_transaction is gone",
    ),
    "a comment": (["COMMENT ON TABLE accounts.trunk_ips IS NULL"], "comment TABLE accounts.trunk_ips is gone"),
    "the reserved ranges": (
        ["DELETE FROM trunk_acl.reserved_ranges WHERE range = '10.0.0.0/8'"],
        "rows trunk_acl.reserved_ranges was changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", REPAIRED)
def test_what_was_changed_by_hand_is_found_and_put_back(mended: Database, change: str) -> None:
    statements, words = REPAIRED[change]
    mended.add_entry(mended.add_trunk(FIRST), "34.1.2.0/24")
    mended.do(*statements)
    assert words in mended.drift()
    report = mended.migrate()
    assert words in report.repaired
    assert report.applied == ()
    assert mended.drift() == []
    assert mended.ask("SELECT cidr::text FROM accounts.trunk_ips") == ["34.1.2.0/24"]
    assert mended.owner_of("34.1.2.3") == FIRST


REFUSED = {
    "a dropped column": (
        "ALTER TABLE accounts.trunk_ips DROP COLUMN active CASCADE",
        r"column accounts\.trunk_ips\.active was changed by hand.*is `gone`",
    ),
    "a column of another type": (
        "ALTER TABLE accounts.trunk_groups ALTER created_at TYPE timestamp",
        r"column accounts\.trunk_groups\.created_at was changed.*`timestamp with time zone.* and is `timestamp without",
    ),
    "a dropped table": (
        "DROP TABLE accounts.customer_dedicated_ips CASCADE",
        r"table accounts\.customer_dedicated_ips was changed by hand.*is `gone`",
    ),
    "an added trigger": (
        "CREATE TRIGGER mine BEFORE INSERT ON accounts.trunk_ips EXECUTE FUNCTION trunk_acl.refuse_truncate()",
        "trigger mine ON accounts.trunk_ips was added by hand",
    ),
    "an added constraint": (
        "ALTER TABLE accounts.trunk_ips ADD CONSTRAINT mine CHECK (ban <> '7')",
        "constraint mine ON accounts.trunk_ips was added by hand",
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_only_a_person_can_put_right_is_refused_with_the_reason(own: Database, change: str) -> None:
    statement, words = REFUSED[change]
    own.do(statement)
    found = own.drift()
    assert found
    with pytest.raises(Refusal, match=words):
        own.migrate()
    assert own.drift() == found


@pytest.mark.parametrize("change", REFUSED)
def test_a_revocation_does_not_wait_for_that_person(own: Database, change: str) -> None:
    """And what the update cannot write for that reason is refused with the reason, not with PostgreSQL's error."""
    statement, words = REFUSED[change]
    main = "main IP_ACL 10 calls/s 100 calls\n  34.1.3.0/24"
    with own.connect() as connection:
        entries.reconcile(connection, "warp-edge", {FIRST: f"{main}\n  34.1.2.0/24"}, {})
        own.do(statement)
        with pytest.raises(Refusal, match=words):
            migrator.migrate(
                connection, wishes(), lambda: entries.reconcile(connection, "warp-edge", {FIRST: main}, {})
            )
    if change == "an added constraint":  # with the others no row can be written
        assert own.owner_of("34.1.2.1") is None


def test_a_rule_that_rows_break_by_now_is_refused_with_the_reason_and_nothing_is_repaired(own: Database) -> None:
    own.do(
        "ALTER TABLE accounts.trunk_groups DROP CONSTRAINT trunk_groups_calls_per_second_positive",
        "DROP INDEX accounts.trunk_ips_by_trunk",
    )
    own.add_trunk(FIRST)
    own.do("UPDATE accounts.trunk_groups SET calls_per_second = -1")
    found = own.drift()
    with pytest.raises(Refusal, match=r"cannot be put back .*trunk_groups_calls_per_second_positive.*violated"):
        own.migrate()
    assert own.drift() == found
    own.do("UPDATE accounts.trunk_groups SET calls_per_second = 1")
    own.migrate()
    assert own.drift() == []


def test_a_lost_connection_while_drift_is_looked_for_is_told_as_that(own: Database) -> None:
    """And not as something that was changed by hand."""
    with own.connect() as connection:
        own.do(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        with pytest.raises(
            Refusal, match="the database ended the session: it shuts down, or an administrator ended it"
        ):
            migrator.migrate(connection, wishes())


def test_indexes_and_tables_of_somebody_s_own_are_nobody_s_business(own: Database) -> None:
    own.do("CREATE INDEX my_index ON accounts.trunk_ips (owner)", "CREATE TABLE accounts.mine (x integer)")
    assert own.drift() == []
    own.migrate()
    assert own.ask("SELECT to_regclass('accounts.mine')::text") == ["accounts.mine"]


def test_drift_is_looked_for_without_writing(own: Database) -> None:
    own.do("DROP INDEX accounts.trunk_ips_by_trunk")
    with own.connect(options="-c default_transaction_read_only=on") as connection:
        assert "index accounts.trunk_ips_by_trunk is gone" in migrator.drift(connection, wishes())


def test_drift_is_not_recorded_by_the_next_migration(own: Database) -> None:
    own.do("DROP INDEX accounts.trunk_ips_by_trunk")
    known = migrations.load()
    new = migrations.Migration(known[-1].version + 1, "new", "a" * 64, "CREATE TABLE trunk_acl.new (x integer)")
    report = own.migrate(wishes([*known, new]))
    assert report.applied == (new.file,)
    assert "index accounts.trunk_ips_by_trunk is gone" in report.repaired
    assert own.ask("SELECT to_regclass('accounts.trunk_ips_by_trunk')::text") == ["accounts.trunk_ips_by_trunk"]


def test_a_function_with_the_number_of_an_extension_s_operator_class_is_a_function(own: Database) -> None:
    """An OID is one within its catalogue only; after pg_upgrade numbers of two catalogues coincide."""
    own.as_superuser(
        "INSERT INTO pg_depend SELECT 'pg_opclass'::regclass, 'accounts.get_customer_by_source_ip(inet)'::regprocedure,"
        " 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension WHERE extname = 'btree_gist'"
    )
    assert own.drift() == []
    own.migrate()
    own.as_superuser("DELETE FROM pg_depend WHERE classid = 'pg_opclass'::regclass"
                     " AND objid = 'accounts.get_customer_by_source_ip(inet)'::regprocedure")  # fmt: skip
