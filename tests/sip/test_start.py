"""A proxy that starts while the database is away: from the reloader's snapshot, for a while, or answering 503."""

from __future__ import annotations

import dataclasses
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kamailio.reloader.proxy import BUSY, TOO_SOON
from kamailio.reloader.rpc import Refused
from kamailio.snapshot import Snapshot, seal, unseal
from sandbox.acl import Acl
from tests.sip.conftest import NETWORK, ProxyMaker
from tests.sip.edge import KNOWN, SOON, UNKNOWN, Edge, seconds_until
from tests.sip.silence import standing_still
from tests.sip.test_outages import RANGE_SOURCE, RELOADS
from tests.sip.test_replica import following

TAKEN, READ = "warp_acl_snapshot_timestamp_seconds", "warp_acl_proxy_tables_timestamp_seconds"
OWNED = "127.0.1.20"
LONGEST = 60.0


@contextmanager
def away(acl: Acl) -> Iterator[None]:
    acl.server.stop()
    try:
        yield
    finally:
        acl.server.start()


def answers(edge: Edge) -> tuple[int, int, int]:
    return edge.status(KNOWN), edge.status(RANGE_SOURCE), edge.status(UNKNOWN)


def with_snapshot(edge: Edge) -> Edge:
    edge.proxy.start()
    seconds_until(lambda: (edge.metric(TAKEN) or 0) > 0 and edge.metric("warp_acl_proxy_complete") == 1, LONGEST)
    return edge


def called(edge: Edge, *call: str) -> None:
    """Done or refused, but not because the reloader's call is being done, or one was a second ago."""
    while True:
        try:
            edge.proxy.rpc(10).call(*call)
        except Refused as refused:
            if BUSY in str(refused) or TOO_SOON in str(refused):
                continue
            raise
        return


def log_of(edge: Edge) -> str:
    return edge.proxy.log_file.read_text()


def test_a_proxy_starts_from_the_snapshot_and_takes_revocations_when_the_database_is_back(
    own_acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = with_snapshot(new_proxy(table, own_acl))
    taken = edge.metric(TAKEN)
    with away(own_acl):
        seconds_until(lambda: edge.metric("warp_acl_database_up") == 0, LONGEST)
        edge.proxy.restart_kamailio()
        assert answers(edge) == (200, 200, 403)
        assert "the snapshot is 0.0 h old: its tables serve for 24.0 h more" in log_of(edge)
        seconds_until(lambda: edge.metric(READ) == int(taken or 0), LONGEST)
        # A reload would read the snapshot as if it were the database.
        for call in RELOADS[table]:
            with pytest.raises(Refused):
                called(edge, *call)
        assert answers(edge) == (200, 200, 403)
        began = time.time()
    own_acl.remove(KNOWN, OWNED, "127.0.1.0/24", "127.0.1.16/28")
    seconds_until(lambda: answers(edge) == (403, 403, 403), LONGEST)
    seconds_until(lambda: (edge.metric(READ) or 0) > began, LONGEST)
    seconds_until(lambda: edge.metric("warp_acl_proxy_complete") == 1, LONGEST)
    with pytest.raises(Refused):
        called(edge, "htable.get", "dedicated", "until")
    own_acl.add("ACME", "main", KNOWN)
    seconds_until(lambda: edge.status(KNOWN) == 200, SOON)


def test_a_snapshot_serves_until_its_time_is_over_then_503(own_acl: Acl, table: str, new_proxy: ProxyMaker) -> None:
    edge = with_snapshot(new_proxy(table, own_acl))
    with away(own_acl):
        edge.proxy.restart_kamailio()
        assert answers(edge) == (200, 200, 403)
        # As if it were later.
        called(edge, "htable.seti", "dedicated", "until", str(int(time.time()) - 2))
        assert answers(edge) == (503, 503, 503)
        edit(edge, lambda sealed, token: seal(old(unseal(sealed, token, time.time())), token))
        edge.proxy.restart_kamailio()
        assert answers(edge) == (503, 503, 503)
        assert "the snapshot is 25.0 h old, too old to be used: calls get 503" in log_of(edge)
    seconds_until(lambda: answers(edge) == (200, 200, 403), LONGEST)


def old(snapshot: Snapshot) -> Snapshot:
    return dataclasses.replace(snapshot, taken=snapshot.taken - 25 * 3600, until=snapshot.until - 25 * 3600)


def edit(edge: Edge, change: Callable[[bytes, str], bytes]) -> None:
    file = edge.proxy.snapshot_file
    file.write_bytes(change(file.read_bytes(), edge.proxy.rpc()._token))


REFUSED: dict[str, tuple[Callable[[bytes, str], bytes], str]] = {
    "altered": (lambda sealed, _: sealed[:-9] + bytes([sealed[-9] ^ 1]) + sealed[-8:], "signature does not match"),
    "cut": (lambda sealed, _: sealed[:-20], "signature does not match"),
    "foreign": (lambda sealed, token: seal(unseal(sealed, token, time.time()), "other"), "another RPC token"),
    "unsigned": (lambda sealed, _: b"warp-acl-snapshot 1\n\n" + sealed.split(b"\n", 2)[2], "signature does not match"),
    "empty": (lambda _, __: b"", "no snapshot of this version"),
}


def test_what_is_no_snapshot_of_ours_is_refused_in_words_and_calls_get_503(
    own_acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = with_snapshot(new_proxy(table, own_acl))
    with away(own_acl):
        kept = edge.proxy.snapshot_file.read_bytes()
        for change, words in REFUSED.values():
            edit(edge, change)
            edge.proxy.restart_kamailio()
            assert answers(edge) == (503, 503, 503)
            said = [line for line in log_of(edge).splitlines() if line.startswith("warp-edge start:")][-1]
            assert "no snapshot can be used" in said
            assert words in said
            edge.proxy.snapshot_file.write_bytes(kept)
    seconds_until(lambda: answers(edge) == (200, 200, 403), LONGEST)


def test_what_was_revoked_is_in_no_snapshot(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    """The database goes away with the last change that the reloader heard of, before it could read again."""
    edge = with_snapshot(new_proxy("mtree", own_acl))
    first = edge.proxy.snapshot_file.read_bytes()
    own_acl.remove(KNOWN)
    seconds_until(lambda: edge.status(KNOWN) == 403, SOON)
    seconds_until(lambda: edge.proxy.snapshot_file.exists() and edge.proxy.snapshot_file.read_bytes() != first, LONGEST)
    with away(own_acl):
        edge.proxy.restart_kamailio()
        assert answers(edge) == (403, 200, 403)


def test_only_the_token_gets_the_snapshot_and_only_its_owner_may_read_the_file(
    own_acl: Acl, new_proxy: ProxyMaker
) -> None:
    edge = with_snapshot(new_proxy("mtree", own_acl))
    assert stat.S_IMODE(edge.proxy.snapshot_file.stat().st_mode) == 0o600
    url = f"http://{edge.proxy.tcp_address}:{edge.proxy.status_port}/snapshot"
    attempts: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer other"}, {"Authorization": "Bearer "})
    for headers in attempts:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5)
        assert refused.value.code == 403


def test_a_server_that_stands_still_is_away(own_acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = with_snapshot(new_proxy("mtree", own_acl))
    with standing_still(own_acl.server):
        edge.proxy.restart_kamailio()
        assert answers(edge) == (200, 200, 403)
    assert "no answer within 10 s" in log_of(edge)


def test_a_region_with_a_replica_has_a_snapshot_as_well(own_acl: Acl, new_proxy: ProxyMaker, tmp_path: Path) -> None:
    with following(own_acl.server, tmp_path, f"{NETWORK}.4") as standby:
        replica = Acl(standby, own_acl.name)
        edge = with_snapshot(new_proxy("mtree", replica))
        first = edge.proxy.snapshot_file.read_bytes()
        own_acl.remove(KNOWN)
        seconds_until(
            lambda: edge.proxy.snapshot_file.exists() and edge.proxy.snapshot_file.read_bytes() != first, LONGEST
        )
        seconds_until(lambda: edge.status(KNOWN) == 403, LONGEST)
        with away(replica):
            edge.proxy.restart_kamailio()
            assert answers(edge) == (403, 200, 403)
