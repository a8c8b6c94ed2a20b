"""In front of the database, for a Kamailio that starts while it is away (`start.py`): a socket that speaks PostgreSQL's
protocol, as far as Kamailio's modules do.

Kamailio's main process is given the snapshot there, and no other process: it loads tables only before it has children,
so no reload can read the snapshot. All others are connected to the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kamailio.snapshot import Part, Snapshot

# Before Kamailio; and in front of it, where libpq waits for us for 5 s (connect_timeout of ip_auth.cfg).
CHECK_SECONDS, REACH_SECONDS = 10.0, 2.5
INT4, VARCHAR = 23, 1043  # catalog/pg_type.dat
SSL_REQUEST, GSS_REQUEST, PROTOCOL = 80877103, 80877104, 196608
# As ip_auth.cfg has it for Kamailio's own connections.
GIVEN_UP = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, option, value) for option, value in (
    (socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_USER_TIMEOUT, 2500),
)))  # fmt: skip


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
