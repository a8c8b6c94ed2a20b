"""The reloader: what changes in the database is effective within two seconds, in the same process."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.acl import Acl
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import ENOUGH, KNOWN, SOON, UNKNOWN, Edge, Watch, seconds_until

NEW = "127.0.40.1"


@pytest.fixture
def same_process(edge: Edge) -> Iterator[None]:
    """No test here restarts the proxy."""
    before = edge.proxy.rpc().call("core.uptime")["up_since"]
    yield
    assert edge.proxy.rpc().call("core.uptime")["up_since"] == before


def assert_harmless(watch: Watch) -> None:
    """Something was seen, the known source was always served, and the unknown one never."""
    assert len(watch.known) > ENOUGH
    assert (set(watch.known), set(watch.unknown)) == ({200}, {403}), (Counter(watch.known), Counter(watch.unknown))


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("entry", [NEW, "127.0.40.0/24", "127.0.40.0/23", "127.0.32.0/19"])
def test_an_entry_added_changed_and_removed_is_effective_within_two_seconds(acl: Acl, edge: Edge, entry: str) -> None:
    assert edge.status(NEW) == 403
    with edge.watched() as watch:
        acl.add("ACME", "main", entry)
        seconds_until(lambda: edge.ask(NEW).headers.get("x-warp-trunk") == "main", SOON)
        acl.do(
            "UPDATE accounts.trunk_ips SET trunk_group_id ="
            " (SELECT id FROM accounts.trunk_groups WHERE ban = 'ACME' AND name = 'inner') WHERE cidr = %s::cidr",
            entry,
        )
        seconds_until(lambda: edge.ask(NEW).headers.get("x-warp-trunk") == "inner", SOON)
        acl.do("UPDATE accounts.trunk_ips SET active = false WHERE cidr = %s::cidr", entry)
        seconds_until(lambda: edge.status(NEW) == 403, SOON)
        acl.do("UPDATE accounts.trunk_ips SET active = true WHERE cidr = %s::cidr", entry)
        seconds_until(lambda: edge.status(NEW) == 200, SOON)
        acl.remove(entry)
        seconds_until(lambda: edge.status(NEW) == 403, SOON)
    assert_harmless(watch)


@pytest.mark.usefixtures("same_process")
def test_a_trunk_that_becomes_digest_is_refused_within_two_seconds(acl: Acl, edge: Edge) -> None:
    acl.do("UPDATE accounts.trunk_groups SET auth_type = 'DIGEST' WHERE ban = 'BETA' AND name = 'both'")
    seconds_until(lambda: edge.status("127.0.6.9") == 403, SOON)
    acl.do("UPDATE accounts.trunk_groups SET auth_type = 'BOTH' WHERE ban = 'BETA' AND name = 'both'")
    seconds_until(lambda: edge.status("127.0.6.9") == 200, SOON)


@pytest.mark.usefixtures("same_process")
def test_many_entries_in_one_statement_are_effective_within_two_seconds(acl: Acl, edge: Edge) -> None:
    many = [f"127.0.{third}.{last}" for third in (50, 51, 52) for last in range(1, 255)]
    acl.do(
        "INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) SELECT id, ban, one::cidr"
        " FROM accounts.trunk_groups, unnest(%s::text[]) AS one WHERE ban = 'ACME' AND name = 'main'",
        many,
    )
    seconds_until(lambda: edge.status(many[0]) == 200, SOON)
    assert {edge.status(one) for one in many[::50]} == {200}
    acl.remove(*many)
    seconds_until(lambda: edge.status(many[0]) == 403, SOON)
    assert {edge.status(one) for one in many[::50]} == {403}


def test_a_single_host_needs_no_reload(acl: Acl, edge: Edge, table: str) -> None:
    before = edge.metric("warp_acl_reloads_total") or 0
    acl.add("ACME", "main", NEW)
    seconds_until(lambda: edge.status(NEW) == 200, SOON)
    acl.remove(NEW)
    seconds_until(lambda: edge.status(NEW) == 403, SOON)
    reloads = (edge.metric("warp_acl_reloads_total") or 0) - before
    assert reloads == 0 if table == "mtree" else reloads > 0


@pytest.mark.parametrize(
    "payload",
    [UNKNOWN, f"{UNKNOWN}/32", "127.0.99.0/24", f"{KNOWN}/32 {UNKNOWN}/32", "all", "", "x; DROP TABLE x", "1.2.3.4/99"],
)
def test_a_forged_notification_puts_nobody_in(acl: Acl, edge: Edge, payload: str) -> None:
    """The view is the truth: a payload says only where to look."""
    before = handled(edge)
    with edge.watched() as watch:
        acl.do("SELECT pg_notify('trunk_acl', %s)", payload)
        seconds_until(lambda: handled(edge) > before, SOON)
        time.sleep(0.1)
    assert_harmless(watch)


def handled(edge: Edge) -> int:
    """How often the reloader did what it was told to."""
    return edge.proxy.reloader_log.read_text().count(" single hosts, ")


def test_a_change_that_nobody_notifies_is_found_by_the_periodic_reload(
    acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy(table, full_seconds=2)
    edge.proxy.start()
    seconds_until(lambda: (edge.metric("warp_acl_reloads_total") or 0) > 0, 10)
    acl.do("UPDATE accounts.customers SET active = true WHERE ban = 'GONE'")
    try:
        seconds_until(lambda: edge.status("127.0.7.1") == 200, 8)
    finally:
        acl.do("UPDATE accounts.customers SET active = false WHERE ban = 'GONE'")
    seconds_until(lambda: edge.status("127.0.7.1") == 403, 8)


def test_a_table_that_somebody_emptied_is_full_again_after_the_periodic_reload(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree", full_seconds=2)
    edge.proxy.start()
    edge.proxy.rpc().call("htable.flush", "acl_hosts")
    assert {edge.status(KNOWN), edge.status(UNKNOWN)} <= {200, 403, 503}
    seconds_until(lambda: edge.status(KNOWN) == 200, 8)


def test_a_proxy_that_was_killed_comes_back_with_what_changed_meanwhile(
    acl: Acl, table: str, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy(table)
    edge.proxy.start()
    before = edge.proxy.rpc().call("core.uptime")
    kill_kamailio(edge)
    acl.add("ACME", "main", NEW)
    try:
        assert edge.proxy.start()
        assert edge.status(NEW) == 200
        assert edge.status(UNKNOWN) == 403
        assert edge.proxy.rpc().call("core.uptime") != before
    finally:
        acl.remove(NEW)
    seconds_until(lambda: edge.status(NEW) == 403, SOON)


def kill_kamailio(edge: Edge) -> None:
    """Its main process alone, without a warning: what is left behind holds its ports."""
    (main,) = (one["PID"] for one in edge.proxy.rpc().call("core.psx") if one["DSC"].startswith("main process"))
    os.kill(int(main), signal.SIGKILL)


def test_no_secret_is_in_any_log_or_command_line(edge: Edge, acl: Acl) -> None:
    proxy = edge.proxy
    token = proxy.rpc()._token
    secrets = [acl.database.password, token]
    assert all(len(secret) > 10 for secret in secrets)
    logs = [path.read_text(errors="replace") for path in (proxy.log_file, proxy.reloader_log, proxy.relay_log)]
    commands = [path.read_bytes().decode() for path in map(Path, map("/proc/{}/cmdline".format, proxy._processes()))]
    assert len(commands) > 5
    for secret in secrets:
        assert not any(secret in text for text in logs + commands)
