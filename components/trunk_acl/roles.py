"""The two roles of the ACL: `warp_acl_reader` (Kamailio) and `warp_acl_writer` (portal, API).

Made in SQL and not through Cloud SQL's Admin API, because that makes every user a member of cloudsqlsuperuser
(docs.cloud.google.com/sql/docs/postgres/users). What they may do is in `sql/0006_grants.sql`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import sql

from components.trunk_acl.lock import Connection
from refusal import Refusal


@dataclass(frozen=True)
class Role:
    """A role and how somebody signs in as it: with a password, or as an IAM principal that is its member."""

    name: str
    purpose: str
    search_path: str
    password: str | None = field(default=None, repr=False)
    members: Sequence[str] = ()


def reader(password: str | None, members: Sequence[str]) -> Role:
    """Kamailio's: its modules name their tables without a schema."""
    return Role("warp_acl_reader", "Kamailio: the views of schema kamailio", "kamailio", password, members)


def writer(password: str | None, members: Sequence[str]) -> Role:
    """The portal's and the API's."""
    return Role("warp_acl_writer", "Portal and API: rows of the trunk ACL", "accounts", password, members)


def ensure(connection: Connection, roles: Sequence[Role]) -> None:
    """Have each role as it should be; repeatable, one transaction each."""
    for role in roles:
        with connection.transaction():
            _ensure(connection, role)


def _ensure(connection: Connection, role: Role) -> None:
    name = sql.Identifier(role.name)
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role.name,)).rowcount:
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(role.purpose)))
    connection.execute(sql.SQL("ALTER ROLE {} NOCREATEDB NOCREATEROLE").format(name))
    if role.password is None:
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(name))
    else:
        # The verifier is computed here: the server, its log and pg_stat_activity never see the password.
        verifier = connection.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256")
        secret = sql.Literal(verifier.decode())
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, secret))
    for member in role.members:
        _must_exist(connection, member)
    for each in (role.name, *role.members):
        setting = sql.SQL("ALTER ROLE {} SET search_path = {}")
        connection.execute(setting.format(sql.Identifier(each), sql.Identifier(role.search_path)))
    for member in role.members:
        connection.execute(sql.SQL("GRANT {} TO {}").format(name, sql.Identifier(member)))


def _must_exist(connection: Connection, member: str) -> None:
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (member,)).rowcount:
        raise Refusal(f"{member} is no user of this instance", "add it to database.iamUsers")


def drift(connection: Connection, roles: Sequence[Role]) -> list[str]:
    """What is not as it should be, one line each. A password cannot be compared: the server keeps a verifier."""
    found = []
    for role in roles:
        row = connection.execute(
            """
            SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
                coalesce(rolconfig, '{}'), ARRAY(SELECT pg_get_userbyid(member)::text FROM pg_auth_members
                    WHERE roleid = pg_roles.oid AND member <> (SELECT oid FROM pg_roles WHERE rolname = current_user)),
                ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = pg_roles.oid)
            FROM pg_roles WHERE rolname = %s
            """,
            (role.name,),
        ).fetchone()
        if row is None:
            found.append(f"role {role.name} is gone")
            continue
        signs_in, mighty, settings, members, member_of = row
        if signs_in != (role.password is not None):
            found.append(f"role {role.name} {'may' if signs_in else 'may not'} sign in")
        if mighty or member_of:
            found.append(f"role {role.name} has more rights than it should")
        if f"search_path={role.search_path}" not in settings:
            found.append(f"role {role.name} has another search_path")
        if missing := sorted(set(role.members) - set(members)):
            found.append(f"{missing[0]} is no member of {role.name}")
    return found
