"""A region with a read replica: Kamailio and the reloader have a streaming standby, which sends no notifications."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.postgres import PostgresServer
from sandbox.acl import Acl
from tests.sip.conftest import NETWORK, ProxyMaker
from tests.sip.edge import KNOWN, SOON, Edge, seconds_until

AIM = 5.0  # from the moment that the change is on the replica
NEW, DEDICATED = "127.0.41.1", "34.1.2.77"


@contextlib.contextmanager
def following(owner: PostgresServer, folder: Path, host: str) -> Iterator[PostgresServer]:
    # Its slot at the owner is named after the folder.
    standby = PostgresServer(
        folder / f"replica-{host}", host, owner.port, require_tls=True, flags={}, owner=owner.data_dir
    )
    standby.start()
    try:
        yield standby
    finally:
        standby.destroy()


@pytest.fixture(scope="module")
def replica(acl: Acl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acl]:
    with following(acl.server, tmp_path_factory.mktemp("region"), f"{NETWORK}.2") as standby:
        yield Acl(standby, acl.name)


def started(new_proxy: ProxyMaker, table: str, replica: Acl, **options: object) -> Edge:
    edge = new_proxy(table, replica, **options)
    edge.proxy.start()
    seconds_until(lambda: (edge.metric("warp_acl_reloads_total") or 0) > 0, 20)
    assert edge.metric("warp_acl_database_up") == 1
    return edge


def replicated(owner: Acl, replica: Acl) -> None:
    """Wait until the replica has all that the owner committed."""
    ((position,),) = owner.do("SELECT pg_current_wal_lsn()::text")
    seconds_until(lambda: replica.do("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position) == [(True,)], 20)


def test_a_change_is_effective_within_five_seconds_of_being_on_the_replica(
    acl: Acl, replica: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = started(new_proxy, table, replica)
    trunk = "UPDATE accounts.trunk_groups SET active = %s WHERE ban = 'ACME' AND name = 'main'"

    def effective(status: int, source: str) -> None:
        replicated(acl, replica)
        seconds_until(lambda: edge.status(source) == status, AIM)

    for entry in (NEW, "127.0.41.0/24"):
        acl.add("ACME", "main", entry)
        effective(200, NEW)
        acl.remove(entry)
        effective(403, NEW)
    acl.do(trunk, False)
    try:
        effective(403, KNOWN)
    finally:
        acl.do(trunk, True)
    effective(200, KNOWN)


def test_a_dedicated_address_on_the_replica_loads_no_entries_anew(
    acl: Acl, replica: Acl, new_proxy: ProxyMaker
) -> None:
    edge = started(new_proxy, "mtree", replica)
    acl.dedicate("ACME", DEDICATED)
    try:
        replicated(acl, replica)
        seconds_until(lambda: "0 single hosts, 0 single limits, 1 reloads" in edge.proxy.reloader_log.read_text(), AIM)
    finally:
        acl.release(DEDICATED)


def test_the_timed_reload_of_everything_happens_on_a_replica_as_well(
    acl: Acl, replica: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    """Nobody announces that a customer was switched off."""
    edge = started(new_proxy, table, replica, full_seconds=2)
    switch = "UPDATE accounts.customers SET active = %s WHERE ban = 'ACME'"
    acl.do(switch, False)
    try:
        seconds_until(lambda: edge.status(KNOWN) == 403, 8)
    finally:
        acl.do(switch, True)
    seconds_until(lambda: edge.status(KNOWN) == 200, 8)


def test_a_replica_that_is_promoted_sends_notifications_from_then_on(
    own_acl: Acl, new_proxy: ProxyMaker, tmp_path: Path
) -> None:
    with following(own_acl.server, tmp_path, f"{NETWORK}.3") as standby:
        promoted = Acl(standby, own_acl.name)
        edge = started(new_proxy, "mtree", promoted)
        standby.promote()
        promoted.add("ACME", "main", NEW)
        seconds_until(lambda: edge.status(NEW) == 200, AIM)
        seconds_until(lambda: "was promoted" in edge.proxy.reloader_log.read_text(), AIM)
        promoted.remove(NEW)
        seconds_until(lambda: edge.status(NEW) == 403, SOON)
