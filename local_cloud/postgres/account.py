"""The system user that runs PostgreSQL, which refuses to run as root: its processes, files and access.

Not here: the location of the files (`data_folder.py`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

from local_cloud.postgres.errors import PostgresError, log_words


@dataclasses.dataclass(frozen=True)
class Account:
    """A system user: the current one or, for root, an unprivileged one."""

    uid: int
    gid: int

    @property
    def of_child(self) -> dict[str, Any]:
        """Arguments for subprocess: as that user, in a folder it can access, with a clean environment."""
        place = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "HOME": "/"}}
        # Neither needed nor allowed if it is the current user.
        user = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return place | user

    def run(self, *command: str | Path) -> str:
        """Run one of PostgreSQL's programs and return its output."""
        result: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, check=False, **self.of_child
        )
        if result.returncode:
            raise PostgresError(log_words(f"{result.stdout}\n{result.stderr}"))
        return result.stdout

    def own(self, *paths: Path) -> None:
        """Make the server the owner of files."""
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether that user can enter the folder, tested by doing so: every parent counts too."""
        command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        return subprocess.run(command, capture_output=True, check=False, **self.of_child).returncode == 0


def server_account() -> Account:
    """The current user, or as root an unprivileged one."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        "PostgreSQL cannot run as root, and there is no system user `postgres` or `nobody`; "
        "create one (useradd --system postgres) or run the local cloud as an ordinary user"
    )


def private_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 from the start."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
