"""The PostgreSQL servers of the local cloud's Cloud SQL instances: which run, where, with which settings.

A server is found by its instance's body, so a restarted cloud starts exactly those of its instances. Seeded instances
may have no server (`"server": false`): they can be read and imported, but not connected to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from local_cloud.cloud import Cloud
from local_cloud.errors import google_error
from local_cloud.postgres import EVERYBODY, PostgresError, PostgresServer

INSTANCE: Final = "gcp:sql/databaseInstance:DatabaseInstance"
PORT: Final = 5432
BEING_CREATED: Final = "PENDING_CREATE"  # an instance's state


class SqlServers:
    """All servers of one cloud, by instance."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, PostgresServer] = {}
        self._lock = threading.Lock()

    def of(self, body: Mapping[str, Any]) -> PostgresServer | None:
        """The server of an instance; None if it has none or its activation policy stops it."""
        if not body.get("server", True):
            return None
        key = f"{body['project']}.{body['name']}"
        if body["settings"].get("activationPolicy") == "NEVER":
            self._stop(key)
            return None
        host = str(body["firstIpAddress"])
        with self._lock:
            server = self._servers.get(key)
            if server is None or server.host != host:
                if server is not None:
                    server.stop()
                owner = body.get("masterInstanceName")
                server = PostgresServer(
                    self._folder / key,
                    host,
                    PORT,
                    require_tls=requires_tls(body),
                    flags=flags_of(body),
                    networks=networks_of(body),
                    owner=self._folder / f"{body['project']}.{owner}" if owner else None,
                )
                self._servers[key] = server
            return server

    def _stop(self, key: str) -> None:
        with self._lock:
            server = self._servers.pop(key, None)
            if server is not None:
                server.stop()

    def running(self, body: Mapping[str, Any]) -> PostgresServer | None:
        """The same, started if necessary."""
        server = self.of(body)
        if server is not None and not server.running():
            server.start()
        return server

    def start_all(self, cloud: Cloud) -> None:
        """After a restart of the local cloud: start every instance, and finish creations interrupted by a kill. Google
        completes accepted operations whether or not the client waits."""
        with cloud.view() as tx:
            instances = tx.all(INSTANCE)
        # Primaries first: a replica whose copy was interrupted needs its primary.
        for instance in sorted(instances, key=lambda one: bool(one.body.get("masterInstanceName"))):
            self.running(instance.body)
            if instance.body.get("state") == BEING_CREATED:
                with cloud.change() as tx:
                    tx.create(INSTANCE, instance.id, {**instance.body, "state": "RUNNABLE"})

    def stop_all(self) -> None:
        with self._lock:
            for server in self._servers.values():
                server.stop()

    def promote(self, body: Mapping[str, Any]) -> None:
        """Promote a replica's server. From any process: whether it is a replica is recorded in its data."""
        server = self.running(body)
        if server is not None:
            server.promote()

    def destroy(self, body: Mapping[str, Any]) -> None:
        server = self.of({**body, "settings": {**body["settings"], "activationPolicy": "ALWAYS"}})
        if server is not None:
            server.destroy()
            with self._lock:
                self._servers.pop(f"{body['project']}.{body['name']}", None)


def requires_tls(body: Mapping[str, Any]) -> bool:
    mode = (body["settings"].get("ipConfiguration") or {}).get("sslMode")
    return mode in ("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")


def networks_of(body: Mapping[str, Any]) -> list[str]:
    """Networks that may connect: to a public address the authorised networks, to a private one any."""
    ip = body["settings"].get("ipConfiguration") or {}
    if not body.get("publicIpAddress"):
        return [EVERYBODY]
    return [str(each["value"]) for each in ip.get("authorizedNetworks") or []]


def flags_of(body: Mapping[str, Any]) -> dict[str, str]:
    return {flag["name"]: flag["value"] for flag in body["settings"].get("databaseFlags") or []}


@contextmanager
def postgres_words(action: str) -> Iterator[None]:
    """Turns PostgreSQL's errors into refusals of the API."""
    try:
        yield
    except PostgresError as error:
        raise google_error(400, f"Invalid request: {action}. Detail: {error}", "invalid") from error
