"""The databases and users of one instance, created as by Cloud SQL's Admin API: SQL on the superuser's connection.

Not here: whether the server is running, and the API's refusals.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from local_cloud.postgres.errors import PostgresError, connection_words

Connection = psycopg.Connection[TupleRow]
Superuser = AbstractContextManager[Connection]

SUPERUSER = "cloudsqladmin"  # Cloud SQL's own superuser, which customers cannot use
ADMIN_DATABASE = "cloudsqladmin"
# Every user created through the Admin API is a member: docs.cloud.google.com/sql/docs/postgres/users
MEMBER_OF = "cloudsqlsuperuser"
LIBC_LOCALE = re.compile(r"[a-z]{2,3}_[A-Z]{2}\.(UTF8|UTF-8|utf8)")
# Whatever the instance's flags, statements of the superuser's sessions are not logged.
QUIET = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"


@contextlib.contextmanager
def superuser(socket_folder: Path, port: int, password: str, database: str = ADMIN_DATABASE) -> Iterator[Connection]:
    """A connection over the Unix socket. Every parameter that the environment could change is set."""
    try:
        with psycopg.connect(
            host=str(socket_folder), port=port, user=SUPERUSER, password=password, dbname=database,
            autocommit=True, connect_timeout=10, options=QUIET, sslmode="disable", gssencmode="disable",
            channel_binding="disable", target_session_attrs="any", application_name="local-cloud",
        ) as connection:  # fmt: skip
            yield connection
    except psycopg.Error as error:
        raise PostgresError(connection_words(error)) from None


def make_roles(connection: Connection) -> None:
    """Create the roles of a new Cloud SQL instance, once: the superuser's database, created last, marks completion."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (ADMIN_DATABASE,)).fetchone():
        return
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'postgres'").fetchone():
        with connection.transaction():
            connection.execute("CREATE ROLE cloudsqlsuperuser CREATEDB CREATEROLE")
            # Observed on real instances, not documented.
            connection.execute("GRANT pg_monitor, pg_signal_backend TO cloudsqlsuperuser")
            connection.execute("CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser")
    connection.execute("ALTER DATABASE postgres OWNER TO cloudsqlsuperuser")
    connection.execute("ALTER DATABASE template1 OWNER TO cloudsqlsuperuser")
    connection.execute("CREATE DATABASE cloudsqladmin TEMPLATE template0")
    connection.execute("REVOKE ALL ON DATABASE cloudsqladmin FROM PUBLIC")


def create_database(connection: Connection, name: str, charset: str, collation: str) -> None:
    """Owned by cloudsqlsuperuser, as with the Admin API, so that all its users may create objects in it.

    A machine without the collation's locale (a bare Debian has C.UTF-8 only) sorts by code point instead.
    """
    refuse_system_name("database", name)
    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}")
    locales = [collation, "C.UTF-8", "C"] if LIBC_LOCALE.fullmatch(collation) else [collation]
    for locale in locales:
        values = (sql.Literal(charset), sql.Literal(locale), sql.Literal(locale))
        try:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(MEMBER_OF), *values))
        except psycopg.errors.WrongObjectType:  # `invalid locale name`
            if locale == locales[-1]:
                raise
        else:
            return


def drop_database(connection: Connection, name: str) -> None:
    """PostgreSQL refuses while there are connections to it."""
    refuse_system_name("database", name)
    connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def databases(connection: Connection) -> list[str]:
    """All except the templates and Cloud SQL's own."""
    query = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> %s ORDER BY datname"
    return [str(row[0]) for row in connection.execute(query, (ADMIN_DATABASE,))]


def create_user(connection: Connection, name: str, password: str) -> None:
    """Like every user of the Admin API: CREATEDB, CREATEROLE, member of cloudsqlsuperuser, not a superuser."""
    refuse_system_name("user", name)
    statement = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {} IN ROLE {}")
    verifier = scram_verifier(connection, name, password)
    connection.execute(statement.format(sql.Identifier(name), verifier, sql.Identifier(MEMBER_OF)))


def set_password(connection: Connection, name: str, password: str) -> None:
    """Takes effect for new connections."""
    refuse_system_name("user", name)
    verifier = scram_verifier(connection, name, password)
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), verifier))


def drop_user(connection: Connection, name: str) -> None:
    """PostgreSQL refuses while the user owns objects."""
    refuse_system_name("user", name)
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def users(connection: Connection) -> list[str]:
    """Roles that can log in, except Cloud SQL's own; a new instance has `postgres`, without a password."""
    query = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname !~ '^(cloudsql|pg_)' ORDER BY rolname"
    return [str(row[0]) for row in connection.execute(query)]


def refuse_system_name(kind: str, name: str) -> None:
    """Cloud SQL reserves a prefix."""
    if name.startswith("cloudsql"):
        raise PostgresError(f'{kind} name "{name}" is reserved for Cloud SQL; choose one without the prefix cloudsql')


def scram_verifier(connection: Connection, name: str, password: str) -> sql.Literal:
    """SCRAM verifier, computed here so that the server, its log and pg_stat_activity never see the password."""
    if not password:
        raise PostgresError(f'user "{name}" has an empty password; Cloud SQL users must have one')
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return sql.Literal(verifier.decode())
