"""A standby of another instance's server: PostgreSQL's streaming replication, over the primary's Unix socket.

The superuser is the primary's, like all data; its password is in a file that only the server can read, and not in
process arguments or settings.

Not here: rules for replicas (`gcp/sql_replicas.py`), and the process (`postmaster.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from psycopg.conninfo import make_conninfo

from local_cloud.postgres import roles
from local_cloud.postgres.account import private_file
from local_cloud.postgres.data_folder import DataFolder
from local_cloud.postgres.errors import PostgresError

# A server with this file is a standby; a promotion removes it:
# https://www.postgresql.org/docs/current/warm-standby.html#STANDBY-SERVER-OPERATION
SIGNAL = "standby.signal"
PROMOTE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Source:
    """The primary's server, as seen by one standby."""

    owner: DataFolder
    standby: DataFolder
    port: int

    @property
    def slot(self) -> str:
        """As long as the slot exists, the primary keeps WAL that this standby has not received."""
        return f"standby_{hashlib.sha256(self.standby.path.name.encode()).hexdigest()[:16]}"

    @property
    def conninfo(self) -> str:
        """The standby's connection string, without the password."""
        return make_conninfo(
            host=str(self.owner.socket_folder), port=self.port, user=roles.SUPERUSER, passfile=str(self._passwords),
            application_name=self.slot, sslmode="disable", gssencmode="disable", channel_binding="disable",
        )  # fmt: skip

    @property
    def settings(self) -> dict[str, str]:
        """Settings for the standby's postgresql.conf."""
        return {"primary_conninfo": self.conninfo, "primary_slot_name": self.slot}

    def clone(self, pg_basebackup: Path, target: Path) -> None:
        """Copy the running primary's data into a new folder, as a standby's."""
        if not pg_basebackup.is_file():
            raise PostgresError(
                f"replicas need {pg_basebackup}, which does not exist; install PostgreSQL's client programs "
                "of the same version (Debian: apt-get install postgresql-client)"
            )
        self.standby.take_password_of(self.owner)
        private_file(self._passwords, f"*:*:*:{roles.SUPERUSER}:{self.owner.password}\n".encode())
        self.standby.account.own(self._passwords)
        self._make_slot()
        self.standby.account.run(
            pg_basebackup, "--dbname", self.conninfo, "--pgdata", target, "--slot", self.slot, "--wal-method", "stream",
            "--checkpoint", "fast", "--no-sync", "--no-password",
        )  # fmt: skip
        (target / SIGNAL).touch()
        self.standby.account.own(target / SIGNAL)

    def let_go(self) -> None:
        """Drop the slot, if the primary is running: it need not keep WAL for it any more."""
        query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        with self._asking_owner() as connection:
            # The standby has ended, but its WAL sender at the primary may not have noticed yet.
            connection.execute(
                "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
                " WHERE slot_name = %s AND active",
                [self.slot],
            )
            connection.execute(query, [self.slot])

    def _make_slot(self) -> None:
        query = (
            "SELECT pg_create_physical_replication_slot(%s, true)"
            " WHERE NOT EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = %s)"
        )
        with self._asking_owner() as connection:
            connection.execute(query, [self.slot, self.slot])

    def _asking_owner(self) -> roles.Superuser:
        return roles.superuser(self.owner.socket_folder, self.port, self.owner.password, "template1")

    @property
    def _passwords(self) -> Path:
        return self.standby.home / "owner.pgpass"
