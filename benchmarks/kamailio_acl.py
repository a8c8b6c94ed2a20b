"""Kamailio with the trunk ACL: the cost of a decision, and of a reload, for both tables.

    python -m benchmarks kamailio_acl          100,000 hosts and 10,000 ranges
    python -m benchmarks.kamailio_acl 1000000  this many hosts, and a tenth as many ranges
    python -m benchmarks.kamailio_acl 100000 /tmp/before/kamailio  the fragments of that folder beside ours

A decision is the round trip of one OPTIONS over UDP on loopback, from one client that waits for each answer. The
reference is the same Kamailio with the same modules, sockets and tables, whose request_route only lacks
`route(IP_AUTH)`: how long Kamailio takes for a message depends on what its memory looks like after the tables were
loaded, so one without tables is no measure (it took 2.5 times as long). All proxies run at the same time and are
queried alternately; the ranges are /24, and the one that is hit is the last one loaded.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import LiteralString

from benchmarks.measuring import Result
from kamailio import FRAGMENTS
from kamailio.reloader.tables import TABLES
from kamailio.reloader.work import EVERYTHING
from local_cloud.postgres import PostgresServer
from local_cloud.postgres.account import Account
from sandbox.acl import Acl, migrated
from sandbox.sip_proxy import SipProxy, require_kamailio
from verify.sip import Peer, request

USUAL_SIZE = 100_000
ROUNDS, ASKED_A_ROUND, RELOADS = 30, 100, 3
HOST, RANGE, MISS = "127.0.0.2", "127.0.1.7", "127.0.99.9"
NETWORK = "127.96.0"
REFERENCE = "without ACL"


@dataclass(frozen=True)
class _Proxy(SipProxy):
    """`decides`: false for the reference. `others`: a folder with fragments to take instead of ours."""

    decides: bool = True
    others: Path | None = None

    def _configuration(self, folder: Path) -> str:
        text = super()._configuration(folder)
        return text if self.decides else text.replace("    route(IP_AUTH);\n", "")

    def _write_files(self, folder: Path, account: Account) -> None:
        super()._write_files(folder, account)
        if self.others:
            for name in FRAGMENTS:
                # A folder of before may lack one that is newer; where nothing is set it does nothing.
                if (self.others / name).exists():
                    (folder / name).write_bytes((self.others / name).read_bytes())


@dataclass(frozen=True)
class Decision:
    """Round trips in microseconds; `ratio` is that of the medians. `size` is the number of hosts."""

    name: str
    ratio: float
    p50_us: float
    p99_us: float
    reference_p50_us: float
    reference_p99_us: float
    size: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def run(size: int = USUAL_SIZE, others: Path | None = None) -> Iterator[Decision | Result]:
    """Yield results; uses temporary servers. `others`: a folder with other fragments, measured beside ours."""
    require_kamailio()
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="warp-edge-bench-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o755)
        server = PostgresServer(folder / "pg", f"{NETWORK}.1", 5432, require_tls=True, flags={"max_wal_size": "8GB"})
        server.start()
        stack.callback(server.destroy)
        acl = migrated(server, "bench")
        _load(acl, size)
        proxies = {}
        wanted: list[tuple[str, str, Path | None]] = [
            (REFERENCE, "mtree", None),
            *((table, table, None) for table in TABLES),
        ]
        if others:
            wanted += [(f"{table} of {others}", table, others) for table in TABLES]
        for number, (name, table, fragments) in enumerate(wanted):
            slots = "20" if size > USUAL_SIZE else "17"
            proxy = _Proxy(
                folder / str(number),
                f"{NETWORK}.{10 + number}",
                f"{NETWORK}.{20 + number}",
                acl.database,
                table=table,
                reload=False,
                start_seconds=600,
                substitutions=(("WARP_MAX_SUBNETS", str(size)), ("WARP_HOSTS_SIZE", slots)),
                shared_memory=max(512, size // 300),
                package_memory=max(64, size // 500),
                decides=name != REFERENCE,
                others=fragments,
            )
            began = time.monotonic()
            proxy.start()
            stack.callback(proxy.stop)
            print(f"{name}: started with {size} hosts in {time.monotonic() - began:.1f} s", file=sys.stderr)
            proxies[name] = proxy
        yield from _decisions(proxies, size)
        yield from _reloads({table: proxies[table] for table in TABLES}, size)


def _load(acl: Acl, size: int) -> None:
    began = time.monotonic()
    acl.customer("BENCH")
    acl.trunk("BENCH", "main")
    with acl.connection() as connection:
        # Checks and audit are not measured.
        connection.execute("ALTER TABLE accounts.trunk_ips DISABLE TRIGGER USER")
        into: LiteralString = "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) SELECT 1, 'BENCH', "
        connection.execute(into + "('20.0.0.0'::inet + 7 * n)::cidr FROM generate_series(1, %s) AS n", (size,))
        connection.execute(
            into + "set_masklen('60.0.0.0'::inet + 256 * n, 24)::cidr FROM generate_series(1, %s) AS n", (size // 10,)
        )
        own = [HOST, "127.0.99.16/28", "127.0.1.0/24"]
        connection.execute(into + "unnest(%s::cidr[])", (own,))
        connection.execute("ANALYZE")
    print(f"loaded in {time.monotonic() - began:.1f} s", file=sys.stderr)


def _decisions(proxies: dict[str, _Proxy], size: int) -> Iterator[Decision]:
    clients = {(REFERENCE, ""): _Client(proxies[REFERENCE].udp_address, HOST)}
    for table, proxy in proxies.items():
        if proxy.decides:
            for name, source in (("host, hit", HOST), ("range, hit", RANGE), ("miss", MISS)):
                clients[table, name] = _Client(proxy.udp_address, source)
    for _ in range(ROUNDS):
        for client in clients.values():
            client.ask(ASKED_A_ROUND)
    reference = clients.pop((REFERENCE, ""))
    for (table, name), client in clients.items():
        expected = {403} if name == "miss" else {200}
        if client.statuses != expected:
            raise RuntimeError(f"{table}, {name}: answered {client.statuses}, not {expected}")
        yield Decision(
            f"decision by {table}, {name} / {REFERENCE}",
            round(client.p50 / reference.p50, 2),
            client.p50,
            client.p99,
            reference.p50,
            reference.p99,
            size,
        )


class _Client:
    """A client that waits for each answer."""

    def __init__(self, address: str, source: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.bind((source, 0))
        self._socket.connect((address, 5060))
        self._request = request("OPTIONS", Peer(address, 5060, "udp", source)).encode()
        self.statuses: set[int] = set()
        self._taken: list[float] = []

    def ask(self, times: int) -> None:
        """Send this many requests; the first is a warm-up."""
        for number in range(times + 1):
            began = time.perf_counter()
            self._socket.send(self._request)
            answer = self._socket.recv(65535)
            if number:
                self._taken.append(time.perf_counter() - began)
            self.statuses.add(int(answer.split()[1]))

    @property
    def p50(self) -> float:
        return round(1e6 * median(self._taken), 1)

    @property
    def p99(self) -> float:
        return round(1e6 * quantiles(self._taken, n=100)[98], 1)


def _reloads(proxies: dict[str, SipProxy], size: int) -> Iterator[Result]:
    """Full reloads, as by the reloader."""
    taken: dict[str, list[float]] = {table: [] for table in proxies}
    parts: dict[str, list[float]] = {}
    for _ in range(RELOADS if size <= USUAL_SIZE else 1):
        for table, proxy in proxies.items():
            whole = 0.0
            for call in TABLES[table].calls(EVERYTHING, {}):
                began = time.perf_counter()
                proxy.rpc().call(*call, seconds=600)
                parts.setdefault(" ".join(call), []).append(time.perf_counter() - began)
                whole += time.perf_counter() - began
            taken[table].append(whole)
        time.sleep(1.1)  # reload_delta
    ours, theirs = median(taken["mtree"]), median(taken["permissions"])
    yield Result(
        "reload of everything, mtree / permissions", round(ours / theirs, 2), round(ours, 3), round(theirs, 3), size
    )
    for name, seconds in parts.items():
        print(f"{name}: {median(seconds):.2f} s", file=sys.stderr)
    for table, proxy in proxies.items():
        used = proxy.rpc().call("core.shmmem")
        most, now = used["max_used"] / 1e6, used["real_used"] / 1e6
        print(f"{table}: {most:.0f} MB of shared memory at most, {now:.0f} MB now", file=sys.stderr)


if __name__ == "__main__":
    for result in run(int(sys.argv[1]) if sys.argv[1:] else USUAL_SIZE, Path(sys.argv[2]) if sys.argv[2:] else None):
        print(result, flush=True)
