"""A standby of another instance's server: PostgreSQL's own streaming replication, over the owner's Unix socket.

The superuser is the owner's, as everything else in the data is; its password is in a file that the server alone can
read, so that it stands in no process argument and in no setting.

Leaves to others: who may be whose replica (`gcp/sql_replicas.py`), and the process (`postmaster.py`).
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

# Its presence makes a server a standby; a promotion removes it:
# https://www.postgresql.org/docs/current/warm-standby.html#STANDBY-SERVER-OPERATION
SIGNAL = "standby.signal"
PROMOTE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Source:
    """The owner's server, as one standby of it sees it."""

    owner: DataFolder
    standby: DataFolder
    port: int

    @property
    def slot(self) -> str:
        """The owner keeps what this standby has not had yet, for as long as it has this slot."""
        return f"standby_{hashlib.sha256(self.standby.path.name.encode()).hexdigest()[:16]}"

    @property
    def conninfo(self) -> str:
        """How the standby gets to its owner, without the password itself."""
        return make_conninfo(
            host=str(self.owner.socket_folder), port=self.port, user=roles.SUPERUSER, passfile=str(self._passwords),
            application_name=self.slot, sslmode="disable", gssencmode="disable", channel_binding="disable",
        )  # fmt: skip

    @property
    def settings(self) -> dict[str, str]:
        """For the standby's postgresql.conf."""
        return {"primary_conninfo": self.conninfo, "primary_slot_name": self.slot}

    def clone(self, pg_basebackup: Path, target: Path) -> None:
        """Copy the running owner's data into a folder that is not there yet, as a standby's."""
        if not pg_basebackup.is_file():
            raise PostgresError(
                f"a replica is copied with {pg_basebackup}, which is not there; install PostgreSQL's client programs "
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
        """Nobody reads from the slot any more: the owner, if it runs, need not keep anything for it."""
        query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        with self._asking_owner() as connection:
            # Whoever still held it has ended, but its process at the owner may not have noticed yet.
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
