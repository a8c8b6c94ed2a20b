"""How the program gets to the database, what it waits for, and what it takes for an answer."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from components.trunk_acl import reach
from refusal import Refusal
from tests.database.conftest import Happening
from tests.database.servers import HOST, PASSWORD, USER, Database, Server, free_port

ELSEWHERE = "127.0.0.1"


class Relay:
    """A plain relay to a server, as the Cloud SQL Auth Proxy stands on this machine; counts who came."""

    def __init__(self, host: str, port: int) -> None:
        self.server, self.connections = (host, port), 0
        self.listening: socket.socket | None = None

    def open(self, port: int, host: str = ELSEWHERE) -> None:
        self.listening = socket.create_server((host, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        if self.listening:
            with contextlib.suppress(OSError):
                self.listening.shutdown(socket.SHUT_RDWR)
            self.listening.close()

    def _serve(self) -> None:
        assert self.listening
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                self.connections += 1
                server = socket.create_connection(self.server)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    made = Relay(server.postgres.host, server.postgres.port)
    yield made
    made.close()


def refusal(target: reach.Target) -> tuple[str, float]:
    """The error, and how long it took."""
    begin = time.monotonic()
    with pytest.raises(Refusal) as failed, reach.connected(target):
        pass
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert PASSWORD not in str(failed.value)
    return str(failed.value), time.monotonic() - begin


def test_direct_is_encrypted_and_the_server_s_authority_is_checked(acl: Database) -> None:
    with reach.connected(acl.target()) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.autocommit
        assert connection.execute("SELECT current_user::text").fetchone() == (USER,)


def test_a_server_with_another_authority_is_refused(acl: Database) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    told, took = refusal(acl.target(ca=other, deadline_seconds=60))
    assert "certificate verify failed" in told
    assert took < 30, "it is not tried again"


def test_a_server_that_offers_no_encryption_is_refused(acl: Database) -> None:
    """As somebody in between would, to hear the password."""
    port = free_port()
    with socket.create_server((HOST, port)) as pretender:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = pretender.accept()
                    client.recv(8)
                    client.sendall(b"N")
                    heard.append(client.recv(1 << 16))
                    client.close()

        heard: list[bytes] = []
        threading.Thread(target=serve, daemon=True).start()
        for ca in (acl.server.server_ca, ""):
            told, _ = refusal(acl.target(port=port, ca=ca, deadline_seconds=0.5))
            assert "does not support SSL" in told
        pretender.shutdown(socket.SHUT_RDWR)
    assert set(heard) == {b""}


def test_a_port_where_nobody_listens_is_waited_for_until_the_deadline_then_one_clear_error(acl: Database) -> None:
    port = free_port()
    told, took = refusal(acl.target(port=port, deadline_seconds=1.2))
    assert f"cannot connect to database {acl.name} at {HOST}:{port} as {USER}: " in told
    assert "Connection refused" in told
    assert "\n  -> is the address reachable from here" in told
    assert took > 0.7, "one more pause of 0.5 s, after the first of 0.25 s, would end after the deadline"


def test_a_server_that_begins_to_listen_meanwhile_is_reached(
    acl: Database, relay: Relay, in_the_first_pause: Callable[[Happening], None]
) -> None:
    port = free_port(ELSEWHERE)
    in_the_first_pause(lambda: relay.open(port))
    with reach.connected(acl.target(access="proxy", port=port, deadline_seconds=60)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_pauses_between_attempts_grow(acl: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(Refusal), reach.connected(acl.target(port=free_port(), deadline_seconds=60)):
        pass
    assert pauses[:6] == [0.25, 0.5, 1, 2, 4, 8]
    assert set(pauses[6:]) == {8}
    assert 50 < sum(pauses) <= 60


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "not-it"}, "password authentication failed"),
        ({"password": None}, "no password supplied"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"user": "nobody"}, "password authentication failed"),
    ],
)  # fmt: skip
def test_a_server_that_says_no_is_asked_once(acl: Database, relay: Relay, wrong: dict[str, Any], words: str) -> None:
    port = free_port(ELSEWHERE)
    relay.open(port)
    told, took = refusal(acl.target(access="proxy", port=port, deadline_seconds=60, **wrong))
    assert words in told
    assert "\n  -> the server answers and refuses: look at the user, its password and the database's name" in told
    assert relay.connections == 1
    assert took < 30


def test_through_a_proxy_on_this_machine_it_is_plain_to_the_proxy_and_nowhere_else(acl: Database, relay: Relay) -> None:
    port = free_port(ELSEWHERE)
    relay.open(port)
    # The host is not where a proxy is reached.
    with reach.connected(acl.target(access="proxy", port=port, host="192.0.2.1", ca="")) as connection:
        assert not connection.pgconn.ssl_in_use
        assert connection.info.host == ELSEWHERE
    assert relay.connections == 1


def test_a_proxy_that_does_not_run_is_told_with_the_command_that_starts_it(acl: Database) -> None:
    port = free_port(ELSEWHERE)
    told, _ = refusal(acl.target(access="proxy", port=port, deadline_seconds=0.5))
    assert f"at the proxy at 127.0.0.1:{port} as {USER}: " in told
    assert f"\n  -> start it: cloud-sql-proxy --port {port} p:r:i" in told


def test_a_database_that_is_full_is_tried_again(own: Database, in_the_first_pause: Callable[[Happening], None]) -> None:
    """`too many connections` is FATAL, and passes."""
    own.do(f"ALTER DATABASE {own.name} CONNECTION LIMIT 1")
    holder = own.connect()
    in_the_first_pause(holder.close)
    with reach.connected(own.target(deadline_seconds=60)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


ENVIRONMENT = {
    "PGHOST": "192.0.2.1", "PGHOSTADDR": "127.91.5.251", "PGPORT": "1", "PGUSER": "other", "PGDATABASE": "other",
    "PGPASSWORD": "other", "PGSSLMODE": "disable", "PGOPTIONS": "-c search_path=evil", "PGAPPNAME": "other",
    "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "1", "PGGSSENCMODE": "require",
}  # fmt: skip


def test_what_stands_in_the_environment_changes_nothing(acl: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with reach.connected(acl.target(deadline_seconds=3)) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SHOW search_path").fetchone() != ("evil",)
        assert connection.execute("SELECT current_user::text, current_database()::text").fetchone() == (USER, acl.name)


def test_the_authority_s_file_is_gone_afterwards(
    acl: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with reach.connected(acl.target()):
        assert any(tmp_path.iterdir())
    assert not any(tmp_path.iterdir())
