"""A real PostgreSQL, a real Kamailio with the reloader for each of the two tables, and an ACL with one of everything.

Sources are addresses of 127.0.0.0/16: Linux lets a socket bind any of them. The servers' own are of this run alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.postgres import PostgresServer
from sandbox import SandboxError
from sandbox.acl import Acl, migrated
from sandbox.sip_proxy import SipProxy, require_kamailio
from tests.sip.edge import Edge, seconds_until

NETWORK = f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"


@pytest.fixture(scope="session")
def programs() -> None:
    """Kamailio and sipp. Where CI=true, their absence is a failure."""
    problem = ""
    try:
        require_kamailio()
    except SandboxError as missing:
        problem = str(missing)
    if not shutil.which("sipp"):
        problem = problem or "sipp is not installed; as root: apt-get install --no-install-recommends sip-tester"
    if problem:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(problem)


@pytest.fixture(scope="session")
def server(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(
        tmp_path_factory.mktemp("database") / "pg", f"{NETWORK}.1", 5432, require_tls=True, flags={}
    )
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def acl(server: PostgresServer) -> Acl:
    """The one that most tests use."""
    return filled(migrated(server, "warp"))


@pytest.fixture
def own_acl(server: PostgresServer) -> Acl:
    """One that a test may spoil: no other proxy reads it."""
    return filled(migrated(server, f"warp_{secrets.token_hex(4)}"))


def filled(acl: Acl) -> Acl:
    """One of everything that decides about a call."""
    for ban in ("ACME", "BETA", "GONE"):
        acl.customer(ban)
    for ban, trunk, auth_type in (
        ("ACME", "main", "IP_ACL"), ("ACME", "inner", "IP_ACL"), ("ACME", "off", "IP_ACL"), ("ACME", "six", "IP_ACL"),
        ("BETA", "digest", "DIGEST"), ("BETA", "both", "BOTH"), ("GONE", "main", "IP_ACL"),
    ):  # fmt: skip
        acl.trunk(ban, trunk, auth_type)
    acl.add("ACME", "main", "127.0.0.2", "127.0.1.0/24", "127.0.1.20", "127.0.8.0/22")
    acl.add("ACME", "inner", "127.0.1.16/28")
    acl.add("ACME", "off", "127.0.30.1")
    acl.add("ACME", "six", "::1")
    acl.add("BETA", "digest", "127.0.4.0/24", "127.0.6.7")
    acl.add("BETA", "both", "127.0.6.0/25")
    acl.add("GONE", "main", "127.0.7.1")
    acl.do("UPDATE accounts.trunk_groups SET active = false WHERE name = 'off'")
    acl.do("UPDATE accounts.customers SET active = false WHERE ban = 'GONE'")
    return acl


@pytest.fixture(scope="session", params=["mtree", "permissions"])
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def edge(acl: Acl, table: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The proxy that most tests ask, with its reloader."""
    host = f"{NETWORK}.{10 if table == 'mtree' else 20}"
    both = free_port_of_both()
    proxy = SipProxy(
        tmp_path_factory.mktemp(table),
        f"{host}",
        f"{NETWORK}.{11 if table == 'mtree' else 21}",
        acl.database,
        table=table,
        also_listen=(
            f"udp:[::1]:{free_port('::1')}",
            *(f"{transport}:[::]:{both}" for transport in ("udp", "tcp")),
            *(f"udp:{host}:{5070 + n} {said}" for n, said in enumerate(SAID)),
        ),
    )
    proxy.start()
    edge = Edge(proxy)
    seconds_until(lambda: (edge.metric("warp_acl_reloads_total") or 0) > 0, 60)
    yield edge
    proxy.stop()


# What sockets of the dedicated tier advertise: addresses in every form that people write.
SAID = tuple(
    f"advertise {address}:5060"
    for address in (
        "34.1.2.3", "[2001:db8::1]", "[2001:DB8:0:1::]", "[2001:db8:1:2:3:4:5:6]", "[2001:db8:0:0:1::7]",
        "[::5:6:7:8:9]",
    )
)  # fmt: skip


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_port_of_both() -> int:
    """On every address, over UDP and TCP; below the ports that the system gives to clients, which come and go."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp,
        ):
            for each in (udp, tcp):
                each.bind(("::", port))
            return port
    pytest.fail("no free port")


@pytest.fixture
def new_proxy(acl: Acl, tmp_path: Path) -> Iterator[ProxyMaker]:
    """Makes proxies of a test's own, on addresses of their own."""
    maker = ProxyMaker(acl, tmp_path)
    yield maker
    for proxy in maker.made:
        proxy.stop()


class ProxyMaker:
    def __init__(self, acl: Acl, folder: Path) -> None:
        self.acl, self.folder = acl, folder
        self.made: list[SipProxy] = []

    def __call__(self, table: str, acl: Acl | None = None, **options: object) -> Edge:
        number = len(self.made)
        proxy = SipProxy(
            self.folder / f"sip-{number}",
            f"{NETWORK}.{30 + 2 * number}",
            f"{NETWORK}.{31 + 2 * number}",
            (acl or self.acl).database,
            table=table,
            **options,  # type: ignore[arg-type]
        )
        self.made.append(proxy)
        return Edge(proxy)
