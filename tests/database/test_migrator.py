"""The schema's migrations on a real database: once each, in order, and refused when the past was changed."""

from __future__ import annotations

import dataclasses
import getpass
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from components.trunk_acl import lock, migrations, migrator, reach, roles
from components.trunk_acl.migrations import Migration
from refusal import Refusal
from tests.database.conftest import Happening
from tests.database.servers import PASSWORD, READER_PASSWORD, USER, WRITER_PASSWORD, Database, Server, wishes

KNOWN = migrations.load()
TOP = KNOWN[-1].version


def migration(version: int, name: str, sql: str) -> Migration:
    return Migration(version, name, f"{version:064x}", sql)


# --- the registry -----------------------------------------------------------------------------------------------------


def test_the_registry_says_what_was_applied_when_by_whom_and_how_long_it_took(empty: Database) -> None:
    (before,) = empty.ask("SELECT clock_timestamp()")
    report = empty.migrate()
    (after,) = empty.ask("SELECT clock_timestamp()")
    assert report == migrator.Report(tuple(each.file for each in KNOWN), ())
    rows = empty.ask(
        "SELECT version, name, sha256, applied_at, applied_by, duration_ms FROM trunk_acl.migrations ORDER BY version"
    )
    assert [row[:3] for row in rows] == [(each.version, each.name, each.sha256) for each in KNOWN]
    times = [row[3] for row in rows]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= after
    assert {row[4] for row in rows} == {USER}
    assert all(0 <= row[5] < 60_000 for row in rows)


def test_a_second_run_changes_nothing(mended: Database) -> None:
    def written() -> object:
        return mended.ask("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"), mended.ask(
            "SELECT version, xmin::text FROM trunk_acl.migrations"
        )

    before = written()
    assert mended.migrate() == migrator.Report((), ())
    assert mended.drift() == []
    assert written() == before


def test_a_new_migration_is_applied_to_what_is_there(own: Database) -> None:
    new = migration(TOP + 1, "more", "CREATE TABLE trunk_acl.more (x integer)")
    wanted = wishes([*KNOWN, new])
    assert own.drift(wanted) == [f"migration {new.file} is not applied"]
    assert own.migrate(wanted).applied == (new.file,)
    assert own.drift(wanted) == []


def test_a_migration_that_fails_takes_itself_back_and_names_itself(own: Database) -> None:
    good = migration(TOP + 1, "good", "CREATE TABLE trunk_acl.good (x integer)")
    bad = migration(TOP + 2, "bad", "CREATE TABLE trunk_acl.bad (x integer); SELECT 1 / 0")
    with pytest.raises(Refusal, match=rf"migration {TOP + 2:04}_bad\.sql: the database refuses: division by zero"):
        own.migrate(wishes([*KNOWN, good, bad]))
    assert own.ask("SELECT to_regclass('trunk_acl.good')::text, to_regclass('trunk_acl.bad')::text") == [
        ("trunk_acl.good", None)
    ]
    assert own.ask("SELECT max(version) FROM trunk_acl.migrations") == [TOP + 1]
    mended = dataclasses.replace(bad, sql="CREATE TABLE trunk_acl.bad (x integer)")
    assert own.migrate(wishes([*KNOWN, good, mended])).applied == (bad.file,)


def test_a_migration_that_takes_too_long_is_ended(mended: Database) -> None:
    slow = migration(TOP + 1, "slow", "CREATE TABLE trunk_acl.slow (x integer); SELECT pg_sleep(600)")
    with pytest.raises(Refusal, match=r"(?s)took too long.*statement timeout.*trunkAcl\.reach\.statementSeconds"):
        mended.migrate(wishes([*KNOWN, slow], statement_seconds=0.5))
    assert mended.ask("SELECT to_regclass('trunk_acl.slow')") == [None]


# --- a past that was changed ------------------------------------------------------------------------------------------

EDITED = tuple(dataclasses.replace(each, sha256="f" * 64) if each.version == 2 else each for each in KNOWN)
RENAMED = tuple(dataclasses.replace(each, name="renamed") if each.version == 2 else each for each in KNOWN)
SWAPPED = tuple(
    dataclasses.replace(each, version=3 if each.version == 2 else 2) if each.version in (2, 3) else each
    for each in KNOWN
)
CHANGED_PASTS = {
    "edited": (
        EDITED,
        r"0002_trunks\.sql was edited after it was applied \(SHA-256 [0-9a-f]{12} then, ffffffffffff now",
    ),
    "renamed": (RENAMED, r"has migration 0002_trunks\.sql, which is not here; here 0002 is 0002_renamed\.sql"),
    "reordered": (tuple(sorted(SWAPPED, key=lambda each: each.version)), r"0002_trunks\.sql, which is not here"),
    "taken away": (
        KNOWN[:-1],
        rf"newer than the program: it has migration {KNOWN[-1].file}, the program ends at {TOP - 1:04}",
    ),
}


@pytest.mark.parametrize("change", CHANGED_PASTS)
def test_a_changed_past_is_refused_before_anything_runs(own: Database, change: str) -> None:
    known, words = CHANGED_PASTS[change]
    own.do("DROP INDEX accounts.trunk_ips_by_trunk")  # which a run would put back
    with pytest.raises(Refusal, match=words):
        own.migrate(wishes(known))
    with pytest.raises(Refusal, match=words):
        own.drift(wishes(known))
    assert own.ask("SELECT to_regclass('accounts.trunk_ips_by_trunk')") == [None]


def test_a_database_newer_than_the_program_is_refused_and_says_so(own: Database) -> None:
    own.migrate(wishes([*KNOWN, migration(TOP + 1, "future", "SELECT 1")]))
    with pytest.raises(
        Refusal, match=r"newer than the program: .*_future\.sql.*\n  -> run the program's newer version"
    ):
        own.migrate()


def test_a_registry_with_a_gap_is_refused(own: Database) -> None:
    own.do("DELETE FROM trunk_acl.migrations WHERE version = 3")
    with pytest.raises(Refusal, match="registry lacks migration 0003, although later ones are there"):
        own.migrate()


def test_a_registry_that_is_gone_is_refused(own: Database) -> None:
    own.do("DROP TABLE trunk_acl.migrations")
    with pytest.raises(Refusal, match=r"is there already and was not made by these migrations"):
        own.migrate()
    assert own.ask("SELECT to_regclass('accounts.trunk_ips')::text") == ["accounts.trunk_ips"]


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_a_run_waits_for_the_other_and_says_who_holds_the_lock_when_it_cannot_have_it(mended: Database) -> None:
    with mended.connect(application_name="warp-edge pulumi (jo@desk)") as holder, lock.held(holder, 5):
        pid = holder.info.backend_pid
        begin = time.monotonic()
        with pytest.raises(Refusal) as refused:
            mended.migrate(wishes(lock_seconds=0.6))
        assert time.monotonic() - begin > 0.6
    assert f"another run works on the trunk ACL: warp-edge pulumi (jo@desk) as {USER} from " in str(refused.value)
    assert f", process {pid}, since 20" in str(refused.value)
    assert "waited 0.6 s" in str(refused.value)
    assert mended.migrate() == migrator.Report((), ())


def test_a_run_goes_on_when_the_other_has_ended(
    mended: Database, in_the_first_pause: Callable[[Happening], None]
) -> None:
    holder = mended.connect()
    holder.execute("SELECT pg_advisory_lock(%s)", (lock.KEY,))
    in_the_first_pause(holder.close)  # as a killed one: nobody unlocks
    assert mended.migrate(wishes(lock_seconds=60)) == migrator.Report((), ())


def test_the_lock_is_let_go_after_a_failure(mended: Database) -> None:
    with mended.connect() as connection:
        with pytest.raises(Refusal):
            migrator.migrate(connection, wishes([*KNOWN, migration(TOP + 1, "bad", "SELECT 1 / 0")]))
        assert mended.migrate(wishes(lock_seconds=0.5)) == migrator.Report((), ())


def test_two_databases_of_one_server_do_not_wait_for_each_other(server: Server, own: Database) -> None:
    with own.connect() as holder, lock.held(holder, 5), server.migrated() as other:
        assert other.migrate(wishes(lock_seconds=0.5)) == migrator.Report((), ())


# --- accounts.customers -----------------------------------------------------------------------------------------------

PRODUCTION_LIKE = """
CREATE SCHEMA accounts;
CREATE TABLE accounts.customers (
    id serial PRIMARY KEY, ban varchar(20) NOT NULL UNIQUE, name varchar(200), active boolean NOT NULL DEFAULT true,
    created_at timestamp DEFAULT now()
);
INSERT INTO accounts.customers (ban) VALUES ('100001');
"""


def test_without_customers_nothing_is_made_unless_a_setting_says_so(empty: Database) -> None:
    with pytest.raises(Refusal, match=r"no table accounts\.customers(?s:.*)trunkAcl\.createCustomers: true"):
        empty.migrate(wishes(create_customers=False))
    assert empty.ask("SELECT nspname FROM pg_namespace WHERE nspname IN ('accounts', 'trunk_acl', 'kamailio')") == []


@pytest.mark.parametrize("create", [True, False])
def test_production_s_own_table_is_checked_and_left_as_it_is(empty: Database, create: bool) -> None:
    empty.do(PRODUCTION_LIKE)
    look = """SELECT attname, atttypid::regtype::text, attnotnull FROM pg_attribute
        WHERE attrelid = 'accounts.customers'::regclass AND attnum > 0"""
    before = empty.ask(look)
    empty.migrate(wishes(create_customers=create))
    assert empty.ask(look) == before
    assert empty.ask("SELECT obj_description('accounts.customers'::regclass)") == [None]
    empty.add_entry(empty.add_trunk("100001"), "34.1.2.0/24", "100001")
    assert empty.owner_of("34.1.2.3") == "100001"


NOT_AS_EXPECTED = {
    "no ban": ("ALTER TABLE accounts.customers DROP COLUMN ban", "has no column ban"),
    "a number": ("ALTER TABLE accounts.customers ALTER ban TYPE bigint USING 1", "has a column ban of type bigint"),
    "not unique": ("ALTER TABLE accounts.customers DROP CONSTRAINT customers_ban_key", "ban is not unique"),
    "unique with another": (
        "ALTER TABLE accounts.customers DROP CONSTRAINT customers_ban_key, ADD UNIQUE (ban, name)", "ban is not unique",
    ),
    "unique in part": (
        "ALTER TABLE accounts.customers DROP CONSTRAINT customers_ban_key;"
        " CREATE UNIQUE INDEX ON accounts.customers (ban) WHERE active", "ban is not unique",
    ),
    "no active": ("ALTER TABLE accounts.customers DROP COLUMN active", "no column `active boolean NOT NULL`"),
    "active or not": (
        "ALTER TABLE accounts.customers ALTER active DROP NOT NULL", "no column `active boolean NOT NULL`",
    ),
}  # fmt: skip


def test_customers_that_are_not_as_expected_are_refused_with_the_remedy(empty: Database) -> None:
    for change, words in NOT_AS_EXPECTED.values():
        empty.do("DROP SCHEMA IF EXISTS accounts CASCADE", PRODUCTION_LIKE, change)
        with pytest.raises(Refusal, match=words) as refused:
            empty.migrate()
        assert "ALTER TABLE accounts.customers" in str(refused.value)
        assert empty.ask("SELECT to_regnamespace('trunk_acl')") == [None]


def test_somebody_else_s_schema_needs_their_consent(server: Server, empty: Database) -> None:
    server.postgres.create_user("billing", PASSWORD)
    try:
        empty.do(PRODUCTION_LIKE)
        # Users of the Admin API are members of one role, but not of each other.
        with server.postgres._superuser(empty.name) as superuser:
            superuser.execute("ALTER SCHEMA accounts OWNER TO billing")
            superuser.execute("ALTER TABLE accounts.customers OWNER TO billing")
        with pytest.raises(Refusal) as refused:
            empty.migrate()
        remedy = str(refused.value).partition("its owner runs: ")[2]
        assert "may not build on schema accounts" in str(refused.value)
        with empty.connect("billing", password=PASSWORD) as owner:
            owner.execute(remedy.encode())
        assert len(empty.migrate().applied) == len(KNOWN)
        empty.add_entry(empty.add_trunk("100001"), "34.1.2.0/24", "100001")
        assert empty.owner_of("34.1.2.3") == "100001"
        with empty.connect("billing", password=PASSWORD) as owner, pytest.raises(psycopg.errors.ForeignKeyViolation):
            owner.execute("DELETE FROM accounts.customers")
    finally:
        with server.postgres._superuser(empty.name) as superuser:
            superuser.execute("REASSIGN OWNED BY billing TO warp")
            superuser.execute("DROP OWNED BY billing")
        server.postgres.drop_user("billing")


def test_an_extension_that_is_there_already_is_used(empty: Database) -> None:
    empty.do("CREATE SCHEMA extensions", "CREATE EXTENSION btree_gist SCHEMA extensions")
    empty.migrate()
    assert empty.drift() == []


# --- the roles --------------------------------------------------------------------------------------------------------


def test_a_password_of_a_role_can_be_changed_and_taken_away(mended: Database) -> None:
    try:
        mended.migrate(wishes(roles=(roles.reader("another", ()), roles.writer(None, ()))))
        with mended.connect("warp_acl_reader", password="another") as connection:
            assert connection.execute("SHOW search_path").fetchone() == ("kamailio",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            mended.connect("warp_acl_reader")
        with pytest.raises(
            psycopg.OperationalError, match=r"is not permitted to log in|password authentication failed"
        ):
            mended.connect("warp_acl_writer")
        assert mended.drift() == ["role warp_acl_writer may not sign in"]
    finally:
        mended.migrate()
    assert mended.ask("SELECT current_user::text", user="warp_acl_writer") == ["warp_acl_writer"]


def test_an_iam_user_reads_as_a_member_of_the_reader(server: Server, mended: Database) -> None:
    member = "kamailio@warp.iam"
    server.postgres.create_user(member, PASSWORD)
    wanted = wishes(roles=(roles.reader(READER_PASSWORD, [member]), roles.writer(WRITER_PASSWORD, ())))
    try:
        missing = [f"role {member} has another search_path", f"{member} is no member of warp_acl_reader"]
        assert mended.drift(wanted) == missing
        if server.kind == "embedded":  # since 16 only who has ADMIN OPTION on a role may change it
            with server.postgres._superuser() as superuser:
                superuser.execute(f'GRANT "{member}" TO {USER} WITH ADMIN OPTION'.encode())
        mended.migrate(wanted)
        assert mended.drift(wanted) == []
        with mended.connect(member, password=PASSWORD) as connection:
            assert connection.execute("SELECT count(*) FROM version").fetchone() == (1,)
    finally:
        with server.postgres._superuser(mended.name) as superuser:
            superuser.execute(f'DROP OWNED BY "{member}"'.encode())
        server.postgres.drop_user(member)


def test_a_member_that_is_no_user_is_refused_by_name(mended: Database) -> None:
    with pytest.raises(Refusal, match=r"nobody@warp\.iam is no user of this instance\n  -> add it to database\.iam"):
        mended.migrate(wishes(roles=(roles.reader(READER_PASSWORD, ["nobody@warp.iam"]),)))


# --- who works on it --------------------------------------------------------------------------------------------------


def test_the_session_says_who_works_on_the_database(mended: Database) -> None:
    with reach.connected(mended.target()) as connection:
        (name,) = connection.execute("SHOW application_name").fetchall()
    assert name[0].startswith(f"warp-edge pulumi ({getpass.getuser()}@")


def test_no_migration_file_looks_names_up_by_the_session_s_path(empty: Database, tmp_path: Path) -> None:
    """A schema of somebody's in the search path, with tables of the same names, changes nothing."""
    empty.do("CREATE SCHEMA warp", "CREATE TABLE warp.limits (x text)", "CREATE FUNCTION warp.family(inet) RETURNS int "
             "LANGUAGE sql RETURN 9")  # fmt: skip
    empty.migrate()
    assert empty.drift() == []
    assert empty.ask("SELECT trunk_acl.unfit('34.0.0.0/8')") == ["34.0.0.0/8 is wider than /20"]
