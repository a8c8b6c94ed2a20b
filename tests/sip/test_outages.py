"""What happens when the database, a table or a part of one is not there. No unknown source is ever accepted."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kamailio.reloader.rpc import Refused, Rpc, RpcError
from sandbox import SandboxError
from sandbox.acl import Acl
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until
from tests.sip.test_reloading import NEW, assert_harmless

RELOADS = {
    "mtree": (("htable.reload", "acl_hosts"), ("mtree.reload", "acl_prefixes"), ("htable.reload", "dedicated")),
    "permissions": (("permissions.addressReload",), ("htable.reload", "dedicated")),
}
RANGE_SOURCE = "127.0.1.200"


def test_the_old_table_serves_while_the_database_is_down(acl: Acl, edge: Edge, table: str) -> None:
    with edge.watched() as watch:
        acl.server.stop()
        try:
            seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, 10)
            for call in RELOADS[table]:
                with pytest.raises(Refused):
                    edge.proxy.rpc(10).call(*call)
            assert (edge.status(KNOWN), edge.status(RANGE_SOURCE), edge.status(UNKNOWN)) == (200, 200, 403)
        finally:
            acl.server.start()
        seconds_until(lambda: edge.metric("warp_acl_database_up") == 1, 20)
        acl.add("ACME", "main", NEW)
        seconds_until(lambda: edge.status(NEW) == 200, SOON)
        acl.remove(NEW)
        seconds_until(lambda: edge.status(NEW) == 403, SOON)
    assert_harmless(watch)


def test_what_changed_while_nobody_listened_is_loaded_when_somebody_does(acl: Acl, edge: Edge) -> None:
    with stopped_reloader(edge):
        acl.server.stop()
        acl.server.start()
        acl.add("ACME", "main", NEW)
    try:
        seconds_until(lambda: edge.status(NEW) == 200, 10)
    finally:
        acl.remove(NEW)
    seconds_until(lambda: edge.status(NEW) == 403, SOON)


@contextmanager
def stopped_reloader(edge: Edge) -> Iterator[None]:
    """The process stands still; its connection is cut meanwhile."""
    (pid,) = (
        pid for pid in edge.proxy._processes() if b"kamailio.reloader" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_without_the_database_and_snapshots_a_proxy_does_not_start_and_leaves_nothing_behind(
    acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy(table, snapshot_hours=None)
    acl.server.stop()
    try:
        with pytest.raises(SandboxError, match=r"Kamailio did not start: .*database"):
            edge.proxy.start()
    finally:
        acl.server.start()
    assert not edge.proxy.running()
    assert not edge.proxy.stop()


@contextmanager
def emptied(acl: Acl, view: str) -> Iterator[None]:
    """The view gives no row at all: not even the one that says it is there."""
    ((definition,),) = acl.do("SELECT pg_get_viewdef(%s::regclass)", f"kamailio.{view}")
    body = str(definition).rstrip("; \n")
    with acl.connection() as owner:
        owner.execute(f"CREATE OR REPLACE VIEW kamailio.{view} AS SELECT * FROM ({body}) AS was WHERE false".encode())
        try:
            yield
        finally:
            owner.execute(f"CREATE OR REPLACE VIEW kamailio.{view} AS {body}".encode())


@pytest.mark.parametrize(
    ("table", "view", "call"),
    [
        ("mtree", "acl_hosts", ("htable.reload", "acl_hosts")),
        ("mtree", "acl_prefixes", ("mtree.reload", "acl_prefixes")),
        ("mtree", "dedicated", ("htable.reload", "dedicated")),
        ("permissions", "address", ("permissions.addressReload",)),
        ("permissions", "dedicated", ("htable.reload", "dedicated")),
    ],
    indirect=["table"],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_without_a_table_the_answer_is_503_and_not_403(
    own_acl: Acl, table: str, view: str, call: tuple[str, ...], transport: str, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy(table, own_acl, reload=False)
    edge.proxy.start()
    assert (edge.status(KNOWN), edge.status(RANGE_SOURCE), edge.status(UNKNOWN)) == (200, 200, 403)
    with emptied(own_acl, view):
        seconds_until(lambda: reloaded(edge, call), 5)
        assert edge.ask(UNKNOWN, "INVITE", transport).status == 503
        assert edge.ask(RANGE_SOURCE, "INVITE", transport).status in {200, 503}
        if view in {"acl_hosts", "address", "dedicated"}:
            assert edge.ask(KNOWN, "INVITE", transport).status == 503
    seconds_until(lambda: reloaded(edge, call), 5)
    assert (edge.status(KNOWN), edge.status(RANGE_SOURCE), edge.status(UNKNOWN)) == (200, 200, 403)


def reloaded(edge: Edge, call: tuple[str, ...]) -> bool:
    """Whether Kamailio took it: permissions takes one a second."""
    try:
        edge.proxy.rpc(5).call(*call)
    except Refused:
        return False
    return True


def test_an_acl_without_entries_is_a_table_all_the_same(own_acl: Acl, table: str, new_proxy: ProxyMaker) -> None:
    own_acl.do("UPDATE accounts.customers SET active = NOT active")
    try:
        edge = new_proxy(table, own_acl, reload=False)
        edge.proxy.start()
        assert (edge.status(KNOWN), edge.status(UNKNOWN)) == (403, 403)
    finally:
        own_acl.do("UPDATE accounts.customers SET active = NOT active")


def test_ranges_above_max_subnets_are_an_alert_and_no_403(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    """Kamailio says OK and drops them: docs of the trap are in kamailio/README.md."""
    ((subnets,),) = own_acl.do("SELECT subnets FROM kamailio.acl_counts")
    most = int(subnets) - 2
    edge = new_proxy("permissions", own_acl, substitutions=(("WARP_MAX_SUBNETS", str(most)),))
    edge.proxy.start()
    seconds_until(lambda: any("ALERT" in line for line in lines(edge)), 20)
    assert edge.metric("warp_acl_proxy_complete") == 0
    (alert,) = {line.split("ERROR ")[1] for line in lines(edge) if "ALERT" in line}
    assert f"holds {most} of {subnets} subnets; raise WARP_MAX_SUBNETS" in alert
    # The longest prefixes are there; what was dropped is the widest, and nobody can tell it from an unknown source.
    assert edge.status("127.0.1.17") == 200
    assert edge.status("127.0.8.1") == 503
    assert edge.status(UNKNOWN) == 503
    assert "503, no complete table" in edge.proxy.log_file.read_text()


def lines(edge: Edge) -> list[str]:
    return edge.proxy.reloader_log.read_text().splitlines()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_rpc_does_nothing(edge: Edge, token: str) -> None:
    with pytest.raises(RpcError, match="refuses the token"):
        Rpc(edge.proxy.tcp_address, edge.proxy.rpc_port, token, 5).call("core.uptime")


def test_sips_own_port_takes_no_rpc_even_with_the_token(edge: Edge) -> None:
    token = edge.proxy.rpc()._token
    request = urllib.request.Request(
        f"http://{edge.proxy.tcp_address}:{edge.proxy.port}/",
        b'{"jsonrpc": "2.0", "method": "core.uptime", "id": 1}',
        {"Authorization": f"Bearer {token}"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert refused.value.code == 404
