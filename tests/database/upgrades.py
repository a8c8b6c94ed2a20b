"""PostgreSQL's own tools on the tests' servers: pg_upgrade, pg_dump and pg_restore of the newest version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from local_cloud.postgres import PostgresServer
from local_cloud.postgres.account import private_file
from local_cloud.postgres.binaries import Binaries
from local_cloud.postgres.roles import SUPERUSER
from tests.database.servers import HOST, PASSWORD, USER, Database


def upgraded(old: PostgresServer, new: Binaries) -> PostgresServer:
    """The stopped server's data, upgraded by pg_upgrade; the server that it is started with.

    Source: postgresql.org/docs/18/pgupgrade.html; checksums are on since version 18, and have to agree.
    """
    data, before = old._data, old._postmaster.binaries
    work = data.home / "upgrade"
    work.mkdir(mode=0o700)
    private_file(work / "password", data.password.encode())
    private_file(work / "passfile", f"*:*:*:*:{data.password}".encode())
    data.account.own(work, work / "password", work / "passfile")
    data.account.run(
        new.initdb, "--pgdata", work / "pgdata", "--username", SUPERUSER, "--pwfile", work / "password", "--auth",
        "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-data-checksums",
    )  # fmt: skip
    command: list[str | Path] = [
        new.folder / "pg_upgrade", "--old-bindir", before.folder, "--new-bindir", new.folder, "--old-datadir",
        data.pgdata, "--new-datadir", work / "pgdata", "--username", SUPERUSER, "--socketdir", work, "--no-sync",
    ]  # fmt: skip
    place = data.account.of_child
    place = {**place, "cwd": work, "env": {**place["env"], "PGPASSFILE": str(work / "passfile")}}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **place)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    shutil.rmtree(data.pgdata)
    (work / "pgdata").rename(data.pgdata)
    return PostgresServer(old.data_dir, HOST, old.port, require_tls=False, flags={})


def dump(source: Database, file: Path, programs: Binaries) -> None:
    """As its user, in PostgreSQL's own format."""
    _run(source, [programs.folder / "pg_dump", "--format=custom", f"--dbname={source.name}"], file)


def restore(target: Database, file: Path, programs: Binaries) -> str:
    """As its user, up to the first error; what was said."""
    command: list[str | Path] = [programs.folder / "pg_restore", "--exit-on-error", f"--dbname={target.name}", file]
    return _run(target, command, None)


def _run(database: Database, command: list[str | Path], output: Path | None) -> str:
    where = {"PGHOST": HOST, "PGPORT": str(database.server.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
    done = subprocess.run(
        command, capture_output=True, check=False, env={**where, "PGSSLMODE": "disable", "LC_ALL": "C"}
    )
    if output:
        assert done.returncode == 0, done.stderr.decode()
        output.write_bytes(done.stdout)
    return done.stderr.decode()
