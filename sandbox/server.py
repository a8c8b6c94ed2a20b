"""The sandbox's server process: three providers, and servers of PostgreSQL, DNS, public objects and Gandi's API.

One process per folder: whoever holds the lock file runs. `process.py` starts and stops it from outside.
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

from sandbox import marks
from sandbox.cloud import Cloud, Transaction
from sandbox.dns_server import DnsServer, DnsServerError, RecordData, ZoneData
from sandbox.dns_server.routing import order_of
from sandbox.gandi import zones as gandi_zones
from sandbox.gandi.server import GandiServer
from sandbox.gcp.dns_zones import RECORD_SET, ZONE
from sandbox.gcp.health_checks import HEALTH_CHECK
from sandbox.gcp.provider import GcpProvider
from sandbox.gcp.routing_policies import policy_of
from sandbox.gcp.sql_servers import SqlServers
from sandbox.kubernetes.clusters import write_kubeconfig
from sandbox.kubernetes.provider import KubernetesProvider
from sandbox.layout import (
    CLOUD,
    DEFAULT_DNS_PORT,
    DEFAULT_STORAGE_PORT,
    KUBECONFIG,
    LOCK,
    POSTGRES,
    RUN,
    SIP_MARK,
    SandboxError,
)
from sandbox.links import relative
from sandbox.networks import askers
from sandbox.postgres import PostgresError
from sandbox.provider import Provider
from sandbox.random_provider import RandomProvider
from sandbox.seed import new_project
from sandbox.servicer import ProviderServicer
from sandbox.storage_server import StorageServer
from sandbox.values import Props

LOOPBACK: Final = "127.0.0.1"
# Waiting for a load balancer holds a thread; the engine runs at most 16 operations at once by default.
THREADS: Final = 64
SMALLEST_NETWORK: Final = 24
CLAIM_PORT: Final = 5300  # of UDP, on a network's last address
LOOK_SECONDS: Final = 1.0
_LOG: Final = logging.getLogger("sandbox")


@dataclass(frozen=True)
class Options:
    """How to run: where, for which project, on which network and ports.

    Port 0 is any free one; None is the usual one, or any free one where another sandbox has it.
    """

    directory: Path
    project: str
    region: str
    network: str
    dns_port: int | None
    storage_port: int | None


@dataclass(frozen=True)
class RunFile:
    """What `run.json` says about a running sandbox."""

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
    """Everything that runs while the sandbox is up."""

    def __init__(self, options: Options) -> None:
        networks = options.network.split(",")
        for each in networks:
            _check_network(each)
        self._options = options
        self._lock = _take_lock(options.directory)
        self.cloud = Cloud(options.directory / CLOUD)
        with self.cloud.change("hand") as tx:
            # Addresses that were given out keep a cloud on its network.
            known = tx.setting("network")
            self._network, self._claim = claimed([known] if known else networks)
            tx.set_setting("network", self._network)
            new_project(tx, options.project, options.region)
        self._sql = SqlServers(options.directory / POSTGRES)
        providers: list[Provider] = [
            GcpProvider(self.cloud, self._sql),
            KubernetesProvider(self.cloud),
            RandomProvider(self.cloud),
        ]
        # The references matter: a gRPC server that is collected closes its port.
        self._grpc = {provider.name: _serve(provider) for provider in providers}

    def start(self) -> None:
        """Be ready, and say so in `run.json`."""
        self._dns = self._started_dns()
        self._gandi_dns = DnsServer(LOOPBACK, 0, lambda: list(_gandi_zones(self.cloud)))
        self._gandi_dns.start()
        self._gandi = GandiServer(self.cloud)
        self._gandi.start()
        self._storage = self._started_storage()
        try:
            self._sql.start_all(self.cloud)
        except PostgresError as error:
            # The rest of the sandbox is still of use, and the next operation on the instance tries again.
            _LOG.warning("a database server did not start: %s", error)
        for server, _ in self._grpc.values():
            server.start()
        write_kubeconfig(self.cloud, self._options.directory / KUBECONFIG)
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
        path = self._options.directory / RUN
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
                    raise SandboxError(f"{error}; another port can be chosen with --dns-port") from error
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
                    raise SandboxError(f"{text}; another port can be chosen with --storage-port") from error
                continue
            server.start()
            return server
        raise AssertionError("the last port either starts or raises")

    def stop(self) -> None:
        (self._options.directory / RUN).unlink(missing_ok=True)
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
        """Whether the folder was removed under us: nobody finds us any more."""
        return os.fstat(self._lock.fileno()).st_nlink == 0


def _check_network(text: str) -> None:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise SandboxError(f"--network {text}: {error}") from None
    if not network.subnet_of(ipaddress.IPv4Network("127.0.0.0/8")) or network.prefixlen > SMALLEST_NETWORK:
        raise SandboxError(f"--network {text}: a part of 127.0.0.0/8 with at least a /{SMALLEST_NETWORK}")


def claimed(networks: Sequence[str]) -> tuple[str, socket.socket]:
    """The first network that no other sandbox has, also not another user's, and what holds it until it is closed."""
    for network in networks:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((str(ipaddress.IPv4Network(network)[-2]), CLAIM_PORT))
        except OSError:
            claim.close()
        else:
            return network, claim
    raise SandboxError(
        f"another sandbox of this machine runs on {networks[-1]}: stop that one first (make down, there)"
    )


def _take_lock(directory: Path) -> IO[str]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SandboxError(f"the sandbox in {directory} is already running") from None
    return lock


def _serve(provider: Provider) -> tuple[grpc.Server, int]:
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=provider.name),
        # A restarted sandbox must never share a port with one that is going down.
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServicer(provider), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    return server, port


def served_zones(cloud: Cloud) -> Iterator[ZoneData]:
    """Public zones as the DNS server answers them."""
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


def nearest_to(cloud: Cloud, asker: str) -> Sequence[str]:
    """Regions near whoever asks, the nearest first, as far as somebody said (`python -m sandbox askers`)."""
    with cloud.view() as tx:
        return order_of([(network, regions.split(",")) for network, regions in askers(tx).items()], asker)


def _gandi_zones(cloud: Cloud) -> Iterator[ZoneData]:
    """Domains as Gandi's own name servers answer them: a zone that moves is at both hosts."""
    with cloud.view() as tx:
        yield from gandi_zones.served(tx)


def run(options: Options) -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server = Server(options)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server.start()
    while not stopped.wait(LOOK_SECONDS):
        if server.removed():
            _LOG.warning("the folder was removed: ending")
            marks.end(marks.marked(SIP_MARK, str(options.directory), below=True), *marks.GENTLY)
            break
    server.stop()
