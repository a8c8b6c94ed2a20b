"""A network that drops everything, on loopback and without rights: what a broken path, a lost node and a firewall do.

A relay stands between client and server. When it is silent, a packet filter on its sockets discards what arrives before
TCP sees it: nothing is acknowledged, nothing refused, no new connection answered. (In a network namespace whose routes
are taken away the same times were measured: kamailio/README.md.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cloud.postgres import PostgresServer

# https://www.kernel.org/doc/html/latest/networking/filter.html: one instruction, "return 0 bytes".
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
DISCARD = struct.pack("HBBI", 0x06, 0, 0, 0)


class Link:
    """From an address to a server, until it is closed."""

    def __init__(self, host: str, port: int, server: tuple[str, int]) -> None:
        self._server = server
        self._listening = socket.create_server((host, port), backlog=64)
        self._ends: list[socket.socket] = []
        self._open = threading.Event()
        self._open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing arrives in either direction."""
        self._open.clear()
        program = ctypes.create_string_buffer(DISCARD)
        code = struct.pack("HP", 1, ctypes.addressof(program))
        for each in (self._listening, *self._ends):
            with contextlib.suppress(OSError):  # closed long ago
                each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, code)
        try:
            yield
        finally:
            for each in (self._listening, *self._ends):
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            self._open.set()

    def close(self) -> None:
        for each in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._ends += client, server
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                self._open.wait()
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """Every process of it is stopped: its kernel still answers, it does not."""
    main = int((server.log_file.parent / "pgdata" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(main, signal.SIGSTOP)  # first: it makes no more of them
    children = [int(word) for word in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
    try:
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in (*children, main):
            os.kill(pid, signal.SIGCONT)
