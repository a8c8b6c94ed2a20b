"""The two roles of the ACL: `warp_acl_reader` (Kamailio) and `warp_acl_writer` (portal, API).

Made in SQL and not through Cloud SQL's Admin API, because that makes every user a member of cloudsqlsuperuser
(docs.cloud.google.com/sql/docs/postgres/users). What they may do is in `sql/0006_grants.sql`; who is their member is in
`role_members.py`.

What differs is found first, each with the statement that puts it right, and only that is executed: since version 16 who
may create roles may change only those on which it has ADMIN OPTION (postgresql.org/docs/16/release-16.html).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import psycopg
from psycopg import sql

from components.trunk_acl import role_members
from components.trunk_acl.lock import Connection
from components.trunk_acl.logins import READER, SECOND_READER
from components.trunk_acl.role_members import Flaw, Role, statement
from refusal import Refusal

# Attribute in pg_roles, and what it is called where it is as it should not be.
TOO_MUCH = {
    "rolsuper": "SUPERUSER",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
}


def second_reader(password: str | None) -> Role:
    """Kamailio's after every other change of its credentials (`logins.py`): it has the reader's rights."""
    return Role(SECOND_READER, "Kamailio: signs in as a member of warp_acl_reader", "kamailio", password, (), READER)


def reader(password: str | None, members: Sequence[str]) -> Role:
    """Kamailio's: its modules name their tables without a schema."""
    return Role(READER, "Kamailio: the views of schema kamailio", "kamailio", password, members)


def writer(password: str | None, members: Sequence[str]) -> Role:
    """The portal's and the API's."""
    return Role("warp_acl_writer", "Portal and API: rows of the trunk ACL", "accounts", password, members)


def ensure(connection: Connection, roles: Sequence[Role]) -> None:
    """Have each role as it should be; repeatable, each statement by itself.

    Raises `Refusal` with the statement that somebody else has to execute where this user may not. What is revoked comes
    first, of all roles: it must not depend on whether the rest can be done.
    """
    for role in roles:
        _put_right(connection, role, _surplus)
    for role in roles:
        _ensure(connection, role)


def drift(connection: Connection, roles: Sequence[Role]) -> list[str]:
    """What is not as it should be, one line each. A password cannot be compared: the server keeps a verifier."""
    return [line for role in roles for line in dict.fromkeys(flaw.line for flaw in _flaws(connection, role))]


def _ensure(connection: Connection, role: Role) -> None:
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role.name,)).rowcount:
        # All at once, as it should be; only the password is missing, so it cannot be used to sign in yet.
        create = statement("CREATE ROLE {}", role.name) + (" LOGIN" if role.password is not None else "")
        connection.execute(f"{create}; {_comment(role)}; {_search_path(role.name, role)}".encode())
    for member in role.members:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (member,)).rowcount:
            raise Refusal(f"{member} is no user of this instance", "add it to database.iamUsers")
    _put_right(connection, role, _flaws)
    if role.password is not None:
        # The verifier is computed here: the server, its log and pg_stat_activity never see the password.
        verifier = connection.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256")
        secret = f"{statement('ALTER ROLE {} PASSWORD ', role.name)}{sql.Literal(verifier.decode()).as_string(None)}"
        told = Flaw(f"the password of {role.name} cannot be set", statement("ALTER ROLE {} PASSWORD '...'", role.name))
        _execute(connection, role, told, secret)


def _put_right(connection: Connection, role: Role, find: Callable[[Connection, Role], Iterator[Flaw]]) -> None:
    tried: set[Flaw] = set()
    # One at a time: what is revoked from a member is revoked from those to whom it was granted on.
    while flaw := next(find(connection, role), None):
        if flaw in tried:
            raise Refusal(f"{flaw.line}, and stays so", f"as a superuser run: {flaw.statement}")
        tried.add(flaw)
        _execute(connection, role, flaw, flaw.statement)
        if flaw.afterwards:
            # A default of one who has no rights any more: it is not worth a failure.
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(flaw.afterwards.encode())


def _execute(connection: Connection, role: Role, flaw: Flaw, sql_text: str) -> None:
    try:
        connection.execute(sql_text.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refusal(
            f"{flaw.line}: {': '.join(filter(None, (error.diag.message_primary, error.diag.message_detail)))}",
            role_members.remedy(role_members.read(connection, role), flaw),
        ) from None


def _surplus(connection: Connection, role: Role) -> Iterator[Flaw]:
    return role_members.surplus(role_members.read(connection, role))


def _flaws(connection: Connection, role: Role) -> Iterator[Flaw]:
    columns = sql.SQL(", ").join(map(sql.Identifier, TOO_MUCH))
    row = connection.execute(
        sql.SQL(
            "SELECT rolcanlogin, rolinherit, rolconnlimit, rolvaliduntil < 'infinity',"
            " shobj_description(oid, 'pg_authid'), {} FROM pg_roles WHERE rolname = %s"
        ).format(columns),
        (role.name,),
    ).fetchone()
    if row is None:
        yield Flaw(f"role {role.name} is gone", statement("CREATE ROLE {}", role.name))
        return
    signs_in, inherits, limit, ends, purpose, *attributes = row
    members = role_members.read(connection, role)
    yield from role_members.surplus(members)
    alter = statement("ALTER ROLE {} ", role.name)
    for found, right in zip(attributes, TOO_MUCH.values(), strict=True):
        if found:
            yield Flaw(f"role {role.name} has more rights than it should: {right}", f"{alter}NO{right}")
    if not inherits:
        yield Flaw(f"role {role.name} inherits no rights", f"{alter}INHERIT")
    if signs_in != (role.password is not None):
        line = f"role {role.name} {'may' if signs_in else 'may not'} sign in"
        yield Flaw(line, alter + ("NOLOGIN PASSWORD NULL" if signs_in else "LOGIN"))
    if limit != -1:
        yield Flaw(f"role {role.name} has a connection limit", f"{alter}CONNECTION LIMIT -1")
    if ends:
        yield Flaw(f"role {role.name} has a password that expires", f"{alter}VALID UNTIL 'infinity'")
    if purpose != role.purpose:
        yield Flaw(f"comment of role {role.name} was changed", _comment(role))
    yield from _settings(connection, role)
    yield from role_members.missing(members)


def _settings(connection: Connection, role: Role) -> Iterator[Flaw]:
    """The role's own: its search_path and nothing else, in whichever database. A member's: the search_path."""
    for name in (role.name, *role.members):
        rows = connection.execute(
            "SELECT datname::text, split_part(setting, '=', 1), setting FROM pg_db_role_setting AS s"
            " JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database AS d ON d.oid = setdatabase,"
            " unnest(setconfig) AS setting"
            " WHERE rolname = %s AND (datname IS NULL OR %s OR datname = current_database())",
            (name, name == role.name),
        ).fetchall()
        for database, setting, _ in rows:
            if database is not None and (name == role.name or setting == "search_path"):
                reset = statement("ALTER ROLE {} IN DATABASE {} RESET {}", name, database, setting)
                yield Flaw(f"role {name} has another {setting} in database {database}", reset)
            elif database is None and name == role.name and setting != "search_path":
                reset = statement("ALTER ROLE {} RESET {}", name, setting)
                yield Flaw(f"role {name} has a setting of its own: {setting}", reset)
        if (None, "search_path", f"search_path={role.search_path}") not in rows:
            yield Flaw(f"role {name} has another search_path", _search_path(name, role))


def _comment(role: Role) -> str:
    return f"{statement('COMMENT ON ROLE {} IS ', role.name)}{sql.Literal(role.purpose).as_string(None)}"


def _search_path(name: str, role: Role) -> str:
    return statement("ALTER ROLE {} SET search_path = {}", name, role.search_path)
