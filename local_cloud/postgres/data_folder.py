"""Location of the files of one instance.

In its data folder, `tls/` and `superuser` belong to the local cloud; `server/` is the home of the server (`pgdata`,
`server.log`, `socket`). If the server's system user cannot access the data folder, the file `location` names the
private folder that is the home instead.

Not here: the contents of `pgdata`, and whether a server runs on it (`postmaster.py`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import trustme

from local_cloud.postgres.account import Account, private_file, server_account
from local_cloud.postgres.errors import PostgresError

SOCKET_PATH_BYTES = 107  # sun_path of unix(7), less the terminating zero
# The first survives a reboot. In both, files are only written to private folders, mode 0700.
TEMPORARY = ("/var/tmp", "/tmp")  # noqa: S108
HOME_PREFIX = "local-cloud-postgres-"


class DataFolder:
    """The data folder of one instance; missing parts are created on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._inside, self._pointer = self.path / "server", self.path / "location"
        self._home: Path | None = None

    @cached_property
    def account(self) -> Account:
        """The system user that runs the server and owns its home."""
        return server_account()

    @property
    def begun(self) -> bool:
        """Whether the server has a home already."""
        return bool(self._home or self._found())

    @property
    def home(self) -> Path:
        """The server's own folder."""
        if self._home is None:
            self._home = self._found() or self._made()
        return self._home

    @property
    def pgdata(self) -> Path:
        return self.home / "pgdata"

    @property
    def log_file(self) -> Path:
        return self.home / "server.log"

    @property
    def socket_folder(self) -> Path:
        """In the home, unless the socket's path would be too long for the system."""
        folder = self.home / "socket"
        if len(os.fsencode(folder / ".s.PGSQL.65535")) > SOCKET_PATH_BYTES:
            folder = Path(TEMPORARY[-1]) / f"local-cloud-pg-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]}"
        return folder

    @cached_property
    def authority(self) -> trustme.CA:
        """The CA of the server's certificates; created once."""
        folder = self.path / "tls"
        certificate, key = folder / "ca.pem", folder / "ca.key"
        if certificate.exists() and key.exists():
            return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="local cloud")
        private_file(key, authority.private_key_pem.bytes())
        private_file(certificate, authority.cert_pem.bytes())
        return authority

    @cached_property
    def password(self) -> str:
        """Password of the superuser, who can connect over the Unix socket only."""
        file = self.path / "superuser"
        if not file.exists():
            private_file(file, secrets.token_urlsafe(32).encode())
        return file.read_text(encoding="utf-8")

    def take_password_of(self, owner: DataFolder) -> None:
        """Set the superuser's password before its primary's data is copied here: a replica has the same superuser."""
        self.path.mkdir(parents=True, exist_ok=True)
        private_file(self.path / "superuser", owner.password.encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file to `pgdata` atomically, readable by the server only."""
        draft = self.pgdata / f"{name}.new"
        private_file(draft, content)
        self.account.own(draft)
        draft.replace(self.pgdata / name)

    def delete(self) -> None:
        """Delete every file of the instance, in any location. Its server must have been stopped."""
        if self.begun:
            shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _found(self) -> Path | None:
        """The existing home."""
        if not self._pointer.exists():
            return self._inside if self._inside.exists() else None
        home = Path(self._pointer.read_text(encoding="utf-8").strip())
        # Only folders created here are used or deleted.
        return home if home.name.startswith(HOME_PREFIX) and home.is_dir() else None

    def _made(self) -> Path:
        """A new home: in the data folder, or elsewhere if the server's system user cannot access that."""
        if self._pointer.exists():
            raise PostgresError(
                f"the cloud's PostgreSQL data in {self._pointer.read_text(encoding='utf-8').strip()} is missing "
                f"(named by {self._pointer}); destroy the cloud and start it again"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        for place in (self.path, *map(Path, filter(None, (os.environ.get("TMPDIR"), *TEMPORARY)))):
            if self.account.can_enter(place):
                break
        else:
            raise PostgresError(
                f"the system user of PostgreSQL (uid {self.account.uid}) can access neither {self.path} nor "
                f"{' nor '.join(TEMPORARY)}; set TMPDIR to a folder that it can access"
            )
        home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX, dir=place))
        self.account.own(home)
        if place == self.path:
            return home.rename(self._inside)
        self._pointer.write_text(f"{home}\n", encoding="utf-8")
        return home
