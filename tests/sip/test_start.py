"""A proxy that starts while the database is away: from the reloader's snapshot, for a while, or answering 503."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sip.acl import Acl
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until
from tests.sip.test_outages import RANGE_SOURCE

TAKEN, READ = "warp_acl_snapshot_timestamp_seconds", "warp_acl_proxy_tables_timestamp_seconds"


@contextmanager
def away(acl: Acl) -> Iterator[None]:
    acl.server.stop()
    try:
        yield
    finally:
        acl.server.start()


def with_snapshot(edge: Edge) -> Edge:
    edge.proxy.start()
    seconds_until(lambda: (edge.metric(TAKEN) or 0) > 0 and edge.metric("warp_acl_proxy_complete") == 1, 20)
    return edge


def test_a_proxy_starts_from_the_snapshot_and_takes_revocations_when_the_database_is_back(
    own_acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = with_snapshot(new_proxy(table, own_acl))
    with away(own_acl):
        seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, 20)
        edge.proxy.restart_kamailio()
        assert (edge.status(KNOWN), edge.status(RANGE_SOURCE), edge.status(UNKNOWN)) == (200, 200, 403)
        print(edge.proxy.log_file.read_text()[-3000:])
    own_acl.remove(KNOWN)
    seconds_until(lambda: edge.status(KNOWN) == 403, 20)
    print(edge.proxy.log_file.read_text()[-3000:])
    print(edge.proxy.reloader_log.read_text()[-3000:])
