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
    """A role and how somebody signs in as it: with a password, or as an IAM principal that is its member. `within`: the
    role that it is itself a member of, if any."""

    name: str
    purpose: str
    search_path: str
    password: str | None = field(default=None, repr=False)
    members: Sequence[str] = ()
    within: str = ""


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
class Row:
    """One of pg_auth_members. `creators`: the server's own, for the role's creator, who cannot use the role by it.
    `path`: whether the member has the search_path that the role's members get."""

    role: str
    member: str
    grantor: str
    admin: bool
    inherits: bool
    creators: bool
    path: bool


@dataclass(frozen=True)
class Members:
    """Memberships of a role and in it, those that `user` granted first. `several`: one may have several grantors."""

    role: Role
    there: bool
    user: str
    superuser: bool
    several: bool
    rows: Sequence[Row]

    @property
    def administered(self) -> bool:
        """Whether the user has ADMIN OPTION."""
        return any(row.member == self.user and row.admin for row in self.rows)


def read(connection: Connection, role: Role) -> Members:
    """As they are now; one query."""
    several = connection.info.server_version >= SEVERAL_GRANTORS
    # Superuser 10 made the cluster; its grants to creators give no use of the role (since version 16).
    inherits, creators = ("inherit_option", "grantor = 10 AND NOT inherit_option AND NOT set_option")
    found = connection.execute(
        sql.SQL(
            "SELECT me.rolname::text, me.rolsuper, EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s),"
            " of.rolname::text, who.rolname::text, coalesce(by.rolname::text, ''), admin_option, {inherits},"
            " {creators}, coalesce(%(path)s = ANY (who.rolconfig), false)"
            " FROM pg_roles AS me LEFT JOIN (pg_auth_members AS m JOIN pg_roles AS of ON of.oid = m.roleid"
            " JOIN pg_roles AS who ON who.oid = m.member LEFT JOIN pg_roles AS by ON by.oid = m.grantor)"
            " ON %(role)s IN (of.rolname, who.rolname) WHERE me.rolname = current_user"
            " ORDER BY by.rolname IS DISTINCT FROM current_user, of.rolname, who.rolname, by.rolname"
        ).format(inherits=sql.SQL(inherits if several else "true"), creators=sql.SQL(creators if several else "false")),
        {"role": role.name, "path": f"search_path={role.search_path}"},
    ).fetchall()
    user, superuser, there = found[0][:3]
    rows = [Row(*each[3:]) for each in found if each[3] is not None]
    return Members(role, there, user, superuser, several, rows)


def surplus(members: Members) -> Iterator[Flaw]:
    """Members that the settings do not name, and memberships of the role itself.

    And first, because nothing can be revoked without: the ADMIN OPTION of the session's user. A superuser needs none.
    """
    role, user = members.role, members.user
    if members.there and not members.administered and not members.superuser:
        yield Flaw(f"{user} has no ADMIN OPTION on {role.name}", _grant_admin(members))
    for row in members.rows:
        if row.member == role.name and row.role == role.within:
            continue  # the other role's member
        if row.member == role.name:
            line = f"role {role.name} has more rights than it should: it is a member of {row.role}"
            yield Flaw(line, _revoke(members, row))
        elif row.member not in (*role.members, user) and not row.creators:
            line = f"{row.member} is a member of {role.name}, but not in trunkAcl.signIn"
            # The search_path is taken with the membership.
            reset = statement("ALTER ROLE {} RESET search_path", row.member) if row.path else ""
            yield Flaw(line, _revoke(members, row), reset)
        elif row.member in role.members and row.member != user and row.admin:
            line = f"{row.member} may make others members of {role.name}"
            yield Flaw(line, _revoke(members, row, "ADMIN OPTION FOR "))


def missing(members: Members) -> Iterator[Flaw]:
    """Members that the settings name."""
    role = members.role
    for member in role.members:
        if not any(row.member == member and row.role == role.name and row.inherits for row in members.rows):
            grant = statement("GRANT {} TO {}", role.name, member) + (" WITH INHERIT TRUE" if members.several else "")
            yield Flaw(f"{member} is no member of {role.name}", grant)


def remedy(members: Members, flaw: Flaw) -> str:
    """Who can do what this user may not, and how."""
    if members.administered:
        return (
            "as a superuser, as a role with ADMIN OPTION on the role that it changes, or (a search_path) as that role"
            f" run: {flaw.statement}"
        )
    able = sorted({row.member for row in members.rows if row.role == members.role.name and row.admin})
    who = " or ".join(["a superuser", *able])
    return f"as {who} run: {_grant_admin(members)}; docs/trunk-acl.md, 'PostgreSQL versions'"


def _grant_admin(members: Members) -> str:
    return statement("GRANT {} TO {} WITH ADMIN OPTION", members.role.name, members.user)


def _revoke(members: Members, row: Row, option: str = "") -> str:
    by = statement(" GRANTED BY {}", row.grantor) if members.several else ""
    return f"REVOKE {option}{statement('{} FROM {}', row.role, row.member)}{by} CASCADE"
