"""The reloader's decisions: what a payload asks for, which calls do it, what a count and what a failure means."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import pytest

from kamailio.reloader import service
from kamailio.reloader.database import CONNECT_SECONDS, DatabaseDown
from kamailio.reloader.environment import Endpoint, Settings
from kamailio.reloader.proxy import Proxy
from kamailio.reloader.rpc import Refused, RpcError
from kamailio.reloader.status import Status
from kamailio.reloader.tables import TABLES
from kamailio.reloader.work import EVERYTHING, NOTHING, Network, Work, work_for
from tests.unit.test_reloader_settings import ENVIRONMENT

FOUR, SIX = ipaddress.ip_network("192.0.2.1"), ipaddress.ip_network("2001:db8::1")


class FakeProxy:
    """Kamailio's side: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.up_since = "Monday"
        self.hosts = 3
        self.failures: dict[str, list[RpcError]] = {}
        self.snapshot_taken: int | None = None
        # Of a proxy with trunk_limits.cfg: how many limits it holds, and what it refused.
        self.limits: int | None = None
        self.refused: dict[str, int] = {}

    def call(self, method: str, *parameters: str, seconds: float | None = None) -> Any:
        self.asked.append((method, *parameters))
        if self.failures.get(method):
            raise self.failures[method].pop(0)
        if method == "htable.get" and self.snapshot_taken is None:
            raise Refused("htable.get: Key name doesn't exist in htable.")
        return {
            "htable.get": {"item": {"name": "taken", "value": self.snapshot_taken}},
            "core.uptime": {"up_since": self.up_since},
            "stats.fetchn": {
                "script.warp_acl_accepted": 9, "script.warp_acl_rejected": 7, "script.warp_acl_no_table": 0,
                **({} if self.limits is None else {"script.warp_acl_limited": sum(self.refused.values())}),
            },
            "htable.stats": [
                {"name": "acl_hosts", "all": self.hosts}, {"name": "dedicated", "all": 1},
                *([] if self.limits is None else [{"name": "trunk_limits", "all": self.limits}]),
            ],
            "htable.listTables": [{"name": "acl_hosts"}, *([] if self.limits is None else [{"name": "trunk_limits"}])],
            "htable.dump": [
                {"entry": 1, "size": 1, "slot": [{"name": name, "value": count, "type": "int"}]}
                for name, count in self.refused.items()
            ],
            "mtree.summary": [{"table": "acl_prefixes", "item": {"nritems": 5}}],
        }.get(method, "Ok")  # fmt: skip

    def reloads(self) -> list[str]:
        return [call[0] for call in self.asked if call[0].endswith("reload")]


class FakeDatabase:
    def __init__(self) -> None:
        self.entries: dict[Network, str] = {FOUR: "main|ACME"}
        self.rows = {"hosts": 3, "subnets": 4, "prefixes": 5, "dedicated": 1}
        self.down = False

    def values(self, hosts: frozenset[Network]) -> dict[Network, str]:
        return {host: value for host, value in self.entries.items() if host in hosts}

    def counts(self) -> dict[str, int]:
        if self.down:
            raise DatabaseDown("no database")
        return dict(self.rows)

    def limits(self, trunks: frozenset[str]) -> dict[str, str]:
        return {trunk: "50|500" for trunk in trunks if trunk == "main|ACME"}

    def limited(self) -> int:
        return 2


@pytest.fixture
def kamailio() -> FakeProxy:
    return FakeProxy()


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def proxy(kamailio: FakeProxy, database: FakeDatabase, status: Status, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """One with nothing to do, to which nothing arrives by itself."""
    monkeypatch.setattr("kamailio.reloader.proxy.ARRIVAL_SECONDS", 0)
    proxy = Proxy(Endpoint("192.0.2.9", 9061), kamailio, database, status, Settings.read(ENVIRONMENT))
    proxy._todo = NOTHING
    return proxy


def test_limits_are_set_singly_where_a_proxy_has_them(proxy: Proxy, kamailio: FakeProxy) -> None:
    proxy.turn(work_for("limits main|ACME gone|ACME"))
    assert not [call for call in kamailio.asked if "trunk_limits" in call]
    kamailio.limits, kamailio.up_since = 2, "Tuesday"  # restarted, with the fragment
    proxy.turn(work_for("limits main|ACME gone|ACME"))
    assert kamailio.reloads() == ["htable.reload", "htable.reload", "mtree.reload", "htable.reload"]
    assert ("htable.reload", "trunk_limits") in kamailio.asked
    before = len(kamailio.asked)
    proxy.turn(work_for("limits main|ACME gone|ACME"))
    assert [call for call in kamailio.asked[before:] if call[0].startswith("htable.")] == [
        ("htable.delete", "trunk_limits", "gone|ACME"),
        ("htable.sets", "trunk_limits", "main|ACME", "50|500"),
    ]
    assert not proxy._todo


def test_missing_limits_are_an_alert(
    proxy: Proxy, kamailio: FakeProxy, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    kamailio.limits = 1
    proxy.turn(EVERYTHING)
    assert proxy._todo == EVERYTHING  # once more, to be sure
    proxy._todo = NOTHING
    proxy.turn(EVERYTHING)
    assert "holds 1 of 2 limits" in caplog.text
    kamailio.limits = 2
    proxy.turn(EVERYTHING)
    assert 'warp_acl_proxy_complete{proxy="192.0.2.9:9061"} 1' in status.text()
    assert 'warp_acl_rows{part="limits",proxy="192.0.2.9:9061",side="proxy"} 2' in status.text()


def limited(status: Status) -> set[str]:
    return {line for line in status.text().splitlines() if line.startswith("warp_acl_limited_total{")}


def test_what_limits_refused_is_reported_by_trunk_and_fetched_only_when_there_is_more(
    proxy: Proxy, kamailio: FakeProxy, status: Status
) -> None:
    def dumps() -> int:
        return sum(call[0] == "htable.dump" for call in kamailio.asked)

    kamailio.limits, kamailio.refused = 2, {"callsPerSecond|main|ACME": 3, "concurrentCalls|main|ACME": 4}
    proxy.turn(NOTHING)
    proxy.turn(NOTHING)
    assert dumps() == 1
    assert limited(status) == {
        'warp_acl_limited_total{limit="callsPerSecond",proxy="192.0.2.9:9061",trunk="ACME/main"} 3',
        'warp_acl_limited_total{limit="concurrentCalls",proxy="192.0.2.9:9061",trunk="ACME/main"} 4',
    }
    kamailio.refused["callsPerSecond|main|ACME"] = 5
    proxy.turn(NOTHING)
    assert dumps() == 2
    assert 'warp_acl_limited_total{limit="callsPerSecond",proxy="192.0.2.9:9061",trunk="ACME/main"} 5' in limited(
        status
    )
    # Restarted: nothing is left of the counts of before.
    kamailio.refused, kamailio.up_since = {}, "Tuesday"
    proxy.turn(NOTHING)
    assert limited(status) == set()


def test_a_proxy_with_fragments_of_before_has_the_counters_that_it_has(proxy: Proxy, status: Status) -> None:
    proxy.turn(NOTHING)
    text = status.text()
    assert 'warp_acl_accepted_total{proxy="192.0.2.9:9061"} 9' in text
    assert 'warp_acl_rejected_total{proxy="192.0.2.9:9061"} 7' in text
    assert "warp_acl_silenced_total{" not in text


def test_a_proxy_begins_with_everything_to_do(kamailio: FakeProxy, database: FakeDatabase, status: Status) -> None:
    assert Proxy(Endpoint("h", 1), kamailio, database, status, Settings.read(ENVIRONMENT))._todo == EVERYTHING


def test_a_single_host_is_set_from_the_view_without_a_reload(proxy: Proxy, kamailio: FakeProxy) -> None:
    proxy.turn(work_for("192.0.2.1/32"))
    assert kamailio.asked[-1] == ("htable.sets", "acl_hosts", "192.0.2.1", "main|ACME")
    assert kamailio.reloads() == []
    assert not proxy._todo


def test_a_complete_reload_is_reported_as_complete(proxy: Proxy, kamailio: FakeProxy, status: Status) -> None:
    proxy.turn(EVERYTHING)
    assert len(kamailio.reloads()) == 3
    assert 'warp_acl_proxy_complete{proxy="192.0.2.9:9061"} 1\n' in status.text()
    assert 'warp_acl_rejected{proxy="192.0.2.9:9061"} 7\n' in status.text()


def test_rows_that_stay_missing_are_an_alert_with_both_figures(
    proxy: Proxy, kamailio: FakeProxy, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    kamailio.hosts = 2
    proxy.turn(EVERYTHING)
    assert "ALERT" not in caplog.text
    assert proxy._todo == EVERYTHING  # once more, to be sure
    proxy._todo = NOTHING
    proxy.turn(EVERYTHING)
    assert [record.levelno for record in caplog.records if "holds 2 of 3 hosts" in record.message] == [logging.ERROR]
    assert 'warp_acl_proxy_complete{proxy="192.0.2.9:9061"} 0\n' in status.text()
    assert not proxy._todo


def test_rows_that_come_between_load_and_count_are_no_alert(
    proxy: Proxy, kamailio: FakeProxy, database: FakeDatabase, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    database.rows["hosts"] = 4
    proxy.turn(EVERYTHING)
    kamailio.hosts = 4
    proxy.turn(EVERYTHING)
    assert "ALERT" not in caplog.text
    assert "warp_acl_proxy_complete" in status.text()


def test_a_host_that_comes_during_a_reload_costs_no_other_reload(
    proxy: Proxy, kamailio: FakeProxy, database: FakeDatabase, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    database.rows["hosts"] = 4
    proxy.add(work_for("192.0.2.1/32"))
    proxy.turn(EVERYTHING)
    assert proxy._todo == work_for("192.0.2.1/32")
    assert "warp_acl_proxy_complete{" not in status.text()
    kamailio.hosts, proxy._todo = 4, NOTHING
    proxy.turn(work_for("192.0.2.1/32"))
    assert len(kamailio.reloads()) == 3
    assert "ALERT" not in caplog.text
    assert 'warp_acl_proxy_complete{proxy="192.0.2.9:9061"} 1\n' in status.text()


# What a failure means


@pytest.mark.parametrize("failure", [Refused("Htable reload failed"), RpcError("no answer: timed out")])
def test_work_that_fails_is_done_as_a_whole_later(proxy: Proxy, kamailio: FakeProxy, failure: RpcError) -> None:
    kamailio.failures["htable.sets"] = [failure]
    proxy.turn(work_for("192.0.2.1/32"))
    assert proxy._todo == EVERYTHING
    assert proxy._pause > 0
    proxy.turn(EVERYTHING)
    assert proxy._pause == 0


def test_pauses_grow_and_have_an_end(proxy: Proxy, kamailio: FakeProxy) -> None:
    kamailio.failures["core.uptime"] = [RpcError("no answer")] * 10
    pauses = []
    for _ in range(10):
        proxy.turn(NOTHING)
        pauses.append(proxy._pause)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == 10


def test_a_database_that_is_down_is_no_proxy_that_is_down(proxy: Proxy, database: FakeDatabase, status: Status) -> None:
    database.down = True
    proxy.turn(EVERYTHING)
    assert proxy._todo == EVERYTHING
    assert 'warp_acl_proxy_up{proxy="192.0.2.9:9061"} 1\n' in status.text()


def test_a_proxy_set_to_the_other_table_is_reported_and_tried_again(
    proxy: Proxy, kamailio: FakeProxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(rpc: object) -> dict[str, int]:
        raise KeyError("acl_hosts")

    monkeypatch.setattr(TABLES["mtree"], "counts", counts)
    proxy.turn(EVERYTHING)
    assert "WARP_ACL_TABLE" in caplog.text
    assert proxy._todo == EVERYTHING


def test_a_proxy_that_was_restarted_is_loaded_anew(proxy: Proxy, kamailio: FakeProxy) -> None:
    proxy.turn(NOTHING)
    proxy.turn(NOTHING)
    assert kamailio.reloads() == []
    kamailio.up_since = "Tuesday"
    proxy.turn(NOTHING)
    assert len(kamailio.reloads()) == 3


def test_a_host_that_was_gone_already_is_no_failure(proxy: Proxy, kamailio: FakeProxy, database: FakeDatabase) -> None:
    database.entries.clear()
    kamailio.failures["htable.delete"] = [Refused("htable.delete: Key not found in htable.")]
    proxy.turn(work_for("192.0.2.1/32"))
    assert not proxy._todo


def test_a_reload_too_soon_after_the_last_is_tried_again(
    proxy: Proxy, kamailio: FakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kamailio.reloader.proxy.TOO_SOON_SECONDS", 0)
    kamailio.failures["mtree.reload"] = [Refused("ongoing reload")] * 2
    proxy.turn(Work(ranges=True))
    assert kamailio.reloads() == ["mtree.reload"] * 3
    assert not proxy._todo


# What is reported


def test_a_proxy_that_does_not_answer_is_an_alert_once(
    proxy: Proxy, kamailio: FakeProxy, status: Status, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.turn(NOTHING)
    assert 'warp_acl_proxy_answered_timestamp_seconds{proxy="192.0.2.9:9061"} 1' in status.text()
    monkeypatch.setattr("kamailio.reloader.proxy.SILENT_SECONDS", -1)
    kamailio.failures["core.uptime"] = [RpcError("no answer")] * 2
    proxy.turn(NOTHING)
    proxy.turn(NOTHING)
    assert [line for line in caplog.messages if "ALERT" in line] == [
        "ALERT 192.0.2.9:9061 has not answered for 0 s: no change reaches it; see its log and the NetworkPolicy"
    ]
    caplog.set_level(logging.INFO)
    proxy.turn(NOTHING)
    assert "192.0.2.9:9061 answers again" in caplog.messages


NEVER = Settings.read(ENVIRONMENT | {"WARP_ACL_WATCH_SECONDS": "3600"})


def test_a_proxy_that_never_answered_is_in_every_alert(
    kamailio: FakeProxy, database: FakeDatabase, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kamailio.reloader.proxy.time.time", lambda: 1234.5)
    proxy = Proxy(Endpoint("192.0.2.9", 9061), kamailio, database, status, NEVER)
    monkeypatch.setattr(proxy, "turn", lambda work: None)
    proxy.start()
    assert 'warp_acl_proxy_answered_timestamp_seconds{proxy="192.0.2.9:9061"} 1234.5\n' in status.text()
    assert 'warp_acl_proxy_complete{proxy="192.0.2.9:9061"} 0\n' in status.text()
    proxy.end()
    Proxy.turn(proxy, NOTHING)  # what was under way
    kamailio.failures["core.uptime"] = [RpcError("no answer")]
    Proxy.turn(proxy, NOTHING)
    assert "192.0.2.9" not in status.text()


def test_the_age_of_tables_is_the_snapshots_until_everything_was_loaded(
    proxy: Proxy, kamailio: FakeProxy, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = 'warp_acl_proxy_tables_timestamp_seconds{proxy="192.0.2.9:9061"}'
    monkeypatch.setattr("kamailio.reloader.proxy.time.time", lambda: 9000.0)
    kamailio.snapshot_taken = 5000
    kamailio.failures["htable.reload"] = [Refused("Htable reload failed")]
    proxy.turn(EVERYTHING)
    assert f"{name} 5000\n" in status.text()
    proxy.turn(Work(dedicated=True))
    assert f"{name} 5000\n" in status.text(), "hosts and ranges are still the snapshot's"
    proxy.turn(EVERYTHING)
    assert f"{name} 9000\n" in status.text()


def test_a_snapshot_is_asked_for_again_when_another_call_was_being_done(
    proxy: Proxy, kamailio: FakeProxy, status: Status
) -> None:
    kamailio.snapshot_taken = 5000
    kamailio.failures["htable.get"] = [Refused("htable.get: another call is being done")]
    proxy.turn(NOTHING)
    kamailio.failures["htable.reload"] = [Refused("Htable reload failed")]
    proxy.turn(EVERYTHING)
    assert 'warp_acl_proxy_tables_timestamp_seconds{proxy="192.0.2.9:9061"} 5000\n' in status.text()


def test_every_call_of_a_long_reload_is_a_sign_of_life(
    proxy: Proxy, kamailio: FakeProxy, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kamailio.reloader.proxy.time.time", lambda: float(len(kamailio.asked)))
    kamailio.failures["mtree.reload"] = [RpcError("no answer: timed out")]
    proxy.turn(EVERYTHING)
    assert kamailio.reloads() == ["htable.reload", "mtree.reload"]
    answered = len(kamailio.asked) - 1
    assert f'warp_acl_proxy_answered_timestamp_seconds{{proxy="192.0.2.9:9061"}} {answered}\n' in status.text()


def test_the_database_is_back_within_ten_seconds() -> None:
    assert service.LONGEST_PAUSE + CONNECT_SECONDS < 10
