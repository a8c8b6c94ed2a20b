"""SIP servers for tests, on loopback: each answers as configured, also in ways that no correct server would."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Request -> everything that is sent back; None: nothing, and the connection stays open.
Behaviour = Callable[[str], bytes | None]


def answer(request: str, first: str = "SIP/2.0 200 OK", more: str = "Server: test\r\n") -> bytes:
    """A correct response to a request (RFC 3261, section 8.2.6)."""
    copied = [line for line in request.split("\r\n") if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
    return "\r\n".join([first, *copied, f"{more}Content-Length: 0", "", ""]).encode()


@dataclass
class Servers:
    """Addresses of one test, and the requests that they received, with times."""

    network: str = field(default_factory=lambda: f"127.94.{secrets.randbelow(250)}")
    came: list[tuple[str, float]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)

    def udp(self, behaviour: Behaviour, last: int = 1, port: int = 0) -> int:
        taken = socket.socket(type=socket.SOCK_DGRAM)
        taken.bind((f"{self.network}.{last}", port))
        self._run(taken, lambda: self._datagrams(taken, behaviour))
        return int(taken.getsockname()[1])

    def tcp(self, behaviour: Behaviour, last: int = 2, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        taken = socket.create_server((f"{self.network}.{last}", port))
        self._run(taken, lambda: self._connections(taken, behaviour, tls))
        return int(taken.getsockname()[1])

    def _run(self, taken: socket.socket, work: Callable[[], None]) -> None:
        taken.settimeout(0.1)
        self.sockets.append(taken)
        threading.Thread(target=work, daemon=True).start()

    def _datagrams(self, taken: socket.socket, behaviour: Behaviour) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                packet, sender = taken.recvfrom(65535)
                self.came.append((packet.decode(errors="replace"), time.monotonic()))
                if (reply := behaviour(packet.decode(errors="replace"))) is not None:
                    taken.sendto(reply, sender)

    def _connections(self, taken: socket.socket, behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                plain, _ = taken.accept()
                threading.Thread(target=self._connection, args=(plain, behaviour, tls), daemon=True).start()

    def _connection(self, plain: socket.socket, behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
        plain.settimeout(5)
        with contextlib.suppress(OSError), plain, tls.wrap_socket(plain, server_side=True) if tls else plain as stream:
            request = stream.recv(65535).decode(errors="replace")
            if not request:
                return
            reply = behaviour(request)
            while reply is not None and not self.over.is_set():
                stream.sendall(reply)
                if b"Content-Length: 0\r\n\r\n" in reply or not reply:
                    return
            self.over.wait(30)


@contextmanager
def servers() -> Iterator[Servers]:
    made = Servers()
    try:
        yield made
    finally:
        made.over.set()
        for each in made.sockets:
            each.close()
