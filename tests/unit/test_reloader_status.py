"""What the reloader reports: numbers for Prometheus, and the answers of its probes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from kamailio.reloader import service
from kamailio.reloader.database import lease_of
from kamailio.reloader.environment import Endpoint, Settings
from kamailio.reloader.status import HELP, STALE_SECONDS, Status, serve
from tests.unit.test_reloader_settings import ENVIRONMENT


@pytest.fixture
def status() -> Status:
    return Status()


def test_numbers_are_whole_however_long_an_attack_lasts(status: Status) -> None:
    status.set("warp_acl_rejected", 12_345_678_901, proxy="p")
    assert 'warp_acl_rejected{proxy="p"} 12345678901\n' in status.text()


# What Prometheus and the cluster's probes read


def read(text: str) -> list[Metric]:
    """By Prometheus' own parser; it raises where a line is wrong. It takes `_total` off a counter's name."""
    return list(text_string_to_metric_families(text))


def test_prometheus_reads_every_number_with_its_type_and_help(status: Status) -> None:
    """Without a type a collector keeps it twice, as a gauge and as a counter."""
    for number in HELP:
        if number.endswith("_total"):
            status.add(number, proxy="10.0.0.1:9061")
        else:
            status.set(number, 1.5, proxy='a "quoted" name\\with\nmore')
    found = read(status.text())
    assert {family.type for family in found} == {"gauge", "counter"}
    assert sorted(sample.name for family in found for sample in family.samples) == sorted(HELP)
    for family in found:
        assert family.documentation
        assert len(family.samples) == 1
        assert (family.type == "counter") == family.samples[0].name.endswith("_total")
    (up,) = (family for family in found if family.name == "warp_acl_proxy_up")
    assert up.samples[0].labels == {"proxy": 'a "quoted" name\\with\nmore'}


def test_it_is_ready_while_the_database_answers_and_the_main_loop_turns(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not status.ready, "it has not been let in yet"
    status.set("warp_acl_database_up", 1)
    assert status.ready
    status.set("warp_acl_proxy_up", 0, proxy="10.0.0.1:9061")
    assert status.ready, "a proxy's fault must not hold back a new reloader"
    status.set("warp_acl_database_up", 0)
    assert not status.ready
    assert status.alive
    status.set("warp_acl_database_up", 1)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_SECONDS + 1)
    assert not status.ready


@pytest.mark.parametrize(("path", "ready", "code"), [("/readyz", 1, 200), ("/readyz", 0, 503), ("/healthz", 0, 200)])
def test_the_probes_are_answered(status: Status, path: str, ready: int, code: int) -> None:
    status.set("warp_acl_database_up", ready)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    server = serve(status, Endpoint("127.0.0.1", port), "token")
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == code
    finally:
        server.shutdown()
        server.server_close()


def test_reloaders_with_the_same_token_share_a_lease_and_others_do_not() -> None:
    assert lease_of("one") == lease_of("one") != lease_of("two")
    assert all(-(2**63) <= lease_of(str(number)) < 2**63 for number in range(100))


def test_how_many_proxies_are_known_is_a_number_also_where_there_is_none(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is gone has no numbers of its own: without this one, the last to go would end every alert."""
    there: list[tuple[set[Endpoint], bool]] = [
        (set(), True),
        ({Endpoint("192.0.2.8", 9061), Endpoint("192.0.2.9", 9061)}, True),
        (set(), False),  # DNS did not answer
        (set(), True),
    ]
    monkeypatch.setattr("kamailio.reloader.service.resolve", lambda _: there.pop(0))
    monkeypatch.setattr("kamailio.reloader.service.Proxy.start", lambda _: None)
    looking = service.Service(Settings.read(ENVIRONMENT), status)
    known = []
    while there:
        looking._look_for_proxies(at_once=True)
        known += [line.split()[1] for line in status.text().splitlines() if line.startswith("warp_acl_proxies ")]
    assert known == ["0", "2", "2", "0"]
