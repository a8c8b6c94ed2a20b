"""Every alert in the real Prometheus: silent while all is well, firing when it is not, and silent again."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from alerts.definition import scaled
from alerts.definitions import ALERTS, BY_NAME
from alerts.metrics import METRICS, named
from settings.alerts import Alerts
from tests.unit.promtool import (
    GATEWAY,
    PODS,
    SQL,
    STEP,
    VALUES,
    Counter,
    Course,
    Series,
    fires,
    gauge,
    judged,
    require_promtool,
    run,
)

NAT = {**GATEWAY, "router_id": "1"}
UPTIME = {"monitored_resource": "uptime_url", "host": "34.1.2.1", "check_id": "sip-1"}
PROBED = {**PODS, "target": "34.1.2.1:5060", "transport": "udp"}
OVER_TLS = {**PODS, "target": "34.1.2.1:5061", "transport": "tls"}
PROXY = {**PODS, "proxy": "10.0.0.1:9061"}
YEAR = 31_536_000.0


def google(name: str, labels: Mapping[str, str], course: Course) -> Series:
    (metric,) = [each for each in METRICS.values() if each.source == name]
    return Series(metric.name, labels, course)


def nat(path: str, course: Course, **labels: str) -> Series:
    return google(f"router.googleapis.com/nat/{path}", {**NAT, **labels}, course)


def sql(path: str, course: Course, **labels: str) -> Series:
    return google(f"cloudsql.googleapis.com/database/{path}", {**SQL, **labels}, course)


def check(location: str, good: float, bad: float) -> Series:
    labels = {**UPTIME, "checker_location": location}
    return google("monitoring.googleapis.com/uptime_check/check_passed", labels, gauge(good, bad))


@dataclass(frozen=True)
class Case:
    """`labels`: of the one series that fires."""

    alert: str
    series: tuple[Series, ...]
    labels: Mapping[str, str]
    what: str = ""


GATEWAY_NAME, DATABASE_ID = {"gateway_name": "warp-nat"}, {"database_id": "warp-prod:warp-db"}
BY_PROXY = {"proxy": "10.0.0.1:9061"}
NONE: dict[str, str] = {}
STANDS_STILL: Course = lambda second, bad: 3600.0 if bad else float(second)  # noqa: E731
LOG = (
    # Another gateway, and another reason, are not ours.
    nat("dropped_sent_packets_count", Counter(5, 5), reason="OUT_OF_RESOURCES", gateway_name="other"),
    nat("dropped_sent_packets_count", Counter(5, 5), reason="ENDPOINT_INDEPENDENCE_CONFLICT"),
)
REJECTED = Series("warp_acl_rejected_total", PROXY, Counter(1, 3))
CASES = (
    Case(
        "NatPacketsDropped",
        (*LOG, nat("dropped_sent_packets_count", Counter(0, 0.1), reason="OUT_OF_RESOURCES")),
        GATEWAY_NAME,
    ),
    Case("NatAllocationFailed", (nat("nat_allocation_failed", gauge(0, 1)),), GATEWAY_NAME),
    Case(
        "NatVmPortsNearEnd",
        (nat("port_usage", gauge(800, 830)), nat("port_usage", gauge(10, 20), ip_protocol="6")),
        GATEWAY_NAME,
    ),
    Case(
        "NatPoolNearEnd",
        tuple(nat("allocated_ports", gauge(50_000, 60_000), nat_ip=f"34.1.1.{host}") for host in (1, 2)),
        GATEWAY_NAME,
    ),
    Case(
        "EgressAddressUnknown",
        (
            nat("allocated_ports", gauge(64, 64), nat_ip="34.1.1.1"),
            # A dot in the inventory's address is not any character.
            nat("allocated_ports", gauge(0, 64), nat_ip="34.101.1"),
        ),
        {"nat_ip": "34.101.1"},
    ),
    Case(
        "IngressUnreachable",
        (check("eur", 1, 0), check("usa-iowa", 1, 0), check("apac", 1, 1), check("usa-oregon", 0, 1)),
        {"check_id": "sip-1"},
    ),
    Case(
        "SipProbeFailed",
        (
            Series("warp_sip_probe_success", PROBED, gauge(1, 0)),
            Series("warp_sip_probe_success", PROBED | {"transport": "tcp"}, gauge(1, 1)),
            # Another region's, in the same project.
            Series("warp_sip_probe_success", PROBED | {"location": "us-east1"}, gauge(0, 0)),
        ),
        {"target": "34.1.2.1:5060", "transport": "udp"},
    ),
    Case("SipProbeMissing", (Series("warp_sip_probe_success", PROBED, gauge(1, None)),), {"namespace": "warp-core"}),
    Case(
        "SipProbeNotSent",
        (
            Series("warp_sip_probe_configured", PROBED, gauge(1, 1)),
            Series("warp_sip_probe_success", PROBED, gauge(1, None)),
            Series("warp_sip_probe_configured", PROBED | {"transport": "tcp"}, gauge(1, 1)),
            Series("warp_sip_probe_success", PROBED | {"transport": "tcp"}, gauge(0, 0)),
        ),
        {"target": "34.1.2.1:5060", "transport": "udp"},
    ),
    Case(
        "NameMoved",
        (Series("warp_dns_probe_success", {**PODS, "host": "sip.ringer.tel"}, gauge(1, 0)),),
        {"host": "sip.ringer.tel"},
    ),
    Case(
        "CertificateNearEnd",
        (
            Series("warp_tls_not_after_seconds", PODS, gauge(YEAR, 0.29 * YEAR)),
            Series("warp_tls_not_before_seconds", PODS, gauge(0, -0.71 * YEAR)),
        ),
        NONE,
    ),
    Case(
        "RenewerMissing", (Series("warp_tls_not_after_seconds", PODS, gauge(YEAR, None)),), {"namespace": "warp-core"}
    ),
    Case(
        "ServedCertificateNearEnd",
        (
            Series("warp_sip_probe_not_after_seconds", OVER_TLS, gauge(YEAR, 0.29 * YEAR)),
            Series("warp_sip_probe_not_before_seconds", OVER_TLS, gauge(0, -0.71 * YEAR)),
        ),
        {"target": "34.1.2.1:5061"},
    ),
    Case(
        "CertificateNotServed",
        (
            Series("warp_tls_not_after_seconds", PODS, gauge(YEAR, YEAR)),
            Series("warp_tls_served_not_after_seconds", PROXY, gauge(YEAR, YEAR / 2)),
            Series("warp_tls_served_not_after_seconds", PROXY | {"proxy": "other"}, gauge(YEAR, YEAR)),
        ),
        BY_PROXY,
    ),
    Case(
        "CertificateRenewalFails",
        (Series("warp_tls_last_failure", {**PODS, "cause": "propagation"}, gauge(0, 1)),),
        {"cause": "propagation"},
    ),
    Case("AclStale", (Series("warp_acl_proxy_tables_timestamp_seconds", PROXY, STANDS_STILL),), BY_PROXY),
    Case("AclIncomplete", (Series("warp_acl_proxy_complete", PROXY, gauge(1, 0)),), BY_PROXY),
    Case(
        "RequestsWithoutTable",
        (Series("warp_acl_no_table_total", PROXY, Counter(0, 0.1)), Series("warp_acl_leading", PODS, gauge(1, 1))),
        BY_PROXY,
    ),
    Case(
        "ProxyUnreachable",
        (
            Series("warp_acl_proxy_up", PROXY | {"instance": "a"}, gauge(1, 0)),
            Series("warp_acl_proxy_up", PROXY | {"proxy": "other"}, gauge(1, 1)),
        ),
        BY_PROXY,
    ),
    Case(
        "NoProxies",
        tuple(
            Series("warp_acl_proxies", {**PODS, "instance": each}, gauge(known, 0))
            for each, known in (("a", 3), ("b", 0))
        ),
        NONE,
    ),
    Case(
        "NoReloader",
        tuple(
            Series("warp_acl_leading", {**PODS, "instance": each}, gauge(lead, 0))
            for each, lead in (("a", 1), ("b", 0))
        ),
        NONE,
        "none leads",
    ),
    Case("NoReloader", (Series("warp_acl_leading", PODS, gauge(1, None)),), NONE, "none is there"),
    Case("UnauthorisedAttempts", (REJECTED, Series("warp_acl_silenced_total", PROXY, Counter(0, 15))), NONE),
    Case(
        "TrunkLimitHit",
        (
            Series("warp_acl_proxy_up", PROXY, gauge(1, 1)),
            Series(
                "warp_acl_limited_total", {**PROXY, "trunk": "acme/main", "limit": "callsPerSecond"}, Counter(0.01, 1)
            ),
        ),
        {"trunk": "acme/main", "limit": "callsPerSecond"},
    ),
    Case(
        "DatabaseUnreachable",
        tuple(Series("warp_acl_database_up", {**PODS, "instance": each}, gauge(1, 0)) for each in ("a", "b")),
        NONE,
    ),
    Case("DatabaseDown", (sql("up", gauge(1, 0)),), DATABASE_ID, "reported as down"),
    Case("DatabaseDown", (sql("up", gauge(1, None)),), DATABASE_ID, "nothing is reported"),
    Case(
        "DatabaseConnections",
        tuple(sql("postgresql/num_backends", gauge(9, 11), database=each) for each in ("warp", "postgres")),
        DATABASE_ID,
    ),
    Case("DatabaseDisk", (sql("disk/utilization", gauge(0.84, 0.86)),), DATABASE_ID),
    Case("ReplicaLag", (sql("replication/replica_lag", gauge(59, 61)),), DATABASE_ID),
    Case("ReplicaNotReplicating", (sql("replication/replica_lag", gauge(0, -1)),), DATABASE_ID),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert} {case.what}".strip())
def test_it_is_silent_then_fires_then_resolves(case: Case, tmp_path: Path) -> None:
    assert judged(tmp_path, BY_NAME[case.alert], case.series, case.labels) == ""


def test_every_alert_has_a_case_and_its_series_are_the_metrics_that_it_reads() -> None:
    assert [each.name for each in ALERTS] == list(dict.fromkeys(case.alert for case in CASES))
    for case in CASES:
        assert {each.metric for each in case.series} == named(BY_NAME[case.alert].expression)
        for each in case.series:
            assert set(each.labels) <= METRICS[each.metric].labels, f"{each.metric} has no such label"
            assert (METRICS[each.metric].kind == "counter") == isinstance(each.course, Counter)


def test_promtool_objects_to_an_alert_that_never_fires(tmp_path: Path) -> None:
    case = next(each for each in CASES if each.alert == "AclStale")
    deaf = replace(BY_NAME["AclStale"], expression=f"{BY_NAME['AclStale'].expression} + 1e9")
    assert "exp" in judged(tmp_path, deaf, case.series, case.labels)


@pytest.mark.parametrize(("rate", "fires_then"), [(34, False), (36, True)])
def test_unauthorised_attempts_are_compared_with_the_usual(rate: int, fires_then: bool, tmp_path: Path) -> None:
    """3 a second for a day: 5 + 10 * 3 are not unusual."""
    day = 26 * 60
    series = [("warp_acl_rejected_total", PROXY, f"0+180x{day} {day * 180}+{rate * 60}x60")]
    moments = {day - 10: False, day + 40: fires_then}
    assert fires(tmp_path, BY_NAME["UnauthorisedAttempts"], series, moments, every=600) == ""


def test_an_attack_is_an_alert_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    """1 a second for a day, then 50 for almost another; and 300 for more than a day."""
    usual, attack = 24 * 60, 22 * 60
    values = f"0+60x{usual} {usual * 60}+3000x{attack} {usual * 60 + attack * 3000}+60x120"
    flood = "0+18000x1800"
    course = {usual: False, usual + attack + 40: False}
    course |= dict.fromkeys((usual + 20, usual + 60, usual + 3 * 60, usual + 13 * 60, usual + 21 * 60), True)
    for metric, counted, moments in (
        ("warp_acl_rejected_total", values, course),
        ("warp_acl_silenced_total", flood, dict.fromkeys((20, 60, 13 * 60, 29 * 60), True)),
    ):
        series = [(metric, PROXY, counted)]
        assert fires(tmp_path, BY_NAME["UnauthorisedAttempts"], series, moments, every=600) == ""


@pytest.mark.parametrize("period", [300, 600, 900])
def test_an_unreachable_ingress_is_one_alert_at_every_period_of_the_checks(period: int, tmp_path: Path) -> None:
    every = period // 60
    series = [
        ("monitoring_googleapis_com:uptime_check_check_passed", UPTIME | {"checker_location": str(place)},
         " ".join(("_ " * (place % every) + "0" + " _" * (every - 1 - place % every)) for _ in range(240 // every)))
        for place in range(0, 6)
    ]  # fmt: skip
    alert = BY_NAME["IngressUnreachable"]
    window = Alerts.model_validate({"uptimePeriod": f"{period}s"}).uptime_window
    alert = replace(alert, expression=alert.expression.replace("$uptime_window", window))
    assert fires(tmp_path, alert, series, dict.fromkeys(range(60, 92, 2), True)) == ""


def test_the_first_answers_of_a_new_proxy_without_a_table_count_and_a_gap_is_none(tmp_path: Path) -> None:
    """A proxy that begins at 500; one that the reloader lost for half an hour; and a reloader that was away."""
    leading = ("warp_acl_leading", PODS, "1x300")
    born = ("warp_acl_no_table_total", PROXY, "_x29 500x270")
    lost = ("warp_acl_no_table_total", PROXY, "500x29 _x29 500x240")
    for number, (series, course) in enumerate(
        [
            ([leading, born], {28: False, 30: True, 33: True, 40: False}),
            ([leading, lost], {29: False, 61: False, 63: False, 70: False}),
            ([("warp_acl_leading", PODS, "1x29 _x99 1x170"), ("warp_acl_no_table_total", PROXY, "500x29 _x99 500x170")],
             {29: False, 131: False, 133: False, 140: False}),
        ]
    ):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        assert fires(folder, BY_NAME["RequestsWithoutTable"], series, course) == ""


def test_the_first_refusals_of_a_limit_count_and_neither_another_reloader_nor_a_gap_is_one(tmp_path: Path) -> None:
    """A counter that begins with 50 has no increase; one that another pod goes on with has none either."""
    labels = ",".join(
        f'{name}="{value}"' for name, value in {**PROXY, "trunk": "a/b", "limit": "callsPerSecond"}.items()
    )
    series = [
        {"series": f'warp_acl_limited_total{{{labels},instance="{pod}"}}', "values": values}
        for pod, values in (("old", "_x9 50x20 _x60"), ("new", "_x29 50x20 _x19 50x60"))
    ]
    known = ",".join(f'{name}="{value}"' for name, value in PROXY.items())
    series.append({"series": f"warp_acl_proxy_up{{{known}}}", "values": "1x50 _x18 1x60"})
    firing = 'count(ALERTS{alertstate="firing"})'
    tests = [
        {"expr": firing, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}
        for minute, fires in ((8, False), (12, True), (20, False), (32, False), (72, False), (90, False))
    ]
    assert run(tmp_path, [BY_NAME["TrunkLimitHit"]], series, tests, step=60) == ""


def test_the_rule_file_is_one(tmp_path: Path) -> None:
    """All of it, as written for a Prometheus; scaled, too."""
    for factor in (1, 0.01):
        assert run(tmp_path, [replace(each) for each in ALERTS], [], []) == ""
        (tmp_path / "scaled.yml").write_text((tmp_path / "rules.yml").read_text())
        done = subprocess.run([require_promtool(), "check", "rules", "scaled.yml"], cwd=tmp_path, check=False)
        assert done.returncode == 0, factor


def test_scaling_touches_durations_alone() -> None:
    expression = BY_NAME["UnauthorisedAttempts"].filled(VALUES)
    short = scaled(expression, 1 / 30)
    for scaled_down, written in (("[10s]", "[5m]"), ("[120s]", "[1h]"), ("2880s", "1d"), ("1440s", "12h")):
        assert scaled_down in short
        short = short.replace(scaled_down, written)
    assert short == expression
    assert STEP == 30
