"""The local cloud's server process: three providers, and servers of PostgreSQL, DNS, public objects and Gandi's API.

One process per folder: the one that holds the lock file. `process.py` starts and stops it.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local_cloud import marks
from local_cloud.cloud import Cloud, Transaction
from local_cloud.dns_server import DnsServer, DnsServerError, RecordData, ZoneData
from local_cloud.dns_server.routing import order_of
from local_cloud.gandi import zones as gandi_zones
from local_cloud.gandi.server import GandiServer
from local_cloud.gcp.dns_zones import RECORD_SET, ZONE
from local_cloud.gcp.health_checks import HEALTH_CHECK
from local_cloud.gcp.provider import GcpProvider
from local_cloud.gcp.routing_policies import policy_of
from local_cloud.gcp.rules import ensure_project
from local_cloud.gcp.sql_servers import SqlServers
from local_cloud.kubernetes.clusters import write_kubeconfig
from local_cloud.kubernetes.provider import KubernetesProvider
from local_cloud.layout import (
    CLOUD,
    DEFAULT_DNS_PORT,
    DEFAULT_STORAGE_PORT,
    GUEST_MARK,
    KUBECONFIG,
    LOCK,
    POSTGRES,
    RUN,
    LocalCloudError,
    Options,
)
from local_cloud.links import relative
from local_cloud.networks import clients
from local_cloud.postgres import PostgresError
from local_cloud.provider import Provider
from local_cloud.random_provider import RandomProvider
from local_cloud.servicer import ProviderServicer
from local_cloud.storage_server import StorageServer
from local_cloud.values import Props

LOOPBACK: Final = "127.0.0.1"
# Waiting for a load balancer occupies a thread; the engine runs at most 16 operations at once by default.
THREADS: Final = 64
SMALLEST_NETWORK: Final = 24
CLAIM_PORT: Final = 5300  # UDP, on a network's last address
LOOK_SECONDS: Final = 1.0
_LOG: Final = logging.getLogger("local_cloud")


@dataclass(frozen=True)
class RunFile:
    """The contents of `run.json` of a running cloud."""

    pid: int
    ports: dict[str, int]
    dns_host: str
    dns_port: int
    gandi_port: int
    gandi_dns_port: int
    storage_port: int
    project: str
    region: str
    network: str


class Server:
    """All servers of a running cloud."""

    def __init__(self, options: Options) -> None:
        networks = options.network.split(",")
        for each in networks:
            _check_network(each)
        self._options = options
        self._folder = Path(options.directory)
        self._lock = _take_lock(self._folder)
        self.cloud = Cloud(self._folder / CLOUD)
        with self.cloud.change("hand") as tx:
            # A cloud keeps its network: addresses may be allocated from it.
            known = tx.setting("network")
            self._network, self._claim = claimed([known] if known else networks)
            tx.set_setting("network", self._network)
            ensure_project(tx, options.project, options.region)
        self._sql = SqlServers(self._folder / POSTGRES)
        providers: list[Provider] = [
            GcpProvider(self.cloud, self._sql),
            KubernetesProvider(self.cloud),
            RandomProvider(self.cloud),
        ]
        # Keeps references: a garbage-collected gRPC server closes its port.
        self._grpc = {provider.name: _serve(provider) for provider in providers}

    def start(self) -> None:
        """Start all servers, then write `run.json`."""
        self._dns = self._started_dns()
        self._gandi_dns = DnsServer(LOOPBACK, 0, lambda: list(_gandi_zones(self.cloud)))
        self._gandi_dns.start()
        self._gandi = GandiServer(self.cloud)
        self._gandi.start()
        self._storage = self._started_storage()
        try:
            self._sql.start_all(self.cloud)
        except PostgresError as error:
            # The rest of the cloud is usable, and the next operation on the instance tries again.
            _LOG.warning("a database server did not start: %s", error)
        for server, _ in self._grpc.values():
            server.start()
        write_kubeconfig(self.cloud, self._folder / KUBECONFIG)
        run = RunFile(
            os.getpid(),
            {name: port for name, (_, port) in self._grpc.items()},
            LOOPBACK,
            self._dns.port,
            self._gandi.port,
            self._gandi_dns.port,
            self._storage.port,
            self._options.project,
            self._options.region,
            self._network,
        )
        path = self._folder / RUN
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(run), indent=2) + "\n")
        draft.replace(path)
        _LOG.info("ready: %s", run)

    def _started_dns(self) -> DnsServer:
        wanted = self._options.dns_port
        ports = (DEFAULT_DNS_PORT, 0) if wanted is None else (wanted,)
        for port in ports:
            server = DnsServer(LOOPBACK, port, lambda: list(served_zones(self.cloud)), partial(nearest_to, self.cloud))
            try:
                server.start()
            except DnsServerError as error:
                if port == ports[-1]:
                    raise LocalCloudError(f"{error}; choose another port with --dns-port") from error
                continue
            return server
        raise AssertionError("the last port either starts or raises")

    def _started_storage(self) -> StorageServer:
        wanted = self._options.storage_port
        ports = (DEFAULT_STORAGE_PORT, 0) if wanted is None else (wanted,)
        for port in ports:
            try:
                server = StorageServer(LOOPBACK, port, self.cloud)
            except OSError as error:
                if port == ports[-1]:
                    text = f"port {port} of {LOOPBACK}: {error.strerror}"
                    raise LocalCloudError(f"{text}; choose another port with --storage-port") from error
                continue
            server.start()
            return server
        raise AssertionError("the last port either starts or raises")

    def stop(self) -> None:
        (self._folder / RUN).unlink(missing_ok=True)
        for server, _ in self._grpc.values():
            server.stop(grace=1).wait()
        self._gandi.stop()
        self._gandi_dns.stop()
        self._dns.stop()
        self._storage.stop()
        self._sql.stop_all()
        self._claim.close()
        self._lock.close()

    def removed(self) -> bool:
        """Whether the folder was removed: commands can no longer find this process."""
        return os.fstat(self._lock.fileno()).st_nlink == 0


def _check_network(text: str) -> None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise LocalCloudError(f"--network {text}: {error}") from None
    if not network.subnet_of(ipaddress.IPv4Network("127.0.0.0/8")) or network.prefixlen > SMALLEST_NETWORK:
        raise LocalCloudError(f"--network {text}: must be part of 127.0.0.0/8 and at least a /{SMALLEST_NETWORK}")


def claimed(networks: Sequence[str]) -> tuple[str, socket.socket]:
    """The first network not used by another cloud, of any user, and the socket that holds it until closed."""
    for network in networks:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((str(ipaddress.IPv4Network(network)[-2]), CLAIM_PORT))
        except OSError:
            claim.close()
        else:
            return network, claim
    raise LocalCloudError(
        f"another cloud of this machine, in another folder, is running on {networks[-1]}: stop that one first"
    )


def _take_lock(directory: Path) -> IO[str]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LocalCloudError(f"the local cloud in {directory} is already running") from None
    return lock


def _serve(provider: Provider) -> tuple[grpc.Server, int]:
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=provider.name),
        # A restarted cloud must not share a port with one that is shutting down.
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServicer(provider), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    return server, port


def served_zones(cloud: Cloud) -> Iterator[ZoneData]:
    """Public zones for the DNS server."""
    with cloud.view() as tx:
        for zone in tx.all(ZONE):
            if zone.body["visibility"] != "public":
                continue
            sets = [one.body for one in tx.all(RECORD_SET, f"{zone.id}/rrsets/")]
            yield ZoneData(zone.body["dnsName"], tuple(_record(tx, one) for one in sets))


def _record(tx: Transaction, body: Props) -> RecordData:
    policy = body.get("routingPolicy") or {}
    check = tx.get(HEALTH_CHECK, relative(policy["healthCheck"])) if policy.get("healthCheck") else None
    return RecordData(
        body["name"],
        body["type"],
        int(body.get("ttl") or 300),
        tuple(body.get("rrdatas") or ()),
        policy_of(body, check) if policy else None,
    )


def nearest_to(cloud: Cloud, client: str) -> Sequence[str]:
    """Regions configured for the client, nearest first (`python -m local_cloud clients`)."""
    with cloud.view() as tx:
        return order_of([(network, regions.split(",")) for network, regions in clients(tx).items()], client)


def _gandi_zones(cloud: Cloud) -> Iterator[ZoneData]:
    """Domains for Gandi's name server: during a move a zone is at both hosts."""
    with cloud.view() as tx:
        yield from gandi_zones.served(tx)


def run(options: Options) -> None:
    """Serve until stopped by a signal."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server = Server(options)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server.start()
    while not stopped.wait(LOOK_SECONDS):
        if server.removed():
            _LOG.warning("the folder was removed: shutting down")
            marks.end(marks.marked(GUEST_MARK, options.directory, below=True), *marks.GENTLY)
            break
    server.stop()


if __name__ == "__main__":
    run(Options(**json.loads(sys.argv[1])))
