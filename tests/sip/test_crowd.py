"""Strangers who only hold connections open: they keep no change from a proxy. Limits are scaled down."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from kamailio.reloader import datagram
from kamailio.reloader.rpc import Refused, RpcError
from sandbox.acl import Acl
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until
from verify.sip import Peer, request

CONNECTIONS = 12
BUSY = "another call is being done"
NEW = "127.0.43.1"


def connection(edge: Edge, source: str) -> socket.socket:
    return socket.create_connection(edge.place("tcp"), timeout=10, source_address=(source, 0))


@contextmanager
def crowded(edge: Edge) -> Iterator[None]:
    """No connection is left for anybody else."""
    with contextlib.ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(connection(edge, UNKNOWN))
        seconds_until(lambda: edge.proxy.rpc().call("core.tcp_info")["opened_connections"] == CONNECTIONS, 10)
        with pytest.raises(RpcError, match="no answer"):
            edge.proxy.rpc(over_http=True).call("core.uptime")
        yield


def test_a_revocation_reaches_a_proxy_that_has_no_connection_left(acl: Acl, table: str, new_proxy: ProxyMaker) -> None:
    edge = new_proxy(table, substitutions=(("WARP_CONNECTIONS", str(CONNECTIONS)),))
    edge.proxy.start()
    acl.add("ACME", "main", NEW)
    try:
        seconds_until(lambda: edge.status(NEW) == 200, 10)
        with crowded(edge):
            acl.remove(NEW)
            seconds_until(lambda: edge.status(NEW) == 403, SOON)
            assert edge.metric("warp_acl_proxy_up") == 1
    finally:
        acl.remove(NEW)


def test_a_connection_on_which_nothing_comes_is_closed(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree", reload=False, substitutions=(("WARP_IDLE_SECONDS", "1"),))
    edge.proxy.start()
    with connection(edge, UNKNOWN) as idle:
        assert idle.recv(1) == b""


def test_a_caller_who_is_refused_keeps_no_connection_and_a_customer_does(edge: Edge) -> None:
    address, port = edge.place("tcp")
    for source, status in ((UNKNOWN, b"403"), (KNOWN, b"200")):
        with connection(edge, source) as caller:
            asked = request("OPTIONS", Peer(address, port, "tcp", source)).encode()
            caller.sendall(asked)
            assert b"SIP/2.0 " + status in caller.recv(65535)
            if status == b"403":
                assert caller.recv(1) == b""
            else:
                caller.sendall(asked)
                assert b"SIP/2.0 200" in caller.recv(65535)


# The control channel itself


def test_a_call_that_is_repeated_is_done_once(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer to it is the first one, also of a call whose answer would be another one by now."""
    proxy = edge.proxy
    monkeypatch.setattr("kamailio.reloader.datagram.secrets.token_hex", lambda _: "always-the-same")
    body = json.dumps({"jsonrpc": "2.0", "method": "htable.stats", "params": [], "id": 1})

    def answer() -> str:
        return datagram.call(proxy.tcp_address, proxy.rpc_port, proxy.rpc()._token, body, 5)

    first = answer()
    over_http(edge, "htable.sets", "dedicated", "once", "x")
    try:
        assert answer() == first
    finally:
        over_http(edge, "htable.delete", "dedicated", "once")


def over_http(edge: Edge, *call: str) -> None:
    """Done once the reloader has no call of its own there."""

    def done() -> bool:
        try:
            edge.proxy.rpc(over_http=True).call(*call)
        except Refused as refused:
            assert BUSY in str(refused)
            return False
        return True

    seconds_until(done, 20)


def test_one_call_is_done_at_a_time_whichever_way_it_comes(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    """Two reloads of `permissions` at a time can crash Kamailio. A reload waits here for a table that is locked."""
    edge = new_proxy("mtree", own_acl, reload=False)
    edge.proxy.start()
    waiting = (
        "SELECT FROM pg_locks JOIN pg_database AS here ON here.oid = database"
        " WHERE datname = current_database() AND NOT granted"
    )
    for first_over_http in (False, True):
        first = edge.proxy.rpc(60, over_http=first_over_http)
        second = edge.proxy.rpc(20, over_http=not first_over_http)
        with ThreadPoolExecutor() as threads:
            with own_acl.connection() as owner, owner.transaction():
                owner.execute("LOCK TABLE accounts.trunk_ips")
                reload = threads.submit(first.call, "htable.reload", "acl_hosts")
                seconds_until(lambda: bool(owner.execute(waiting).fetchall()), 20)
                with pytest.raises(Refused, match=BUSY):
                    second.call("core.uptime")
                assert not reload.done()
            assert reload.result(60)
        assert second.call("core.uptime")


def test_what_is_no_call_keeps_no_other_out(edge: Edge) -> None:
    proxy = edge.proxy
    token = proxy.rpc()._token
    for body in ("", "x", "{", "[]", "{}", '{"jsonrpc": "2.0", "method": "core.uptime", "params": 1, "id": 1}'):
        with contextlib.suppress(datagram.NotAnswered):
            datagram.call(proxy.tcp_address, proxy.rpc_port, token, body, 2)
        with contextlib.suppress(datagram.NotAnswered):
            proxy.rpc(over_http=True)._http(body, 2)
    over_http(edge, "core.uptime")
    assert proxy.rpc(10).call("core.uptime")


def test_an_answer_that_fits_in_no_datagram_arrives_whole(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    own_acl.do(
        "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr)"
        " SELECT id, ban, one::cidr FROM accounts.trunk_groups, unnest(%s::text[]) AS one"
        " WHERE ban = 'ACME' AND name = 'main'",
        [f"127.0.{third}.{16 * n}/28" for third in range(60, 68) for n in range(16)],
    )
    edge = new_proxy("permissions", own_acl, reload=False)
    edge.proxy.start()
    dump = edge.proxy.rpc().call("permissions.subnetDump")
    assert len(json.dumps(dump)) > 8000
    assert dump == edge.proxy.rpc(over_http=True).call("permissions.subnetDump")


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER", "BYE"])
def test_a_customer_gets_no_call_through_the_port_of_rpc(edge: Edge, method: str) -> None:
    """Nothing that comes there reaches request_route: not answered, or refused for want of a token."""
    place = Peer(edge.proxy.tcp_address, edge.proxy.rpc_port, "udp", KNOWN)
    with socket.socket(type=socket.SOCK_DGRAM) as caller:
        caller.bind((KNOWN, 0))
        caller.settimeout(5)
        for each in (method, "MESSAGE"):
            caller.sendto(request(each, place).encode(), (place.address, place.port))
        answer = caller.recv(65535)
    assert answer.startswith(b"SIP/2.0 403 ")
    assert b"CSeq: 1 MESSAGE" in answer


def test_an_error_of_kamailios_is_its_words(edge: Edge) -> None:
    with pytest.raises(Refused, match=r"no\.such: Method Not Found"):
        edge.proxy.rpc().call("no.such")
