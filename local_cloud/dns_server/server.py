"""The sockets: UDP and TCP on one port.

Not here: the responses (`messages.py`).
"""

from __future__ import annotations

import errno
import logging
import socketserver
import struct
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from local_cloud.dns_server.messages import respond
from local_cloud.dns_server.routing import Nearest, nowhere
from local_cloud.dns_server.zones import Lookup

logger = logging.getLogger(__name__)

TCP_IDLE_SECONDS = 10.0
TCP_CONNECTIONS = 64


class Answered(Protocol):
    """The response to a message from an address."""

    def __call__(self, packet: bytes, client: str, *, udp: bool) -> bytes | None: ...


def _answered(lookup: Lookup, nearest: Nearest, packet: bytes, client: str, *, udp: bool) -> bytes | None:
    return respond(packet, lookup, udp=udp, client=client, nearest=nearest)


class DnsServerError(Exception):
    """The server cannot be started; the message has the address and the reason."""


class DnsServer:
    """UDP and TCP on one port. After start() `port` is the actual one, also if 0 was given."""

    def __init__(self, host: str, port: int, lookup: Lookup, nearest: Nearest = nowhere) -> None:
        self.host, self.port = host, port
        self._wanted, self._respond = port, partial(_answered, lookup, nearest)
        self._servers: list[UdpServer | TcpServer] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start answering; a second call does nothing."""
        if self._servers:
            return
        self._servers = self._bind()
        self.port = int(self._servers[0].server_address[1])
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="local-cloud-dns", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Close both sockets; the server can be started again."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._servers, self._threads = [], []

    def _bind(self) -> list[UdpServer | TcpServer]:
        """Both on one port. If the system chooses it, for TCP, the same UDP port may be in use: try another."""
        for attempt in range(50):
            try:
                tcp = TcpServer((self.host, self._wanted), self._respond)
                try:
                    return [tcp, UdpServer((self.host, tcp.server_address[1]), self._respond)]
                except OSError:
                    tcp.server_close()
                    raise
            except OSError as problem:
                if self._wanted == 0 and attempt < 49 and problem.errno == errno.EADDRINUSE:
                    continue
                reason = "another program uses this port" if problem.errno == errno.EADDRINUSE else problem.strerror
                raise DnsServerError(
                    f"the DNS server cannot listen on {self.host} port {self._wanted}: {reason}; "
                    "choose another port, or stop the program that uses it"
                ) from None
        raise AssertionError("unreachable")


class UdpServer(socketserver.UDPServer):
    """One thread: an answer is computed from memory and waits for a probe at most."""

    max_packet_size = 65535

    def __init__(self, place: tuple[str, int], answered: Answered) -> None:
        self.answered = answered
        super().__init__(place, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one datagram."""
        packet, channel = request
        if response := self.answered(packet, client_address[0], udp=True):
            channel.sendto(response, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that disconnects is normal; socketserver would print a traceback."""
        logger.debug("UDP client %s disconnected", client_address, exc_info=True)


class TcpServer(socketserver.ThreadingTCPServer):
    """A thread per connection, up to a limit; idle connections are closed."""

    allow_reuse_address = True  # not for UDP, where it would let two servers share one port
    request_queue_size = TCP_CONNECTIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], answered: Answered) -> None:
        self.answered = answered
        self.free = threading.BoundedSemaphore(TCP_CONNECTIONS)
        super().__init__(place, socketserver.BaseRequestHandler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Accept the connection within the limit, else close it."""
        return self.free.acquire(blocking=False)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Any number of queries on one connection, each prefixed with its length (RFC 7766)."""
        try:
            request.settimeout(TCP_IDLE_SECONDS)
            with request.makefile("rb") as stream:
                for packet in messages(stream):
                    response = self.answered(packet, client_address[0], udp=False)
                    if response is None:
                        return
                    request.sendall(struct.pack("!H", len(response)) + response)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that disconnects is normal; socketserver would print a traceback."""
        logger.debug("TCP client %s disconnected", client_address, exc_info=True)


def messages(stream: Any) -> Iterator[bytes]:
    """The messages of a TCP stream, each prefixed with a two-byte length (RFC 1035 section 4.2.2)."""
    while len(head := stream.read(2)) == 2:
        (length,) = struct.unpack("!H", head)
        packet = stream.read(length)
        if len(packet) < length:
            return
        yield packet
