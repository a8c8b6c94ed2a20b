"""Who is a member of the ACL's two roles: exactly the principals of `signIn`, and whom the two are members of: no role.

Besides, who runs the update has ADMIN OPTION on them. Since version 16 nothing about a role can be changed without it;
the server then gives it to a role's creator (postgresql.org/docs/16/sql-createrole.html). In version 15 the update
grants it to itself, so that it has it after an upgrade, too.

Since version 16 a membership has a row per grantor, and is revoked from each (postgresql.org/docs/16/sql-revoke.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import sql

from components.trunk_acl.lock import Connection

SEVERAL_GRANTORS = 160_000


@dataclass(frozen=True)
class Role:
    """A role and how somebody signs in as it: with a password, or as an IAM principal that is its member."""

    name: str
    purpose: str
    search_path: str
    password: str | None = field(default=None, repr=False)
    members: Sequence[str] = ()


@dataclass(frozen=True)
class Flaw:
    """What is not as it should be, in a line, and the statement that puts it right. `afterwards`: one more, which may
    fail."""

    line: str
    statement: str
    afterwards: str = ""


def statement(template: LiteralString, *names: str) -> str:
    """SQL with quoted names."""
    return sql.SQL(template).format(*map(sql.Identifier, names)).as_string(None)


@dataclass(frozen=True)
class _Row:
    """One of pg_auth_members. `creators`: the server's own, for the role's creator, who cannot use the role by it."""

    role: str
    member: str
    grantor: str
    admin: bool
    inherits: bool
    creators: bool


def own_right(connection: Connection, role: Role) -> Iterator[Flaw]:
    """The ADMIN OPTION of who works here, on a role that is there. A superuser needs none."""
    user, mighty = _user(connection)
    there = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role.name,)).rowcount
    if mighty or not there or any(row.member == user and row.admin for row in _rows(connection, role)):
        return
    yield Flaw(f"{user} has no ADMIN OPTION on {role.name}", _grant_admin(role, user))


def surplus(connection: Connection, role: Role) -> Iterator[Flaw]:
    """Members that the settings do not name, and memberships of the role itself."""
    user, _ = _user(connection)
    rows = _rows(connection, role)
    for row in rows:
        if row.member == role.name:
            line = f"role {role.name} has more rights than it should: it is a member of {row.role}"
            yield Flaw(line, _revoke(connection, row))
        elif row.member not in (*role.members, user) and not row.creators:
            line = f"{row.member} is a member of {role.name}, but not in trunkAcl.signIn"
            yield Flaw(line, _revoke(connection, row), _reset(connection, role, row.member))
        elif row.member in role.members and row.member != user and row.admin:
            line = f"{row.member} may make others members of {role.name}"
            yield Flaw(line, _revoke(connection, row, "ADMIN OPTION FOR "))


def missing(connection: Connection, role: Role) -> Iterator[Flaw]:
    """Members that the settings name."""
    rows = _rows(connection, role)
    for member in role.members:
        if not any(row.member == member and row.role == role.name and row.inherits for row in rows):
            grant = statement("GRANT {} TO {}", role.name, member)
            if connection.info.server_version >= SEVERAL_GRANTORS:
                grant += " WITH INHERIT TRUE"
            yield Flaw(f"{member} is no member of {role.name}", grant)


def remedy(connection: Connection, role: Role, flaw: Flaw) -> str:
    """Who can do what this user may not, and how."""
    user, _ = _user(connection)
    rows = _rows(connection, role)
    if any(row.member == user and row.admin for row in rows):
        return (
            "as a superuser, as a role with ADMIN OPTION on the role that it changes, or (a search_path) as that role"
            f" run: {flaw.statement}"
        )
    able = sorted({row.member for row in rows if row.role == role.name and row.admin})
    who = " or ".join(["a superuser", *able])
    return f"as {who} run: {_grant_admin(role, user)}; docs/trunk-acl.md, 'PostgreSQL versions'"


def _grant_admin(role: Role, user: str) -> str:
    return statement("GRANT {} TO {} WITH ADMIN OPTION", role.name, user)


def _revoke(connection: Connection, row: _Row, option: str = "") -> str:
    revoke = f"REVOKE {option}{statement('{} FROM {}', row.role, row.member)}"
    if connection.info.server_version >= SEVERAL_GRANTORS:
        revoke += statement(" GRANTED BY {}", row.grantor)
    return f"{revoke} CASCADE"


def _reset(connection: Connection, role: Role, member: str) -> str:
    """The search_path that the role's members get is taken with the membership."""
    ours = connection.execute(
        "SELECT FROM pg_roles WHERE rolname = %s AND %s = ANY (rolconfig)",
        (member, f"search_path={role.search_path}"),
    ).rowcount
    return statement("ALTER ROLE {} RESET search_path", member) if ours else ""


def _user(connection: Connection) -> tuple[str, bool]:
    row = connection.execute("SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return row or ("", False)


def _rows(connection: Connection, role: Role) -> list[_Row]:
    """Of members of the role, and of the role as a member; those that this user granted first."""
    # Superuser 10 made the cluster; its grants to creators give no use of the role (since version 16).
    several = connection.info.server_version >= SEVERAL_GRANTORS
    inherits, creators = (
        ("inherit_option", "grantor = 10 AND NOT inherit_option AND NOT set_option")
        if several
        else (
            "true",
            "false",
        )
    )
    return [
        _Row(*each)
        for each in connection.execute(
            sql.SQL(
                "SELECT of.rolname::text, who.rolname::text, coalesce(by.rolname::text, ''), admin_option, {inherits},"
                " {creators} FROM pg_auth_members AS m JOIN pg_roles AS of ON of.oid = m.roleid"
                " JOIN pg_roles AS who ON who.oid = m.member LEFT JOIN pg_roles AS by ON by.oid = m.grantor"
                " WHERE %s IN (of.rolname, who.rolname)"
                " ORDER BY by.rolname IS DISTINCT FROM current_user, of.rolname, who.rolname, by.rolname"
            ).format(inherits=sql.SQL(inherits), creators=sql.SQL(creators)),
            (role.name,),
        )
    ]
