"""Stands between a run and its server, counts statements, and at one of them strikes.

Speaks enough of PostgreSQL's protocol to see statements in it:
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

_SALTED = re.compile(r"'SCRAM-SHA-256\$[^']*'")  # different in every run
# What makes the server act and answer: a simple query, the end of an extended one, the end of a COPY.
QUERY, PARSE, BIND, SYNC, COPY_DONE = b"Q", b"P", b"B", b"S", b"c"


class KillingRelay:
    """One connection's relay. `strike` is called right after the statement of that number (from 1) was sent on.

    Its answer is not: a run that is killed then has asked and never heard. `statements`: what was sent, in order.
    """

    def __init__(self, host: str, port: int, number: int, strike: Callable[[], None], *, deliver: bool) -> None:
        self.statements: list[str] = []
        self.struck = False
        self._server, self._number, self._strike, self._deliver = (host, port), number, strike, deliver
        self._texts: dict[bytes, str] = {}
        self._last = ""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            client, _ = self._listening.accept()
            with client, socket.create_connection(self._server) as server:
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=self._answers, args=(server, client), daemon=True)
                back.start()
                with contextlib.suppress(OSError, EOFError):
                    self._questions(client, server)
                if self.struck and self._deliver:
                    back.join(10)  # the server's last words, which say why it ends
                for each in (server, client):
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
                back.join(10)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if not self._silent.is_set():
                    client.sendall(data)

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        (length,) = struct.unpack("!I", head := _read(client, 4))
        server.sendall(head + _read(client, length - 4))  # the one message without a type
        while True:
            kind, length = struct.unpack("!cI", head := _read(client, 5))
            body = _read(client, length - 4)
            statement = self._statement(kind, body)
            if statement is not None:
                self.statements.append(_SALTED.sub("a verifier", statement))
            strikes = statement is not None and len(self.statements) == self._number
            if strikes and not self._deliver:
                self._silent.set()
            server.sendall(head + body)
            if strikes:
                self.struck = True
                self._strike()
                return

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """The statement that this message completes."""
        if kind == QUERY:
            return _text(body)
        if kind == PARSE:
            name, text = body.split(b"\0", 2)[:2]
            self._texts[name] = self._last = text.decode()
        elif kind == BIND:
            self._last = self._texts.get(body.split(b"\0", 2)[1], "")
        elif kind == SYNC:
            return self._last
        elif kind == COPY_DONE:
            return "end of COPY"
        return None


def _text(body: bytes) -> str:
    return body.rstrip(b"\0").decode()


def _read(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        data = source.recv(count - len(found))
        if not data:
            raise EOFError
        found += data
    return found
