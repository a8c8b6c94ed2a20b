"""The reloader's calls: datagrams, HTTP to proxies of before, and what is said of answers that are none."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kamailio.reloader import datagram
from kamailio.reloader.rpc import Refused, Rpc, RpcError


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers with what the path's test put here."""

    status, body = 200, b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def rpc() -> Iterator[Rpc]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Rpc("127.0.0.1", server.server_port, "secrettoken", 5)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, b"", RpcError, "refuses the token"),
        (200, b"not json", RpcError, "no JSON"),
        (500, b'{"error": {"code": 500, "message": "Reload failed."}}', Refused, "core.uptime: Reload failed."),
    ],
)
def test_an_answer_that_is_no_result_is_one_line_without_the_token(
    rpc: Rpc, status: int, body: bytes, kind: type[RpcError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "body", body)
    with pytest.raises(kind, match=words) as failure:
        rpc.call("core.uptime")
    assert type(failure.value) is kind
    assert "secrettoken" not in str(failure.value)


def test_a_proxy_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RpcError, match=r"core\.uptime: no answer: .*refused"):
        Rpc("127.0.0.1", 9, "secrettoken", 5).call("core.uptime")


class Kamailio:
    """Takes datagrams as rpc.cfg does; drops the first ones, and answers with `answer` in parts of `size`."""

    def __init__(
        self,
        answer: str = "",
        size: int = 8000,
        lost: int = 0,
        status: str = "200 OK",
        copies: int = 1,
        token: str = "",
    ) -> None:
        self.token = token
        self.answer, self.size, self.lost, self.status, self.copies = answer, size, lost, status, copies
        self.calls: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                request, caller = self._socket.recvfrom(1 << 16)
                head = request.decode().split("\r\n\r\n")[0]
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
                self.calls.append(fields["Call-ID"])
                if len(self.calls) <= self.lost:
                    continue
                start = int(fields["X-WARP-From"])
                right = not self.token or fields["Authorization"] == f"Bearer {self.token}"
                status = self.status if right else "403 Forbidden"
                answer = f"SIP/2.0 {status}\r\nCall-ID: {fields['Call-ID']}\r\nCSeq: {fields['CSeq']}\r\n"
                answer += f"X-WARP-Length: {len(self.answer)}\r\n\r\n"
                # Of another call, which is not taken for ours.
                other = f"SIP/2.0 200 OK\r\nCall-ID: another\r\nCSeq: {fields['CSeq']}\r\nX-WARP-Length: 1\r\n\r\n1"
                self._socket.sendto(other.encode(), caller)
                for _ in range(self.copies):
                    self._socket.sendto((answer + self.answer[start : start + self.size]).encode(), caller)


@pytest.fixture
def datagrams() -> Iterator[Callable[..., Kamailio]]:
    made: list[Kamailio] = []

    def make(**options: Any) -> Kamailio:
        made.append(Kamailio(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_call_that_is_lost_is_repeated_under_the_same_name(datagrams: Callable[..., Kamailio]) -> None:
    kamailio = datagrams(answer='{"result": "Ok"}', lost=1)
    assert Rpc("127.0.0.1", kamailio.port, "secrettoken", 20).call("core.uptime") == "Ok"
    assert len(kamailio.calls) > 1
    assert len(set(kamailio.calls)) == 1


def test_a_long_answer_is_put_together(datagrams: Callable[..., Kamailio]) -> None:
    kamailio = datagrams(answer=json.dumps({"result": list(range(1000))}), size=700)
    assert Rpc("127.0.0.1", kamailio.port, "secrettoken", 20).call("core.uptime") == list(range(1000))


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_part(datagrams: Callable[..., Kamailio]) -> None:
    """A call that was repeated because its answer was slow has two."""
    kamailio = datagrams(answer=json.dumps({"result": list(range(1000))}), size=700, copies=2)
    assert Rpc("127.0.0.1", kamailio.port, "secrettoken", 20).call("core.uptime") == list(range(1000))


def test_a_proxy_that_refuses_the_token_is_told_without_it(datagrams: Callable[..., Kamailio]) -> None:
    kamailio = datagrams(status="403 Forbidden")
    with pytest.raises(RpcError, match="refuses the token") as failure:
        Rpc("127.0.0.1", kamailio.port, "secrettoken", 20).call("core.uptime")
    assert "secrettoken" not in str(failure.value)


def test_a_proxy_gets_the_token_that_it_was_started_with(datagrams: Callable[..., Kamailio]) -> None:
    """While the token is changed, until it is restarted; and then the new one."""
    kamailio = datagrams(answer='{"result": "Ok"}', token="old")
    rpc = Rpc("127.0.0.1", kamailio.port, "new", 20, before="old")
    for token, calls in (("old", 2), ("old", 1), ("new", 2), ("new", 1)):
        kamailio.token = token
        kamailio.calls.clear()
        assert rpc.call("core.uptime") == "Ok"
        assert len(kamailio.calls) == calls, "the one that was taken last is tried first"
    kamailio.token = "another"
    with pytest.raises(RpcError, match="refuses the token") as failure:
        rpc.call("core.uptime")
    assert not {"old", "new"} & set(str(failure.value).split())
    with pytest.raises(RpcError, match="refuses the token"):
        Rpc("127.0.0.1", kamailio.port, "new", 20).call("core.uptime")


def test_a_proxy_that_takes_no_datagrams_is_called_over_http(rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started with the fragment of before: revocations reach it until it is restarted."""
    monkeypatch.setattr(Answering, "body", b'{"result": "Ok"}')
    assert rpc.call("core.uptime") == "Ok"


def test_http_is_tried_only_after_the_longest_reload_without_an_answer(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NetworkPolicy that lets in only TCP. But a process that is silent may be doing a reload, and a proxy that has
    answered a datagram takes them."""
    monkeypatch.setattr(Answering, "body", b'{"result": "over HTTP"}')
    answers: list[str] = []
    now = 1000.0

    def call(*_: object) -> str:
        if not answers:
            raise datagram.NotAnswered("timed out")
        return answers.pop()

    def silent(rpc: Rpc) -> None:
        with pytest.raises(RpcError, match="timed out"):
            rpc.call("core.uptime", seconds=3)

    monkeypatch.setattr(datagram, "call", call)
    monkeypatch.setattr("kamailio.reloader.rpc.monotonic", lambda: now)
    never, once = (Rpc(rpc.host, rpc.port, "secrettoken", 180) for _ in range(2))
    answers.append('{"result": "a datagram"}')
    assert once.call("core.uptime") == "a datagram"
    for _ in range(3):
        silent(never)
    now += 181
    for _ in range(3):
        silent(once)
    silent(never)
    assert never.call("core.uptime") == "over HTTP"
