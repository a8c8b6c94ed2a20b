"""TLS in front of a server built without it (the wheel).

Handles the start of PostgreSQL's protocol with the client, enforces Cloud SQL's access rules, then relays in plaintext
to the server's Unix socket:
https://www.postgresql.org/docs/current/protocol-flow.html (SSL session encryption), protocol-message-formats.html

Not here: passwords (checked by the server), and the same rules for a server with TLS (`configuration.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import ssl
import struct
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from local_cloud.postgres.errors import PostgresError
from local_cloud.postgres.roles import SUPERUSER

T = TypeVar("T")

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


class TlsFront:
    """One listening address, served by its own thread."""

    def __init__(
        self, host: str, port: int, socket: Path, context: ssl.SSLContext, *, require_tls: bool, networks: Sequence[str]
    ) -> None:
        self.require_tls, self.networks = require_tls, tuple(networks)
        self._socket, self._context = socket, context
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name=f"postgres-tls-{host}", daemon=True).start()
        try:
            self._server = self._await(asyncio.start_server(self._serve, host, port))
        except OSError as error:
            self._loop.call_soon_threadsafe(self._loop.stop)
            reason = os.strerror(error.errno or 0)  # asyncio's message repeats the address
            raise PostgresError(f"PostgreSQL for {host}:{port} did not start: could not bind: {reason}") from None

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def stop(self) -> None:
        """Close every connection."""

        async def close() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._await(close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled only by stop(), which waits for it; a task that ends as cancelled is reported as a failure.
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            opening = await asyncio.wait_for(self._open(reader, writer), timeout=60)
            if opening:
                from_server, to_server = await asyncio.open_unix_connection(self._socket)
                to_server.write(opening)
                await asyncio.gather(self._relay(reader, to_server), self._relay(from_server, writer))
        writer.close()

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Answer requests for encryption; returns the first message for the server, or nothing."""
        encrypted = False
        while True:
            length, code = struct.unpack("!II", head := await reader.readexactly(8))
            if not 8 <= length <= 10_000:  # MAX_STARTUP_PACKET_LENGTH of PostgreSQL
                return b""
            body = await reader.readexactly(length - 8)
            if code == SSL_REQUEST and not encrypted:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                encrypted = True
            elif code in (SSL_REQUEST, GSSENC_REQUEST):
                writer.write(b"N")
            else:
                refusal = self._refusal(body, encrypted, str(writer.get_extra_info("peername")[0]))
                if code == CANCEL_REQUEST or not refusal:
                    return head + body
                error = b"SFATAL\0VFATAL\0C28000\0M" + refusal.encode() + b"\0\0"
                writer.write(b"E" + struct.pack("!I", len(error) + 4) + error)
                await writer.drain()
                return b""

    def _refusal(self, startup: bytes, encrypted: bool, client: str) -> str | None:
        """The refusal by the rules of pg_hba.conf, applied here because the server sees only a Unix socket."""
        words = startup.decode(errors="replace").split("\0")
        fields = dict(zip(words[::2], words[1::2], strict=False))
        user, database = fields.get("user", ""), fields.get("database", fields.get("user", ""))
        who = f'host "{client}", user "{user}", database "{database}", {"SSL" if encrypted else "no"} encryption'
        if user == SUPERUSER:
            return f"pg_hba.conf rejects connection for {who}"
        admitted = any(
            ipaddress.ip_address(client) in ipaddress.ip_network(each, strict=False) for each in self.networks
        )
        return f"no pg_hba.conf entry for {who}" if not admitted or (self.require_tls and not encrypted) else None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
