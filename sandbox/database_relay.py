"""Plaintext PostgreSQL on loopback in front of an encrypted server, like the Cloud SQL Auth Proxy beside a pod.

Kamailio needs it: its `tls` module puts OpenSSL's memory into shared memory, and libpq's own TLS in the same processes
then fails at random (kamailio/README.md). It checks the database certificate's CA and name; passwords are the server's
business.

    python -m sandbox.database_relay LISTEN_HOST LISTEN_PORT HOST PORT AUTHORITY_FILE
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import sys

SSL_REQUEST = struct.pack("!II", 8, 80877103)


async def serve(listen_host: str, listen_port: int, host: str, port: int, authority: str) -> None:
    """Relay until killed."""
    context = ssl.create_default_context(cafile=authority)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            from_server, to_server = await asyncio.open_connection(host, port)
            to_server.write(SSL_REQUEST)
            if await from_server.readexactly(1) == b"S":
                await to_server.start_tls(context, server_hostname=host)
                await asyncio.gather(_copy(reader, to_server), _answer(from_server, writer))
            to_server.close()
        writer.close()

    server = await asyncio.start_server(relay, listen_host, listen_port)
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Server to client. Channel binding would be to the server's TLS, which the client lacks: remove the offer."""
    try:
        kind, length = struct.unpack("!cI", await reader.readexactly(5))
        body = (await reader.readexactly(length - 4)).replace(b"SCRAM-SHA-256-PLUS\0", b"")
        writer.write(struct.pack("!cI", kind, len(body) + 4) + body)
        await _copy(reader, writer)
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    listen_host, listen_port, host, port, authority = sys.argv[1:]
    asyncio.run(serve(listen_host, int(listen_port), host, int(port), authority))
