"""A database that goes silent: nobody waits for it longer than ten seconds, and it is reported within fifteen."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kamailio.reloader.proxy import TOO_SOON
from kamailio.reloader.rpc import Refused
from sandbox.acl import Acl
from sandbox.sip_proxy import Database, SipProxy
from tests.sip.conftest import NETWORK, ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until
from tests.sip.silence import Link, standing_still
from tests.sip.test_outages import RELOADS, reloaded

BACK, REPORTED = 10.0, 15.0
NEW = "127.0.42.1"
LINKED_PORT = 5433


@dataclasses.dataclass(frozen=True)
class LinkedProxy(SipProxy):
    """Kamailio reaches the relay of the sandbox over a link of the test's."""

    def _start_relay(self, folder: Path) -> None:
        SipProxy._start_relay(dataclasses.replace(self, relay_port=self.relay_port + 1), folder)


@pytest.fixture
def kamailios_link(acl: Acl, table: str, tmp_path: Path) -> Iterator[tuple[Link, Edge]]:
    host = f"{NETWORK}.50"
    proxy = LinkedProxy(tmp_path / "sip", host, host, acl.database, table=table, reload=False)
    link = Link(host, proxy.relay_port, (host, proxy.relay_port + 1))
    try:
        before = connections(acl)
        proxy.start()
        if table == "mtree":
            await_all_connections(Edge(proxy), acl, before)
        yield link, Edge(proxy)
    finally:
        proxy.stop()
        link.close()


def test_a_database_that_is_silent_during_a_reload_holds_rpc_back_for_ten_seconds_at_most(
    kamailios_link: tuple[Link, Edge], table: str
) -> None:
    link, edge = kamailios_link
    call = RELOADS[table][0]
    seconds_until(lambda: reloaded(edge, call), 10)  # by now it has its connection
    with link.silent():
        began = time.monotonic()
        assert refusal(edge, call)
        assert time.monotonic() - began < BACK
        assert (edge.status(KNOWN), edge.status(UNKNOWN)) == (200, 403)
    seconds_until(lambda: reloaded(edge, call), BACK)


def refusal(edge: Edge, call: tuple[str, ...]) -> str:
    """Kamailio's, and not that the last reload is less than a second ago."""
    while True:
        with pytest.raises(Refused) as refused:
            edge.proxy.rpc(60).call(*call)
        if TOO_SOON not in str(refused.value):
            return str(refused.value)


@pytest.fixture
def reloaders_link(acl: Acl) -> Iterator[tuple[Link, Acl]]:
    """The database at another port, over a link."""
    server = acl.server
    link = Link(server.host, LINKED_PORT, (server.host, server.port))

    class Linked(Acl):
        @property
        def database(self) -> Database:
            return dataclasses.replace(super().database, port=LINKED_PORT)

    yield link, Linked(server, acl.name)
    link.close()


def test_a_silent_network_is_reported_and_the_reloader_is_back_within_ten_seconds(
    reloaders_link: tuple[Link, Acl], new_proxy: ProxyMaker
) -> None:
    link, acl = reloaders_link
    edge = new_proxy("mtree", acl)
    edge.proxy.start()
    seconds_until(lambda: edge.metric("warp_acl_database_up") == 1, 20)
    with link.silent():
        seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, REPORTED)
        acl.add("ACME", "main", NEW)
    try:
        seconds_until(lambda: edge.status(NEW) == 200, BACK)
    finally:
        acl.remove(NEW)
    seconds_until(lambda: edge.status(NEW) == 403, SOON)


def test_a_server_that_stands_still_is_reported_within_fifteen_seconds(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree")
    edge.proxy.start()
    seconds_until(lambda: edge.metric("warp_acl_database_up") == 1, 20)
    with standing_still(acl.server):
        seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, REPORTED)
        assert (edge.status(KNOWN), edge.status(UNKNOWN)) == (200, 403)
    seconds_until(lambda: edge.metric("warp_acl_database_up") == 1, BACK)


def test_a_reload_does_not_wait_for_a_server_that_stands_still(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree", own_acl, reload=False, substitutions=(("WARP_DB_SECONDS", "1"),))
    edge.proxy.start()
    await_all_connections(edge, own_acl)
    with standing_still(own_acl.server):
        assert "reload failed" in refusal(edge, ("htable.reload", "acl_hosts"))
    assert reloaded(edge, ("htable.reload", "acl_hosts"))


def await_all_connections(edge: Edge, acl: Acl, before: int = 0) -> None:
    """Kamailio answers before all its processes are connected, and ends when one cannot. With mtree every process has a
    connection, except the two main ones. `before`: connections to this database that others had."""

    def connected() -> bool:
        try:
            processes = len(edge.proxy.rpc(20).call("core.psx")) - 2
        except Refused:  # another call, over HTTP, was answered and is not over yet
            return False
        return connections(acl) - before >= processes

    seconds_until(connected, 20)


def connections(acl: Acl) -> int:
    """As the reader, to this database."""
    ((number,),) = acl.do(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'warp_acl_reader'"
    )
    return int(number)
