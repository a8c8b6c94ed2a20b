"""The trunk ACL: the cost of a lookup by size, and of reconciling trunk files.

A real PostgreSQL on loopback, with TLS as on Cloud SQL, and a database for each size: the compared statements run in
random order on persistent connections, so that no side profits from a warm cache.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

import psycopg

from benchmarks.measuring import Result
from benchmarks.trunk_acl_data import IPV4_BLOCKS, IPV6_FIRST, bans, trunks
from benchmarks.trunk_texts import texts
from components.trunk_acl import customers, entries, migrations, migrator, roles
from components.trunk_acl.lock import Connection
from local_cloud.postgres import PostgresServer

Address = IPv4Address | IPv6Address

SIZES = (10_000, 100_000, 1_000_000)
RECONCILED = 100_000
ADDRESSES = 2_000  # half of them hits; of the misses, half next to an entry and half anywhere
ROUNDS = 6
RECONCILE_RUNS = 3
USER, PASSWORD, READER_PASSWORD = "warp", secrets.token_hex(16), secrets.token_hex(16)
# PostgreSQL's default; and no background work that would affect one side more than the other.
FLAGS = {"shared_buffers": "128MB", "autovacuum": "off", "max_wal_size": "8GB"}

LOOKUP = "SELECT accounts.get_customer_by_source_ip(%s::inet)"
REFERENCE = "SELECT %s::inet"
# The lower bound with the same constraints, and the cost without any.
SAFE, PLAIN = "COPY, same constraints and indexes", "COPY, no constraint and no index"


def run() -> Iterator[Result]:
    """Yield results; uses a temporary server."""
    with _server() as server:
        yield from _reconciling(server)
        yield from _lookups(server)


# --- lookups ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loaded:
    """A database with this many entries: a connection as Kamailio's role, and addresses with their BANs."""

    size: int
    reader: Connection
    addresses: Sequence[tuple[str, str | None]]


def _lookups(server: PostgresServer) -> Iterator[Result]:
    with ExitStack() as stack:
        loaded = [_load(server, size, stack) for size in SIZES]
        taken = _alternately(loaded)
    for size in SIZES:
        ours, reference = taken[size, LOOKUP], taken[size, REFERENCE]
        for name, percentile in (("p50", median), ("p99", _p99)):
            what = f"lookup {name}, {size} prefixes / select $1::inet"
            yield _result(what, size, percentile(ours), percentile(reference))
    small, large = taken[SIZES[0], LOOKUP], taken[SIZES[-1], LOOKUP]
    for name, percentile in (("p50", median), ("p99", _p99)):
        what = f"lookup {name}, {SIZES[-1]} prefixes / {SIZES[0]} prefixes"
        yield _result(what, SIZES[-1], percentile(large), percentile(small))


def _load(server: PostgresServer, size: int, stack: ExitStack) -> _Loaded:
    name = f"acl_{size}"
    server.create_database(name, "UTF8", "C")
    with _connected(server, name) as connection:
        _make_ready(connection)
        _fill(connection, size)
        connection.execute("VACUUM (ANALYZE)")
        addresses = _addresses(connection)
    reader = stack.enter_context(_connected(server, name, "warp_acl_reader", READER_PASSWORD))
    for address, ban in addresses:  # also a warm-up
        _must(reader.execute(LOOKUP, (address,), prepare=True).fetchone() == (ban,), f"{address} is of {ban}")
        reader.execute(REFERENCE, (address,), prepare=True)
    return _Loaded(size, reader, addresses)


def _fill(connection: Connection, size: int) -> None:
    """Without audit trail and exclusion constraint, which lookups do not use: a million rows would take minutes."""
    connection.execute("ALTER TABLE accounts.trunk_ips DISABLE TRIGGER USER, DROP CONSTRAINT trunk_ips_one_customer")
    rows = []
    with connection.cursor() as cursor:
        columns = "id, ban, name, calls_per_second, concurrent_calls"
        with cursor.copy(f"COPY accounts.trunk_groups ({columns}) FROM STDIN".encode()) as copy:
            for number, trunk in enumerate(trunks(size), start=1):
                copy.write_row((number, trunk.ban, trunk.name, trunk.calls_per_second, trunk.concurrent_calls))
                rows += [(number, trunk.ban, str(each.range), each.active) for each in trunk.entries]
        # In random order, as in a table after years of changes.
        random.Random(18).shuffle(rows)  # noqa: S311
        with cursor.copy("COPY accounts.trunk_ips (trunk_group_id, ban, cidr, active) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    connection.execute("CREATE INDEX ON accounts.trunk_ips USING gist (cidr inet_ops)")  # for `_plainly`


def _addresses(connection: Connection) -> list[tuple[str, str | None]]:
    """Hits and misses, determined by a plain query that is independent of the function."""
    draw = random.Random(16)  # noqa: S311
    ranges = [
        ip_network(row[0])
        for row in connection.execute(
            "SELECT cidr::text FROM accounts.trunk_ips ORDER BY random() LIMIT %s", (ADDRESSES,)
        )
    ]
    inside = (str(each[draw.randrange(each.num_addresses)]) for each in ranges)
    beside = (str(ip_address(int(each[0]) + draw.randint(-1024, 1024))) for each in ranges)
    anywhere = (str(_anywhere(draw)) for _ in ranges)
    hits = islice(((address, ban) for address in inside if (ban := _plainly(connection, address))), ADDRESSES // 2)
    near = islice(((address, None) for address in beside if not _plainly(connection, address)), ADDRESSES // 4)
    far = islice(((address, None) for address in anywhere if not _plainly(connection, address)), ADDRESSES // 4)
    found = [*hits, *near, *far]
    _must(len(found) == ADDRESSES, "there are enough addresses of each kind")
    draw.shuffle(found)
    return found


def _anywhere(draw: random.Random) -> Address:
    if draw.random() < 0.1:
        return IPv6Address(IPV6_FIRST + draw.getrandbits(112))
    return IPv4Address(draw.randrange(IPV4_BLOCKS.start << 10, IPV4_BLOCKS.stop << 10))


def _plainly(connection: Connection, address: str) -> str | None:
    row = connection.execute(
        "SELECT ban FROM accounts.trunk_ips WHERE cidr >>= %s::inet AND active ORDER BY masklen(cidr) DESC LIMIT 1",
        (address,),
        prepare=True,
    ).fetchone()
    return str(row[0]) if row else None


def _alternately(loaded: Sequence[_Loaded]) -> Mapping[tuple[int, str], list[float]]:
    """Seconds of every statement, by size and statement."""
    draw = random.Random(17)  # noqa: S311
    taken: dict[tuple[int, str], list[float]] = {}
    turns = [(each, query) for each in loaded for query in (LOOKUP, REFERENCE)]
    for _ in range(ROUNDS):
        for place in draw.sample(range(ADDRESSES), ADDRESSES):
            draw.shuffle(turns)
            for each, query in turns:
                address = each.addresses[place][0]
                began = time.perf_counter()
                each.reader.execute(query.encode(), (address,), prepare=True).fetchone()
                taken.setdefault((each.size, query), []).append(time.perf_counter() - began)
    return taken


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


# --- reconciling --------------------------------------------------------------------------------------------------


def _reconciling(server: PostgresServer) -> Iterator[Result]:
    """Each run in a copy of an empty database, so that runs do not affect each other by cached pages or bloat."""
    server.create_database("empty", "UTF8", "C")
    with _connected(server, "empty") as connection:
        _make_ready(connection)
    wanted = texts(trunks(RECONCILED))
    rows = _as_rows(server, wanted)
    work: list[Callable[[], Mapping[str, float]]] = [
        lambda: _reconciled(server, wanted),
        lambda: _copied(server, rows),
    ]
    taken: dict[str, list[float]] = {}
    for turn in range(1 + RECONCILE_RUNS):
        for each in work if turn % 2 else reversed(work):
            for name, seconds in each().items():
                taken.setdefault(name, []).append(seconds)
    medians = {name: median(several[1:]) for name, several in taken.items()}  # the first turn is a warm-up
    for ours in ("reconcile", "reconcile, no change,"):
        for reference in (SAFE, PLAIN):
            what = f"{ours} {RECONCILED} entries / {reference}"
            yield _result(what, RECONCILED, medians[ours], medians[reference])


@dataclass(frozen=True)
class _Rows:
    """Input of a COPY, in the order in which the index fills fastest."""

    trunks: bytes
    entries: bytes


def _as_rows(server: PostgresServer, wanted: Mapping[str, str]) -> _Rows:
    with _copy_of_empty(server) as connection:
        entries.reconcile(connection, "warp-edge", wanted, {})
        return _Rows(
            _copy_out(connection, "TABLE accounts.trunk_groups"),
            _copy_out(
                connection,
                "SELECT trunk_group_id, ban, cidr, active, owner FROM accounts.trunk_ips"
                " ORDER BY masklen(cidr), hashtext(ban)",
            ),
        )


def _reconciled(server: PostgresServer, wanted: Mapping[str, str]) -> dict[str, float]:
    with _copy_of_empty(server) as connection:
        done: list[entries.Reconciled] = []

        def reconcile() -> None:
            done.append(entries.reconcile(connection, "warp-edge", wanted, {}))

        seconds = {"reconcile": _seconds(reconcile), "reconcile, no change,": _seconds(reconcile)}
        all_once = [entries.Reconciled(RECONCILED + len(wanted), 0, 0), entries.Reconciled(0, 0, 0)]
        _must(done == all_once, f"all is added, and once: {done}")
    return seconds


def _copied(server: PostgresServer, rows: _Rows) -> dict[str, float]:
    with _copy_of_empty(server) as connection:
        _copy_in(connection, "accounts.trunk_groups", rows.trunks)
        connection.execute("ANALYZE accounts.trunk_groups")
        connection.execute("CREATE TABLE public.safe (LIKE accounts.trunk_ips INCLUDING ALL)")
        connection.execute(
            "ALTER TABLE public.safe ADD FOREIGN KEY (trunk_group_id, ban) REFERENCES accounts.trunk_groups (id, ban)"
        )
        columns = "trunk_group_id, ban, cidr, active, owner"
        connection.execute(f"CREATE TABLE public.plain AS SELECT {columns} FROM public.safe".encode())  # noqa: S608
        seconds = {
            SAFE: _seconds(lambda: _copy_in(connection, f"public.safe ({columns})", rows.entries)),
            PLAIN: _seconds(lambda: _copy_in(connection, f"public.plain ({columns})", rows.entries)),
        }
        for table in ("safe", "plain"):
            count = connection.execute(f"SELECT count(*) FROM public.{table}".encode()).fetchone()  # noqa: S608
            _must(count == (RECONCILED,), f"table {table} has them all: {count}")
    return seconds


def _copy_out(connection: Connection, query: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
        return b"".join(bytes(block) for block in copy)


def _copy_in(connection: Connection, table: str, rows: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        copy.write(rows)


@contextmanager
def _copy_of_empty(server: PostgresServer) -> Iterator[Connection]:
    name = f"run_{secrets.token_hex(4)}"
    with _connected(server, "postgres") as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE empty".encode())
        try:
            with _connected(server, name) as connection:
                yield connection
        finally:
            admin.execute(f"DROP DATABASE {name}".encode())


# --- what both need -----------------------------------------------------------------------------------------------


@contextmanager
def _server() -> Iterator[PostgresServer]:
    host = f"127.{100 + secrets.randbelow(150)}.{secrets.randbelow(250)}.1"
    with tempfile.TemporaryDirectory(prefix="warp-edge-bench-") as folder:
        server = PostgresServer(Path(folder) / "trunks", host, require_tls=True, flags=FLAGS)
        try:
            server.start()
            server.create_user(USER, PASSWORD)
            yield server
        finally:
            server.destroy()


def _connected(server: PostgresServer, database: str, user: str = USER, password: str = PASSWORD) -> Connection:
    return psycopg.connect(
        host=server.host,
        port=server.port,
        dbname=database,
        user=user,
        password=password,
        sslmode="require",
        autocommit=True,
    )


def _make_ready(connection: Connection) -> None:
    two = (roles.reader(READER_PASSWORD, ()), roles.writer(None, ()))
    wishes = migrator.Wishes(migrations.load(), two, create_customers=True)
    migrator.migrate(connection, wishes, lambda: customers.add(connection, bans()))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _result(name: str, size: int, ours: float, reference: float) -> Result:
    return Result(name, round(ours / reference, 3), round(ours, 6), round(reference, 6), size)


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise RuntimeError(f"this benchmark would measure nothing: it does not hold that {what}")
