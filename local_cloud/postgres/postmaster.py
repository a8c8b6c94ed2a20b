"""The server process on the data of one instance: initdb, start, watch, stop.

It may be left over from a killed process of the cloud: the lock file in the data names it.

Not here: the configuration (`configuration.py`), and access control.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from local_cloud.postgres.account import private_file
from local_cloud.postgres.binaries import Binaries, binaries_for
from local_cloud.postgres.data_folder import DataFolder
from local_cloud.postgres.errors import PostgresError, log_words
from local_cloud.postgres.replication import Source
from local_cloud.postgres.roles import SUPERUSER

START_SECONDS = 60.0


class Postmaster:
    """The postmaster process and its installation."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def binaries(self) -> Binaries:
        """The installation that the data needs."""
        return binaries_for(self._data)

    @cached_property
    def has_tls(self) -> bool:
        """Whether the server was built with OpenSSL."""
        _ = self.binaries  # fails if there is none, which would say nothing about TLS
        try:
            self.check("ssl", "on")
        except PostgresError:
            return False
        return True

    def check(self, setting: str, value: str) -> None:
        """Let PostgreSQL validate the name and value of a setting."""
        program = self.binaries.postgres
        self._data.account.run(program, "-D", self._data.pgdata, "-C", "port", "-c", f"{setting}={value}")

    def initialise(self) -> None:
        """initdb in a temporary folder, then a rename: a crash leaves nothing that looks complete."""
        account, draft = self._data.account, self._draft()
        password = draft / "password"
        private_file(password, self._data.password.encode())
        account.own(password)
        account.run(
            self.binaries.initdb, "--pgdata", draft / "pgdata", "--username", SUPERUSER, "--pwfile", password,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        self._keep(draft)

    def copy(self, source: Source) -> None:
        """The same with a copy of the primary's data."""
        draft = self._draft()
        source.clone(self.binaries.pg_basebackup, draft / "pgdata")
        self._keep(draft)

    def _draft(self) -> Path:
        home = self._data.home
        for left_over in home.glob("init-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="init-", dir=home))
        self._data.account.own(draft)
        return draft

    def _keep(self, draft: Path) -> None:
        (draft / "pgdata").rename(self._data.pgdata)
        shutil.rmtree(draft, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """The process id of this data's server, of this cloud process or left over from a killed one."""
        if self._process:
            return self._process.pid if self._process.poll() is None else None
        if not self._data.begun:
            return None
        with contextlib.suppress(OSError, ValueError):
            first = self._lock_file.read_text(encoding="utf-8").split("\n", 1)[0]
            # The process id may have been reused; the command line names the data folder. A zombie's command line is
            # empty.
            words = Path(f"/proc/{int(first)}/cmdline").read_bytes().split(b"\0")
            return int(first) if os.fsencode(self._data.pgdata) in words else None
        return None

    @property
    def ready(self) -> bool:
        """The eighth line of the lock file is the postmaster's state, as pg_ctl reads it (pidfile.h)."""
        with contextlib.suppress(OSError):
            lines = self._lock_file.read_text(encoding="utf-8").splitlines()
            return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    def ready_within(self, seconds: float) -> bool:
        """Wait until the process is ready or has ended."""
        wait_until(lambda: self.ready or self.pid is None, seconds)
        return self.ready

    def start(self, name: str) -> None:
        """Start the process and wait until it is ready; errors mention the name."""
        deadline = time.monotonic() + START_SECONDS
        while not self._started(name, deadline):
            time.sleep(0.1)

    def _started(self, name: str, deadline: float) -> bool:
        """One attempt; False while children of a killed postmaster are still running."""
        self._clear_the_way()
        with self._data.log_file.open("ab") as log:
            begin = log.tell()
            self._process = process = subprocess.Popen(
                [self.binaries.postgres, "-D", self._data.pgdata],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the local cloud's terminal must not reach the server
                **self._data.account.of_child,
            )
        if self.ready_within(deadline - time.monotonic()):
            return True
        ended = process.poll() is not None
        process.kill()
        process.wait()
        self._process = None
        said = self._data.log_file.read_bytes()[begin:].decode(errors="replace")
        if ended and "pre-existing shared memory" in said and time.monotonic() < deadline:
            return False
        late = "" if ended else f"not ready within {START_SECONDS:.0f} s; "
        raise PostgresError(f"{name} did not start: {late}{log_words(said)}; see {self._data.log_file}")

    def _clear_the_way(self) -> None:
        """Prepare the socket's folder, and fix a stale lock file whose process id has been reused.

        PostgreSQL takes any running process with that id for a server, except its own parent (CreateLockFile in
        miscinit.c): with this process's id it continues to its real test, shared memory in use. Deleting the file would
        skip that.
        """
        folder = self._data.socket_folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise PostgresError(
                f"{folder}, the folder for the server's socket, belongs to another user; remove it"
            ) from None
        self._data.account.own(folder)
        with contextlib.suppress(FileNotFoundError):
            _, _, rest = self._lock_file.read_text(encoding="utf-8").partition("\n")
            self._lock_file.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")

    def reread(self) -> None:
        """Reload the configuration."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGHUP)

    def stop(self) -> None:
        """Stop the process, if any."""
        # "Fast", "immediate" (https://www.postgresql.org/docs/current/server-shutdown.html), and if both hang:
        for number, seconds in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            pid = self.pid
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            wait_until(lambda: self.pid is None, seconds)
        self._process = None
        if self._data.begun:
            shutil.rmtree(self._data.socket_folder, ignore_errors=True)

    @property
    def _lock_file(self) -> Path:
        return self._data.pgdata / "postmaster.pid"


def wait_until(met: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition was met in time."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
