"""Who may use the two roles: exactly the principals of the settings, in whichever way others became members."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from components.trunk_acl import migrator, roles
from components.trunk_acl.logins import READER, SECOND_READER
from refusal import Refusal
from tests.database.servers import PASSWORD, READER_PASSWORD, USER, WRITER_PASSWORD, Database, Server, wishes

MEMBER = "kamailio@warp.iam"
SETTINGS = "SELECT setconfig::text FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole WHERE rolname = %s"
ABOUT_MEMBER = f'ALTER ROLE "{MEMBER}" SET search_path = "kamailio"'


def granted(readers: tuple[str, ...] = (), writers: tuple[str, ...] = ()) -> migrator.Wishes:
    return wishes(roles=(roles.reader(READER_PASSWORD, readers), roles.writer(WRITER_PASSWORD, writers)))


@pytest.fixture
def foreign(server: Server, mended: Database) -> Iterator[Database]:
    """The shared database, and an IAM user as the Admin API makes one: since version 16 others may not change it."""
    server.postgres.create_user(MEMBER, PASSWORD)
    yield mended
    mended.as_superuser(f'DROP OWNED BY "{MEMBER}"')
    server.postgres.drop_user(MEMBER)


@pytest.fixture
def member(foreign: Database) -> Database:
    """The same, where the user of the update has ADMIN OPTION on it."""
    foreign.as_superuser(f'GRANT "{MEMBER}" TO {USER} WITH ADMIN OPTION')
    return foreign


def may_read(database: Database) -> bool:
    (allowed,) = database.ask("SELECT pg_has_role(%s, 'warp_acl_reader', 'USAGE')", MEMBER)
    return bool(allowed)


def test_a_principal_that_leaves_the_settings_loses_its_membership_and_search_path(member: Database) -> None:
    member.migrate(granted(readers=(MEMBER,)))
    assert may_read(member)
    assert member.drift() == [f"{MEMBER} is a member of warp_acl_reader, but not in trunkAcl.signIn"]
    member.migrate()
    assert not may_read(member)
    assert member.ask(SETTINGS, MEMBER) == []
    assert member.drift() == []


def test_a_principal_may_go_from_one_role_to_the_other(member: Database) -> None:
    member.migrate(granted(readers=(MEMBER,)))
    member.migrate(granted(writers=(MEMBER,)))
    assert not may_read(member)
    assert member.ask(SETTINGS, MEMBER) == ["{search_path=accounts}"]
    assert member.drift(granted(writers=(MEMBER,))) == []


def test_a_member_can_neither_make_others_members_nor_be_kept_from_its_rights(member: Database) -> None:
    wanted = granted(readers=(MEMBER,))
    member.migrate(wanted)
    member.do(f'GRANT warp_acl_reader TO "{MEMBER}" WITH ADMIN OPTION')
    seen = [f"{MEMBER} may make others members of warp_acl_reader"]
    if member.server.version >= "16":
        member.do(f'GRANT warp_acl_reader TO "{MEMBER}" WITH INHERIT FALSE')
        seen.append(f"{MEMBER} is no member of warp_acl_reader")
    assert member.drift(wanted) == seen
    member.migrate(wanted)
    assert member.drift(wanted) == []
    assert may_read(member)


def test_a_member_s_search_path_in_this_database_is_put_right(member: Database) -> None:
    wanted = granted(readers=(MEMBER,))
    member.migrate(wanted)
    member.do(f'ALTER ROLE "{MEMBER}" IN DATABASE {member.name} SET search_path = public')
    assert member.drift(wanted) == [f"role {MEMBER} has another search_path in database {member.name}"]
    member.migrate(wanted)
    assert member.drift(wanted) == []


def test_a_membership_that_a_superuser_granted_is_revoked_or_refused_with_the_statement(foreign: Database) -> None:
    foreign.as_superuser(f'GRANT warp_acl_reader TO "{MEMBER}"')
    seen = [f"{MEMBER} is a member of warp_acl_reader, but not in trunkAcl.signIn"]
    assert foreign.drift() == seen
    if foreign.server.version >= "16":
        with pytest.raises(Refusal, match="permission denied to revoke") as refused:
            foreign.migrate()
        assert foreign.drift() == seen
        foreign.as_superuser(refused.value.remedy.partition(" run: ")[2])
    foreign.migrate()
    assert not may_read(foreign)
    assert foreign.drift() == []


def test_a_principal_that_the_update_may_not_change_can_be_granted_the_role_all_the_same(foreign: Database) -> None:
    wanted = granted(readers=(MEMBER,))
    if foreign.server.version >= "16":
        with pytest.raises(Refusal, match="permission denied to alter role") as refused:
            foreign.migrate(wanted)
        statement = refused.value.remedy.partition("as that role run: ")[2]
        assert statement == ABOUT_MEMBER
        with foreign.connect(MEMBER, password=PASSWORD) as connection:  # it may do so itself
            connection.execute(statement.encode())
    foreign.migrate(wanted)
    assert foreign.drift(wanted) == []
    assert may_read(foreign)
    # It leaves, too: the search_path that may not be changed has no effect any more.
    foreign.migrate()
    assert not may_read(foreign)
    assert foreign.drift() == []


@pytest.mark.parametrize("role", ["warp_acl_reader", "warp_acl_writer"])
def test_without_admin_option_the_update_names_the_grant_that_is_needed(mended: Database, role: str) -> None:
    """As after an upgrade from version 15, where nobody had it."""
    mended.as_superuser(f"REVOKE {role} FROM {USER} CASCADE")
    assert mended.drift() == [f"{USER} has no ADMIN OPTION on {role}"]
    if mended.server.version >= "16":
        # Rows are updated all the same, and then it fails.
        done: list[str] = []
        words = rf"{USER} has no ADMIN OPTION on {role}: permission denied"
        with mended.connect() as connection, pytest.raises(Refusal, match=words) as refused:
            migrator.migrate(connection, wishes(), lambda: done.append("rows"))
        assert done == ["rows"]
        grant = refused.value.remedy.removeprefix("as a superuser run: ").partition(";")[0]
        assert grant == f'GRANT "{role}" TO "{USER}" WITH ADMIN OPTION'
        mended.as_superuser(grant)
    mended.migrate()
    assert mended.drift() == []


def test_a_membership_is_revoked_whatever_else_cannot_be_done(member: Database) -> None:
    member.migrate(granted(writers=(MEMBER,)))
    with pytest.raises(Refusal, match=r"nobody@warp\.iam is no user of this instance"):
        member.migrate(granted(readers=("nobody@warp.iam",)))
    assert member.ask("SELECT pg_has_role(%s, 'warp_acl_writer', 'USAGE')", MEMBER) == [False]


SECOND = "anothersecondpassword"


def rotated(first: str | None, second: str | None) -> migrator.Wishes:
    """As after `signIn.rotation` was raised; None may not sign in."""
    readers = roles.reader(first, (SECOND_READER,))
    return wishes(roles=(roles.second_reader(second), readers, roles.writer(WRITER_PASSWORD, ())))


def signs_in(database: Database, role: str, password: str) -> bool:
    try:
        with database.connect(role, password=password) as connection:
            connection.execute("SELECT count(*) FROM acl_hosts")
    except psycopg.OperationalError:
        return False
    return True


def test_the_second_reader_signs_in_beside_the_first_and_each_can_be_switched_off(mended: Database) -> None:
    mended.migrate(rotated(READER_PASSWORD, SECOND))
    assert mended.drift(rotated(READER_PASSWORD, SECOND)) == []
    assert signs_in(mended, READER, READER_PASSWORD)
    assert signs_in(mended, SECOND_READER, SECOND)
    mended.migrate(rotated(None, SECOND))
    assert not signs_in(mended, READER, READER_PASSWORD)
    assert signs_in(mended, SECOND_READER, SECOND)
    assert mended.drift(rotated(None, SECOND)) == []
    mended.migrate(rotated("thirdpassword", None))
    assert signs_in(mended, READER, "thirdpassword")
    assert not signs_in(mended, SECOND_READER, SECOND)
    mended.migrate(rotated("thirdpassword", SECOND))
    mended.do(f"GRANT warp_acl_writer TO {SECOND_READER}")
    (line, other) = mended.drift(rotated("thirdpassword", SECOND))
    assert line == f"role {SECOND_READER} has more rights than it should: it is a member of warp_acl_writer"
    assert other.startswith(f"{SECOND_READER} is a member of warp_acl_writer")
    mended.migrate()
    assert not signs_in_with_rights(mended)


def signs_in_with_rights(database: Database) -> bool:
    """Whether the second reader can still read, where no rotation is in the settings."""
    (allowed,) = database.ask("SELECT pg_has_role(%s, 'warp_acl_reader', 'USAGE')", SECOND_READER)
    return bool(allowed)
