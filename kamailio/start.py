"""Start Kamailio, also while the database is away: one command before it.

    exec python3 /etc/kamailio/warp/start.py kamailio -DD -E

Kamailio's modules load their tables from the database while it starts, or it does not start. Where the database
answers, this program becomes Kamailio and has done nothing. Otherwise it stays in front of it: it gives Kamailio's main
process, and no other, the tables of the reloader's snapshot, and connects every other connection to the database as
soon as that is back. The main process loads tables only before it has children, so no reload can read the snapshot.

The snapshot has to be whole, and signed with a key made of the RPC token. Without such a one Kamailio starts with no
table and answers 503 until the database is back. `seal` and `unseal` are its format; the reloader writes it
(reloader/snapshot.py). Environment: README.md, "Start without the database". Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MAGIC = b"warp-acl-snapshot 1\n"
FETCH_SECONDS = 5.0
# Before Kamailio; and in front of it, where libpq waits for us for 5 s (connect_timeout of ip_auth.cfg).
CHECK_SECONDS, REACH_SECONDS = 10.0, 2.5
# Clocks of two nodes differ by less.
CLOCK_SECONDS = 300.0
INT4, VARCHAR = 23, 1043  # catalog/pg_type.dat
# As ip_auth.cfg has it for Kamailio's own connections.
GIVEN_UP = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, option, value) for option, value in (
    (socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_USER_TIMEOUT, 2500),
)))  # fmt: skip


# The snapshot


class Unusable(Exception):
    """A snapshot that is refused, in words."""


@dataclass(frozen=True)
class Part:
    """A view: its columns, their PostgreSQL types, and its rows as COPY writes them, compressed (zlib)."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: bytes


@dataclass(frozen=True)
class Snapshot:
    """Views of schema kamailio by name, read in one transaction. Unix times: when, and until when they may be used."""

    taken: int
    until: int
    parts: Mapping[str, Part]


def seal(snapshot: Snapshot, token: str) -> bytes:
    """The snapshot as bytes, signed."""
    parts = [[name, part.columns, part.types, len(part.rows)] for name, part in snapshot.parts.items()]
    head = json.dumps({"taken": snapshot.taken, "until": snapshot.until, "parts": parts}).encode() + b"\n"
    content = head + b"".join(part.rows for part in snapshot.parts.values())
    return MAGIC + _signature(content, token) + b"\n" + content


def unseal(sealed: bytes, token: str, now: float) -> Snapshot:
    """The snapshot in these bytes. Raises `Unusable`. One that is too old is none of these: Kamailio answers 503."""
    if not sealed.startswith(MAGIC):
        raise Unusable("it is no snapshot of this version of the program")
    signature, _, content = sealed.removeprefix(MAGIC).partition(b"\n")
    if not token or not hmac.compare_digest(signature, _signature(content, token)):
        raise Unusable("its signature does not match: it was cut short, altered, or signed with another RPC token")
    head, _, rows = content.partition(b"\n")
    known = json.loads(head)
    parts, start = {}, 0
    for name, columns, types, length in known["parts"]:
        parts[name] = Part(tuple(columns), tuple(types), rows[start : start + length])
        start += length
    if known["taken"] > now + CLOCK_SECONDS:
        raise Unusable("it is from the future: one of the two clocks is wrong")
    return Snapshot(known["taken"], known["until"], parts)


def _signature(content: bytes, token: str) -> bytes:
    key = hmac.digest(token.encode(), MAGIC, "sha256")
    return hmac.new(key, content, hashlib.sha256).hexdigest().encode()


def fetch(where: str, token: str) -> Snapshot:
    """The newest one at that URL, of all the addresses it resolves to, or in that file. Raises `Unusable`."""
    found, problems = [], []
    for place, read in _places(where, token):
        try:
            found.append(unseal(read(), token, time.time()))
        except (OSError, http.client.HTTPException, Unusable) as problem:
            problems.append(f"{place}: {problem}")
    if not found:
        raise Unusable("; ".join(problems))
    return max(found, key=lambda snapshot: snapshot.taken)


def _places(where: str, token: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    url = urllib.parse.urlsplit(where)
    if url.scheme != "http":
        yield where, Path(where).read_bytes
        return
    host, port = url.hostname or "", url.port or 80
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unusable(f"{host}: {error}") from None
    for address in dict.fromkeys(str(answer[4][0]) for answer in answers):
        yield f"{address}:{port}", partial(_read, address, port, url.path, token)


def _read(host: str, port: int, path: str, token: str) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=FETCH_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unusable(f"{answer.status} {content[:200].decode(errors='replace').strip()}")
    return content


# The database


class AwayError(Exception):
    """The database does not let anybody in, in words."""


@dataclass(frozen=True)
class Database:
    """Where WARP_ACL_DB_URL and libpq's variables say that it is. `kept`: the URL without host and port."""

    host: str
    port: int
    user: str
    name: str
    kept: str
    environment: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Database | None:
        """As Kamailio reads it, which decodes nothing; None where it cannot be stood in front of."""
        url = re.fullmatch(
            r"(?P<scheme>\w+://)(?P<who>(?P<user>[^:/]*)(?::.*)?@)?(?P<host>\[.+\]|[^:/@,]*)(?::(?P<port>\d+))?/(?P<name>[^?]+)",
            environment.get("WARP_ACL_DB_URL", ""),
        )
        if url is None:
            return None
        host = url["host"].strip("[]") or environment.get("PGHOST", "")
        user = url["user"] or environment.get("PGUSER", "")
        kept = f"{url['scheme']}{url['who'] or ''}/{url['name']}"
        if not host or not user or host[0] in "/@" or "," in host:
            return None
        port = int(url["port"] or environment.get("PGPORT", "") or 5432)
        return cls(host, port, user, url["name"], kept, environment)

    async def connect(
        self, startup: bytes, seconds: float = REACH_SECONDS
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """A connection on which `startup` was sent, and the answer. Raises `AwayError`, also while it is starting."""
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    for option in GIVEN_UP:
                        writer.get_extra_info("socket").setsockopt(*option)
                    await self._encrypt(reader, writer)
                    writer.write(startup)
                    answer = _admitted(await _message(reader))
                except BaseException:
                    writer.close()
                    raise
        except TimeoutError:
            raise AwayError(f"no answer within {seconds:g} s") from None
        except (OSError, EOFError) as error:
            raise AwayError(str(error) or type(error).__name__) from None
        return reader, writer, answer

    async def _encrypt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As PGSSLMODE says: postgresql.org/docs/current/libpq-ssl.html."""
        mode, authority = self.environment.get("PGSSLMODE", "prefer"), self.environment.get("PGSSLROOTCERT", "")
        if mode in ("disable", "allow"):
            return
        writer.write(struct.pack("!II", 8, SSL_REQUEST))
        if await reader.readexactly(1) != b"S":
            if mode != "prefer":
                raise AwayError(f"it takes no TLS, and PGSSLMODE is {mode}")
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = mode == "verify-full"
        checked = mode.startswith("verify") or (mode == "require" and Path(authority).is_file())
        context.verify_mode = ssl.CERT_REQUIRED if checked else ssl.CERT_NONE
        if checked:
            context.load_verify_locations(authority)
        if certificate := self.environment.get("PGSSLCERT"):
            context.load_cert_chain(certificate, self.environment.get("PGSSLKEY"))
        await writer.start_tls(context, server_hostname=self.host)

    async def check(self) -> None:
        """Raises `AwayError`. A refusal is an answer: Kamailio then says what is wrong."""
        words = f"user\0{self.user}\0database\0{self.name}\0\0".encode()
        startup = struct.pack("!II", len(words) + 8, PROTOCOL) + words
        _, writer, _ = await self.connect(startup, CHECK_SECONDS)
        writer.close()


def _admitted(answer: bytes) -> bytes:
    """Cannot connect now, or too many connections: postgresql.org/docs/current/errcodes-appendix.html."""
    if answer[:1] == b"E" and any(code in answer for code in (b"\0C57P03\0", b"\0C53300\0")):
        raise AwayError("it is starting, stopping or full")
    return answer


# In front of it

SSL_REQUEST, GSS_REQUEST, PROTOCOL = 80877103, 80877104, 196608
QUERY = re.compile(
    rb"select (?P<columns>[\w,]+) from (?P<view>\w+)"
    rb"(?: +where (?P<column>\w+)='(?P<value>\w*)')?(?: +order by [\w,]+)? *\0?",
    re.I,
)
READY = b"Z\0\0\0\5I"


class Gate:
    """A Unix socket in front of the database: there the main process reads the snapshot, all others the database."""

    def __init__(self, database: Database, snapshot: Snapshot | None) -> None:
        self._database, self._snapshot = database, snapshot
        self.main = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, EOFError):
            peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            is_main = struct.unpack("3i", peer)[0] == await self.main
            startup = await self._startup(reader, writer)
            try:
                connected = None if is_main else await self._database.connect(startup)
            except AwayError:
                connected = None
            if connected is None:
                await self._answer(reader, writer, loads=is_main)
            else:
                from_server, to_server, answer = connected
                # Channel binding would be to TLS that Kamailio does not see.
                answer = answer.replace(b"SCRAM-SHA-256-PLUS\0", b"")
                writer.write(answer[:1] + struct.pack("!I", len(answer) - 1) + answer[5:])
                await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))
        writer.close()

    async def _startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        while True:
            length, code = struct.unpack("!II", head := await reader.readexactly(8))
            if code in (SSL_REQUEST, GSS_REQUEST):
                writer.write(b"N")
            else:
                return head + await reader.readexactly(length - 8)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loads: bool) -> None:
        """As the database would: but only what loads gets rows. Processes that connect and wait are let wait."""
        writer.write(_framed(b"R", struct.pack("!I", 0)) + _framed(b"S", b"server_version\x0015.0\0") + READY)
        while True:
            message = await _message(reader)
            query = QUERY.fullmatch(message[5:])
            if message[:1] == b"Q" and message[5:8].upper() == b"SET":
                writer.write(_framed(b"C", b"SET\0") + READY)
            elif message[:1] == b"Q" and query and loads:
                for chunk in self._rows(query):
                    writer.write(chunk)
                    await writer.drain()
            else:
                return

    def _rows(self, query: re.Match[bytes]) -> Iterator[bytes]:
        """The answer to a query of htable, mtree or permissions."""
        columns, view = query["columns"].decode().split(","), query["view"].decode()
        part, more = self._part(view)
        places = [part.columns.index(column) if column in part.columns else None for column in columns]
        if part.columns and None in places:
            return
        yield _framed(b"T", struct.pack("!H", len(columns)) + b"".join(
            column.encode() + b"\0" + struct.pack("!IHIhiH", 0, 0, VARCHAR if at is None else part.types[at], -1, -1, 0)
            for column, at in zip(columns, places, strict=True)
        ))  # fmt: skip
        rows, count = [*zlib.decompress(part.rows).splitlines(), *more], 0
        for first in range(0, len(rows), 1000):
            chunk = b""
            for row in rows[first : first + 1000]:
                fields = row.split(b"\t")
                if query["column"] and fields[part.columns.index(query["column"].decode())] != query["value"]:
                    continue
                count += 1
                chunk += _framed(b"D", struct.pack("!H", len(places)) + b"".join(
                    _value(fields[at]) for at in places if at is not None
                ))  # fmt: skip
            yield chunk
        yield _framed(b"C", f"SELECT {count}\0".encode()) + READY

    def _part(self, view: str) -> tuple[Part, list[bytes]]:
        """The view, and rows that say in `dedicated`, which is reloaded last, that all this is from a snapshot."""
        if self._snapshot is None:
            return (VERSION if view == "version" else NOTHING), []
        more = {"taken": self._snapshot.taken, "until": self._snapshot.until} if view == "dedicated" else {}
        return self._snapshot.parts.get(view, NOTHING), [f"{key}\t0\t1\t{at}\t0".encode() for key, at in more.items()]


NOTHING = Part((), (), zlib.compress(b""))
# permissions checks it before it takes an empty table.
VERSION = Part(("table_name", "table_version"), (VARCHAR, INT4), zlib.compress(b"address\t6\n"))
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _value(field: bytes) -> bytes:
    """A field of COPY as one of a row: postgresql.org/docs/current/sql-copy.html, "Text Format"."""
    if field == rb"\N":
        return struct.pack("!i", -1)
    if b"\\" in field:
        field = re.sub(rb"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), field, flags=re.S)
    return struct.pack("!i", len(field)) + field


def _framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


# The command


def say(words: str) -> None:
    """A line beside Kamailio's own log."""
    print(f"warp-edge start: {words}", file=sys.stderr, flush=True)


async def stand_in(command: list[str], database: Database, snapshot: Snapshot | None) -> int:
    """Run Kamailio behind a gate until it ends; its exit status."""
    gate = Gate(database, snapshot)
    # In the abstract namespace (unix(7)): no file to leave behind, none that a read-only root or `-u` keeps from us.
    place = f"@warp-acl-{secrets.token_hex(8)}"
    server = await asyncio.start_unix_server(gate.serve, f"\0{place[1:]}/.s.PGSQL.{database.port}", backlog=1024)
    changed = {"WARP_ACL_DB_URL": database.kept, "PGHOST": place, "PGPORT": str(database.port)}
    async with server:
        kamailio = await asyncio.create_subprocess_exec(*command, env=dict(database.environment) | changed)
        gate.main.set_result(kamailio.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            asyncio.get_running_loop().add_signal_handler(number, _send, kamailio, number)
        status = await kamailio.wait()
        return status if status >= 0 else 128 - status


def _send(kamailio: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        kamailio.send_signal(number)


def main(command: list[str], environment: Mapping[str, str]) -> int:
    """Becomes Kamailio where the database answers."""
    if not command:
        say("what to start? as in: python3 start.py kamailio -DD -E")
        return 2
    where, token = environment.get("WARP_ACL_SNAPSHOT", ""), environment.get("WARP_ACL_RPC_TOKEN", "")
    database = Database.read(environment)
    if database and where:
        try:
            asyncio.run(database.check())
        except AwayError as away:
            return asyncio.run(stand_in(command, database, _snapshot(where, token, str(away))))
    try:
        os.execvpe(command[0], command, dict(environment))  # noqa: S606  # what the caller asked for
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 127


def _snapshot(where: str, token: str, away: str) -> Snapshot | None:
    now = time.time()
    try:
        snapshot = fetch(where, token)
    except Unusable as reason:
        say(f"the database is away ({away}) and no snapshot can be used: {reason}; calls get 503 until it is back")
        return None
    age = f"the database is away ({away}); the snapshot is {(now - snapshot.taken) / 3600:.1f} h old"
    if snapshot.until < now:
        say(f"{age}, too old to be used: calls get 503 until the database is back")
    else:
        say(f"{age}: its tables serve for {(snapshot.until - now) / 3600:.1f} h more, then calls get 503")
    return snapshot


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
