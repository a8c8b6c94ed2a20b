"""What tests ask of a running proxy, and for how long they wait for it."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.sip_probe import ask
from sandbox.sip_proxy import SipProxy
from verify.sip import Answer, Peer, request

KNOWN, UNKNOWN = "127.0.0.2", "127.0.99.9"
SOON = 2.0  # how long a change may take, from the statement's end
ENOUGH = 5  # answers of a watch: fewer have seen nothing


@dataclass(frozen=True)
class Edge:
    """A proxy from a client's side."""

    proxy: SipProxy

    def place(self, transport: str) -> tuple[str, int]:
        return self.proxy.place(transport)

    def ask(
        self, source: str, method: str = "OPTIONS", transport: str = "udp", more: str = "", port: int = 0
    ) -> Answer:
        address, usual = self.place(transport)
        port = port or usual
        authority = self.proxy.authority if transport == "tls" else None
        peer = Peer(address, port, transport, source)
        return ask(request(method, peer, more), peer, authority)

    def status(self, source: str, port: int = 0) -> int:
        return self.ask(source, port=port).status

    @property
    def six_port(self) -> int:
        return next(int(one.rpartition(":")[2]) for one in self.proxy.also_listen if "[::1]" in one)

    @property
    def both_port(self) -> int:
        """Of sockets of both families."""
        return next(int(one.rpartition(":")[2]) for one in self.proxy.also_listen if "[::]" in one)

    def six(self) -> Answer:
        """An OPTIONS from ::1."""
        peer = Peer("::1", self.six_port, "udp", "::1")
        return ask(request("OPTIONS", peer), peer)

    def metrics(self) -> dict[str, float]:
        url = f"http://{self.proxy.tcp_address}:{self.proxy.status_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def metric(self, name: str) -> float | None:
        """The number of that name, of the one proxy there is."""
        return next((value for full, value in self.metrics().items() if full.split("{")[0] == name), None)

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        """Ask from a known and an unknown source, all the time."""
        watch = Watch(self)
        watch.thread.start()
        try:
            yield watch
            seconds_until(lambda: len(watch.known) > ENOUGH or not watch.thread.is_alive(), 60)
        finally:
            watch.over.set()
            watch.thread.join()


@dataclass
class Watch:
    """Answers seen by a thread."""

    edge: Edge
    known: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self.over.wait(0.005):
            self.known.append(self.edge.status(KNOWN))
            self.unknown.append(self.edge.status(UNKNOWN))


def seconds_until(met: Callable[[], bool], most: float) -> float:
    """How long it took; fails when it takes longer than that."""
    began = time.monotonic()
    while not met():
        taken = time.monotonic() - began
        assert taken < most, f"not within {most} s"
        time.sleep(0.01)
    return time.monotonic() - began
