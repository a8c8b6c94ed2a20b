"""The cloud from outside: start and stop its process, read its resources, make manual changes.

`python -m local_cloud` is this class on the command line; tests use it directly. Heavy imports are deferred, so that
printing a running cloud's environment is fast.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local_cloud import marks
from local_cloud.layout import (
    CLOUD,
    DEFAULT_NETWORKS,
    DEFAULT_PROJECT,
    DEFAULT_REGION,
    GANDI_TOKEN,
    KUBECONFIG,
    LOCK,
    LOG,
    POSTGRES,
    PROVIDERS,
    RUN,
    SERVER_MARK,
    LocalCloudError,
    Options,
)

if TYPE_CHECKING:
    from local_cloud.cloud import Cloud, LogRow, Resource, Transaction
    from local_cloud.faults import Fault
    from local_cloud.values import Props

_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 40.0


class LocalCloud:
    """The cloud in one folder, running or stopped."""

    started_by = "python -m local_cloud start"

    def __init__(
        self,
        directory: Path,
        *,
        project: str = DEFAULT_PROJECT,
        region: str = DEFAULT_REGION,
        network: str = DEFAULT_NETWORKS,
        dns_port: int | None = None,
        storage_port: int | None = None,
    ) -> None:
        self.directory = Path(directory).absolute()
        self.options = Options(str(self.directory), project, region, network, dns_port, storage_port)
        self._cloud: Cloud | None = None

    # Life

    def start(self) -> bool:
        """Start it and wait until it is ready. False if it was running already."""
        if self.running():
            self._await_ready(None)
            return False
        self._end_those_without_a_folder()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / RUN).unlink(missing_ok=True)
        command = [sys.executable, "-m", "local_cloud.server", json.dumps(asdict(self.options))]
        root = str(Path(__file__).resolve().parent.parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        environment[SERVER_MARK] = str(self.directory)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment,
            )
        try:
            self._await_ready(process)
        except BaseException:
            process.terminate()
            raise
        return True

    def _end_those_without_a_folder(self) -> None:
        """End servers of a removed folder: they notice by themselves (server.py), and are killed if they are slow."""
        lock = self.directory / LOCK
        servers = [pid for pid in marks.marked(SERVER_MARK, str(self.directory)) if marks.holds(pid, lock)]
        marks.end(servers, (signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0))

    def _await_ready(self, process: subprocess.Popen[bytes] | None) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (self.directory / RUN).exists():
            if process is not None and process.poll() is not None:
                last = self.log_file.read_text(errors="replace").strip().splitlines()[-1:]
                raise LocalCloudError(f"the cloud did not start: {' '.join(last)} (full log: {self.log_file})")
            if time.monotonic() > deadline:
                raise LocalCloudError(f"the cloud is not ready after {_START_SECONDS:.0f} s; see {self.log_file}")
            time.sleep(0.05)

    def stop(self) -> bool:
        """Stop it and wait until it has ended. False if it was not running."""
        if not self.running():
            (self.directory / RUN).unlink(missing_ok=True)
            return False
        pid = self.status()["pid"]
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.running():
            if time.monotonic() > deadline:
                raise LocalCloudError(f"process {pid} does not stop; see {self.log_file}")
            time.sleep(0.05)
        return True

    def destroy(self) -> None:
        """Stop it and delete everything in it; other files in the folder are kept."""
        if self.running():
            self.stop()
        if (self.directory / POSTGRES).exists():
            from local_cloud.postgres import destroy_all

            destroy_all(self.directory / POSTGRES)
        self._cloud = None
        for name in (CLOUD, f"{CLOUD}-wal", f"{CLOUD}-shm", RUN, LOCK, LOG, KUBECONFIG):
            (self.directory / name).unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether a running process holds the lock; a stale process id after a crash does not count."""
        try:
            lock = (self.directory / LOCK).open()
        except FileNotFoundError:
            return False
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def status(self) -> dict[str, Any]:
        """Process id, ports, DNS endpoint, project, region and network of the running cloud."""
        if not self.running():
            raise LocalCloudError(f"no cloud is running in {self.directory}; start one with `{self.started_by}`")
        self._await_ready(None)
        run: dict[str, Any] = json.loads((self.directory / RUN).read_text())
        return run

    def env(self) -> dict[str, str]:
        """The environment that attaches the engine to this cloud's providers.

        Gandi's token is valid for the simulated API only, so that no real token is ever used here.
        """
        ports = self.status()["ports"]
        with self.cloud.view() as tx:
            token = tx.setting(GANDI_TOKEN)
        return {PROVIDERS: ",".join(f"{name}:{port}" for name, port in ports.items()), "GANDI_TOKEN": token}

    def guests(self) -> dict[str, str]:
        """Other processes of the folder, for `status`: name to state."""
        return {}

    def dns_endpoint(self) -> tuple[str, int]:
        """Address and port of Cloud DNS's name server."""
        run = self.status()
        return run["dns_host"], run["dns_port"]

    def gandi_api(self) -> str:
        """URL of the simulated Gandi API, to be configured as its base URL in the client."""
        return f"http://127.0.0.1:{self.status()['gandi_port']}"

    def gandi_dns_endpoint(self) -> tuple[str, int]:
        """Address and port of Gandi's name server."""
        run = self.status()
        return run["dns_host"], run["gandi_dns_port"]

    def storage_url(self, bucket: str, name: str) -> str:
        """URL of a public object of Cloud Storage."""
        return f"http://127.0.0.1:{self.status()['storage_port']}/{bucket}/{name}"

    @property
    def log_file(self) -> Path:
        return self.directory / LOG

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with a context for every cluster; the current one is the cluster of the project and region."""
        return self.directory / KUBECONFIG

    # The cloud

    @property
    def cloud(self) -> Cloud:
        from local_cloud.cloud import Cloud

        if self._cloud is None:
            if not (self.directory / CLOUD).exists():
                raise LocalCloudError(f"no cloud in {self.directory}")
            self._cloud = Cloud(self.directory / CLOUD)
        return self._cloud

    def resources(self, type_: str = "") -> list[Resource]:
        """Everything in the cloud, or all of one type."""
        with self.cloud.view() as tx:
            return tx.all(type_) if type_ else tx.everything()

    def resource(self, type_: str, id_: str) -> Props:
        """One resource as the cloud has it; the id may be the engine's, or the last part of the cloud's."""
        from local_cloud.hand import existing

        with self.cloud.view() as tx:
            return existing(tx, type_, id_).body

    def exists(self, type_: str, id_: str) -> bool:
        from local_cloud.hand import find

        with self.cloud.view() as tx:
            return find(tx, type_, id_) is not None

    def log(self) -> list[LogRow]:
        with self.cloud.view() as tx:
            return tx.log()

    def writes(self, *, who: str = "engine") -> list[LogRow]:
        """Successful creations, updates and deletions; by the engine, or with `who="hand"` the manual ones."""
        from local_cloud.cloud import WRITES

        return [row for row in self.log() if row.op in WRITES and row.who == who and not row.refusal]

    # Manual changes

    def set(self, type_: str, id_: str, path: str, value: Any) -> None:
        """Change one field of a resource, as in the console."""
        from local_cloud.hand import change

        with self.cloud.change("hand") as tx:
            change(tx, type_, id_, path, value)

    def delete(self, type_: str, id_: str) -> None:
        """Delete a resource behind the engine's back."""
        from local_cloud.hand import remove

        with self.cloud.change("hand") as tx:
            remove(tx, type_, id_)

    def promote(self, instance: str) -> None:
        """Promote a Cloud SQL read replica, as `gcloud sql instances promote-replica` does."""
        from local_cloud.hand import promote

        with self.cloud.change("hand") as tx:
            promote(self.directory, tx, instance)

    def put(self, make: Callable[[Transaction], object]) -> None:
        """Add resources not created by the engine; the cloud may be running or stopped."""
        from local_cloud.hand import put

        self.directory.mkdir(parents=True, exist_ok=True)
        put(self.directory, make)

    def add_fault(
        self, kind: str, *, type_: str = "", operation: str = "", times: int | None = None, milliseconds: int = 0
    ) -> None:
        from local_cloud import faults

        if kind not in faults.KINDS:
            raise LocalCloudError(f"unknown fault {kind!r}; known: {', '.join(faults.KINDS)}")
        with self.cloud.change("hand") as tx:
            faults.add(tx, kind, type_, operation, times, milliseconds)

    def faults(self) -> list[Fault]:
        """Those that are still on."""
        from local_cloud import faults

        with self.cloud.view() as tx:
            return faults.faults(tx)

    def clear_faults(self, kind: str = "") -> None:
        from local_cloud import faults

        with self.cloud.change("hand") as tx:
            faults.clear(tx, kind)

    def quota(self, metric: str, maximum: float) -> None:
        with self.cloud.change("hand") as tx:
            tx.set_quota(metric, maximum)

    def place_clients(self, network: str, regions: Sequence[str]) -> None:
        """Set the regions nearest to a network's DNS clients, in order, for geolocation policies."""
        from local_cloud import networks

        try:
            known = str(ipaddress.ip_network(network))
        except ValueError as error:
            raise LocalCloudError(f"{network}: {error}") from None
        if wrong := [each for each in regions if not re.fullmatch("[a-z]+-[a-z]+[0-9]+", each)]:
            raise LocalCloudError(f"not a region: {wrong[0]!r}; write regions like us-east1, nearest first")
        with self.cloud.change("hand") as tx:
            networks.place_clients(tx, known, regions)

    def pods_ready(self, ready: bool) -> None:
        """Make the cluster's pods ready or not ready."""
        with self.cloud.change("hand") as tx:
            tx.set_setting("pods", "ready" if ready else "not-ready")
