"""Two reloaders for the same proxy, as the cluster runs them: one leads, and the loss of its node costs seconds."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sandbox.acl import Acl
from sandbox.sip_proxy import Database
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import SOON, Edge, seconds_until
from tests.sip.reloaders import Reloader
from tests.sip.silence import Link
from tests.sip.test_reloading import assert_harmless

TAKEN_OVER = 10.0
LINKED_PORT = 5434
NEW, RANGE, INSIDE = "127.0.44.1", "127.0.45.0/24", "127.0.45.7"


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pair(edge: Edge, first: Database, second: Database, ended: ExitStack) -> tuple[Reloader, Reloader]:
    """The one that leads, and the one that stands by."""
    edge.proxy.start()
    reloaders = []
    for number, database in enumerate((first, second)):
        reloaders.append(Reloader(edge.proxy, number, database))
        ended.callback(reloaders[-1].stop)
        reloaders[-1].started()
    leading, standing_by = reloaders
    seconds_until(lambda: (leading.metric("warp_acl_reloads_total") or 0) > 0, 20)
    assert leading.leads
    assert standing_by.stands_by
    assert leading.ready
    assert standing_by.ready
    return leading, standing_by


def assert_changes_arrive(acl: Acl, edge: Edge, most: float = SOON) -> None:
    # With `permissions` a host is as a range, and each change takes a second.
    for entry, source in ((NEW, NEW), (RANGE, INSIDE))[: 2 if edge.proxy.table == "mtree" else 1]:
        acl.add("ACME", "main", entry)
        seconds_until(lambda source=source: edge.status(source) == 200, most)  # type: ignore[misc]
        acl.remove(entry)
        seconds_until(lambda source=source: edge.status(source) == 403, most)  # type: ignore[misc]


def test_one_of_two_calls_the_proxy_and_the_other_takes_over_when_it_is_killed(
    acl: Acl, table: str, new_proxy: ProxyMaker, ended: ExitStack
) -> None:
    edge = new_proxy(table, reload=False)
    leading, standing_by = pair(edge, acl.database, acl.database, ended)
    with edge.watched() as watch:
        assert_changes_arrive(acl, edge)
        assert standing_by.metric("warp_acl_proxy_up") is None, "it called a proxy"
        leading.process.kill()
        seconds_until(lambda: standing_by.leads, TAKEN_OVER)
        assert_changes_arrive(acl, edge, TAKEN_OVER)
        seconds_until(lambda: standing_by.metric("warp_acl_proxy_complete") == 1, TAKEN_OVER)
    assert_harmless(watch)


def test_when_the_node_of_the_leading_one_is_lost_the_other_takes_over_within_ten_seconds(
    acl: Acl, new_proxy: ProxyMaker, ended: ExitStack
) -> None:
    """Its connection is silent, in both directions, and it goes on calling the proxy: two at once, for the worst."""
    server = acl.server
    link = Link(server.host, LINKED_PORT, (server.host, server.port))
    ended.callback(link.close)
    edge = new_proxy("mtree", reload=False)
    leading, standing_by = pair(edge, dataclasses.replace(acl.database, port=LINKED_PORT), acl.database, ended)
    with edge.watched() as watch:
        with link.silent():
            acl.add("ACME", "main", NEW)
            try:
                seconds_until(lambda: standing_by.leads, TAKEN_OVER)
                seconds_until(lambda: edge.status(NEW) == 200, SOON)
            finally:
                acl.remove(NEW)
            seconds_until(lambda: edge.status(NEW) == 403, TAKEN_OVER)
            seconds_until(lambda: not leading.ready, TAKEN_OVER)
            assert_changes_arrive(acl, edge, TAKEN_OVER)
        seconds_until(lambda: leading.stands_by and leading.ready, 20)
        assert leading.metric("warp_acl_proxy_up") is None, "it left the proxies to the other one"
        assert standing_by.leads
        assert_changes_arrive(acl, edge)
    assert_harmless(watch)


def test_one_that_hangs_and_goes_on_later_does_no_harm(
    acl: Acl, table: str, new_proxy: ProxyMaker, ended: ExitStack
) -> None:
    """It holds the lease meanwhile: the liveness probe ends it. Here the server ends its connection instead."""
    edge = new_proxy(table, reload=False)
    leading, standing_by = pair(edge, acl.database, acl.database, ended)
    with edge.watched() as watch:
        os.kill(leading.process.pid, signal.SIGSTOP)
        try:
            acl.do(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND application_name = 'warp-acl-reloader'"
            )
            seconds_until(lambda: standing_by.leads, TAKEN_OVER)
            acl.add("ACME", "main", NEW)
            seconds_until(lambda: edge.status(NEW) == 200, TAKEN_OVER)
        finally:
            os.kill(leading.process.pid, signal.SIGCONT)
        try:
            seconds_until(lambda: leading.stands_by and leading.ready, 20)
        finally:
            acl.remove(NEW)
        seconds_until(lambda: edge.status(NEW) == 403, TAKEN_OVER)
    assert_harmless(watch)
