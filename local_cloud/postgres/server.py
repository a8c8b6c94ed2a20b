"""The PostgreSQL server of one Cloud SQL instance: start and stop, settings, databases and users.

Not here: its files (`data_folder.py`), its process (`postmaster.py`), its settings (`configuration.py`), the SQL of
databases and users (`roles.py`), TLS for builds without it (`tls_front.py`), replication (`replication.py`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

from local_cloud.postgres import configuration, roles
from local_cloud.postgres.configuration import EVERYBODY
from local_cloud.postgres.data_folder import DataFolder
from local_cloud.postgres.errors import PostgresError
from local_cloud.postgres.postmaster import START_SECONDS, Postmaster, wait_until
from local_cloud.postgres.replication import PROMOTE_SECONDS, SIGNAL, Source
from local_cloud.postgres.tls_front import TlsFront

REREAD_SECONDS = 10.0


class PostgresServer:
    """One server process for one Cloud SQL instance. All methods may be called from any thread.

    `owner`: the data folder of this replica's primary, on the same port. The primary must be running when the data is
    copied; from then on the data itself marks it as a replica, until it is promoted.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str,
        port: int = 5432,
        *,
        require_tls: bool,
        flags: Mapping[str, str],
        networks: Sequence[str] = (EVERYBODY,),
        owner: Path | None = None,
    ) -> None:
        if ipaddress.ip_address(host) not in ipaddress.ip_network("127.0.0.0/8"):
            raise PostgresError(f"{host} is not an address of 127.0.0.0/8: the local cloud listens on loopback only")
        self.data_dir, self.host, self.port = data_dir.absolute(), host, port
        self._name = f"PostgreSQL for {host}:{port}"
        self._require_tls, self._flags, self._networks = require_tls, dict(flags), tuple(networks)
        self._data = DataFolder(data_dir)
        self._source = Source(DataFolder(owner), self._data, port) if owner else None
        self._postmaster = Postmaster(self._data)
        self._front: TlsFront | None = None
        self._lock = threading.RLock()

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the server up on its data in any condition: new, stopped, crashed, or still running."""
        with self._lock:
            if not self._data.pgdata.exists():
                if self._source:
                    self._postmaster.copy(self._source)
                else:
                    self._postmaster.initialise()
            self._check(self._flags)
            self._write_configuration()
            if self.running():  # left over from a killed cloud
                self._reload()
            else:
                self._postmaster.start(self._name)
            try:
                self._open_front()
                with self._superuser("template1") as connection:
                    roles.make_roles(connection)
            except PostgresError:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop the server, if it is running; its data is kept."""
        with self._lock:
            if self._front:
                self._front.stop()
                self._front = None
            self._postmaster.stop()

    def running(self) -> bool:
        """Whether there is a server process for this data, of this cloud process or left over from a killed one."""
        with self._lock:
            return self._postmaster.pid is not None

    def destroy(self) -> None:
        """Stop the server and delete all files of the instance."""
        with self._lock:
            self.stop()
            self._leave_owner()
            self._data.delete()
            self._data = DataFolder(self.data_dir)
            if self._source:
                self._source = dataclasses.replace(self._source, standby=self._data)
            self._postmaster = Postmaster(self._data)

    @property
    def standby(self) -> bool:
        """Whether it is a read-only standby."""
        return self._data.begun and (self._data.pgdata / SIGNAL).exists()

    def promote(self) -> None:
        """Make it a primary, unless it is one."""
        with self._lock:
            if not self.standby:
                return
            if not self._ask("SELECT pg_promote(true, %s)", PROMOTE_SECONDS):
                raise PostgresError(f"{self._name} was not promoted within {PROMOTE_SECONDS} s; see {self.log_file}")
            self._write_configuration()
            self._reload()
            self._leave_owner()

    def _leave_owner(self) -> None:
        """Drop the slot at the primary; if that is not running, the slot stays."""
        if self._source:
            with contextlib.suppress(PostgresError):
                self._source.let_go()

    def configure(self, *, require_tls: bool, flags: Mapping[str, str], networks: Sequence[str] = (EVERYBODY,)) -> None:
        """Apply settings, restarting the server if one of them needs it, as Cloud SQL does.

        `networks`: networks that may connect. Requiring TLS affects new connections only:
        docs.cloud.google.com/sql/docs/postgres/configure-ssl-instance
        """
        with self._lock:
            has_data = self._data.begun and self._data.pgdata.exists()
            if has_data:
                self._check(flags)
            self._require_tls, self._flags, self._networks = require_tls, dict(flags), tuple(networks)
            if has_data:
                self._write_configuration()
            if self._front:
                self._front.require_tls, self._front.networks = require_tls, self._networks
            if self.running():
                self._reload()

    @property
    def server_ca(self) -> str:
        """PEM of the CA that signed the server's certificate; unchanged by restarts."""
        return self._data.authority.cert_pem.bytes().decode()

    @property
    def version(self) -> str:
        """PostgreSQL's version, such as 15.18."""
        return self._postmaster.binaries.version

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self._data.log_file

    # --- databases and users: see roles.py ------------------------------------------------------------------------

    def create_database(self, name: str, charset: str, collation: str) -> None:
        with self._superuser() as connection:
            roles.create_database(connection, name, charset, collation)

    def drop_database(self, name: str) -> None:
        with self._superuser() as connection:
            roles.drop_database(connection, name)

    def databases(self) -> list[str]:
        with self._superuser() as connection:
            return roles.databases(connection)

    def create_user(self, name: str, password: str) -> None:
        with self._superuser() as connection:
            roles.create_user(connection, name, password)

    def set_password(self, name: str, password: str) -> None:
        with self._superuser() as connection:
            roles.set_password(connection, name, password)

    def drop_user(self, name: str) -> None:
        with self._superuser() as connection:
            roles.drop_user(connection, name)

    def users(self) -> list[str]:
        with self._superuser() as connection:
            return roles.users(connection)

    @contextlib.contextmanager
    def _superuser(self, database: str = roles.ADMIN_DATABASE) -> Iterator[roles.Connection]:
        if not self.running():
            raise PostgresError(f"{self._name} is not running; start it first")
        with roles.superuser(self._data.socket_folder, self.port, self._data.password, database) as connection:
            yield connection

    # --- settings -----------------------------------------------------------------------------------------------

    def _check(self, flags: Mapping[str, str]) -> None:
        """Check them before anything is written."""
        for name, value in flags.items():
            configuration.refuse_own_setting(name, value)
            self._postmaster.check(name, value)

    def _write_configuration(self) -> None:
        certificate = self._data.authority.issue_cert(self.host)
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        has_tls, sockets = self._postmaster.has_tls, self._data.socket_folder
        source = self._source.settings if self._source and self.standby else {}
        conf = configuration.postgresql_conf(
            self.host, self.port, sockets, has_tls=has_tls, flags=self._flags, source=source
        )
        self._data.write(configuration.CERTIFICATE, chain)
        self._data.write(configuration.KEY, certificate.private_key_pem.bytes())
        self._data.write("postgresql.conf", conf)
        hba = configuration.pg_hba_conf(has_tls=has_tls, require_tls=self._require_tls, networks=self._networks)
        self._data.write("pg_hba.conf", hba)

    def _reload(self) -> None:
        """Reload the configuration, wait until it is loaded, and restart if a setting requires it."""
        if not self._postmaster.ready_within(START_SECONDS):
            raise PostgresError(f"{self._name} is running but not ready; see {self.log_file}")
        before = self._ask("SELECT pg_conf_load_time()")
        self._postmaster.reread()
        if not wait_until(lambda: self._ask("SELECT pg_conf_load_time()") != before, REREAD_SECONDS):
            raise PostgresError(f"{self._name} did not reload its settings; see {self.log_file}")
        if self._ask("SELECT count(*) FROM pg_settings WHERE pending_restart"):
            self.stop()
            self._postmaster.start(self._name)
            self._open_front()

    def _ask(self, query: LiteralString, *values: Any) -> Any:
        with self._superuser("template1") as connection:
            row = connection.execute(query, values or None).fetchone()
            return row[0] if row else None

    def _open_front(self) -> None:
        if self._front or self._postmaster.has_tls:
            return
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._data.pgdata / configuration.CERTIFICATE, self._data.pgdata / configuration.KEY)
        socket = self._data.socket_folder / f".s.PGSQL.{self.port}"
        self._front = TlsFront(
            self.host, self.port, socket, context, require_tls=self._require_tls, networks=self._networks
        )


def destroy_all(folder: Path) -> None:
    """Delete a folder of data folders with all data, in any location; servers still running on it are stopped.

    It needs neither a running cloud nor its list of instances.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        data = DataFolder(path)
        Postmaster(data).stop()
        data.delete()
    shutil.rmtree(folder, ignore_errors=True)
