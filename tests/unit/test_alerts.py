"""Alerts as declared, the metrics that they read, their runbook, and the settings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alerts.dashboard import PANELS
from alerts.definition import STACK, Part
from alerts.definitions import ALERTS
from alerts.metrics import METRICS, Exporter, in_promql, named
from kamailio.reloader import status as reloader
from kamailio.renewer import status as renewer
from policies.declared import UNKNOWN
from policies.rules.alerts import NO_CHANNEL
from settings import Settings, SettingsError
from settings.alerts import Thresholds
from tests.stacks import ROOT, Config, as_engine_gives_it, changed, stack_config, without_tls
from tests.unit.policies_under_test import refused, resource, silent, unjudged
from tests.unit.recording import Declared, Edge, declare_once
from tests.unit.tls import ALONE, AT_GANDI, SECRET_KEYS, parsed, with_tls
from verify import prober

PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
SLACK = {"type": "slack", "to": "#noc"}
TOKEN = "not-a-real-token"


def with_alerts(**settings: Any) -> Config:
    return changed(without_tls(stack_config("sandbox")), ("warp-edge:alerts",), {"manage": True, **settings})


def edge(**settings: Any) -> Edge:
    return declare_once(with_alerts(**settings))


def alerts_of(found: Edge) -> dict[str, Declared]:
    return {each.name.removeprefix("alerts-"): each for each in found.of_type(ALERT)}


def condition(policy: Declared) -> Mapping[str, Any]:
    (only,) = policy.inputs["conditions"]
    found: Mapping[str, Any] = only["conditionPrometheusQueryLanguage"]
    return found


# The definitions


def test_every_metric_that_is_read_is_known_and_every_known_one_is_read() -> None:
    of_alerts = frozenset[str]().union(*(named(each.expression) for each in ALERTS))
    of_panels = frozenset[str]().union(*(named(query) for each in PANELS for query in each.series.values()))
    assert all(named(each.expression) for each in ALERTS)
    assert of_alerts | of_panels == set(METRICS)


@pytest.mark.parametrize(
    "each", [each for each in METRICS.values() if each.exporter is Exporter.GOOGLE], ids=lambda each: each.name
)
def test_googles_metrics_are_selected_by_their_resource(each: Any) -> None:
    """monitored_resource is needed where a metric has several resource types; a name alone may be ambiguous."""
    for expression in [one.expression for one in ALERTS if each.name in one.expression]:
        assert re.search(rf'{re.escape(each.name)}\{{monitored_resource="{each.resource}"', expression)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        # docs.cloud.google.com/monitoring/promql/promql-mapping, its own examples
        ("kubernetes.io/container/cpu/limit_cores", "kubernetes_io:container_cpu_limit_cores"),
        ("compute.googleapis.com/instance/cpu/utilization", "compute_googleapis_com:instance_cpu_utilization"),
        ("logging.googleapis.com/log_entry_count", "logging_googleapis_com:log_entry_count"),
        # The word that the path repeats.
        ("router.googleapis.com/nat/nat_allocation_failed", "router_googleapis_com:nat_nat_allocation_failed"),
    ],
)
def test_names_are_mapped_as_google_maps_them(source: str, name: str) -> None:
    assert in_promql(source) == name


EXPORTED = {Exporter.RELOADER: reloader.HELP, Exporter.RENEWER: renewer.HELP, Exporter.PROBER: prober.HELP}


@pytest.mark.parametrize("exporter", EXPORTED)
def test_our_metrics_are_exported_with_the_kind_that_alerts_assume(exporter: Exporter) -> None:
    described = EXPORTED[exporter]
    read = {each.name: each.kind for each in METRICS.values() if each.exporter is exporter}
    assert read == {name: described[name].partition(" ")[0] for name in read}


def test_a_label_cannot_break_the_page_of_numbers() -> None:
    hostile = 'a"b\\c\nwarp_acl_leading 1'
    numbers = reloader.Status()
    numbers.set("warp_acl_limited_total", 3, trunk=hostile, limit="callsPerSecond", proxy="p")
    families = {family.name: family for family in text_string_to_metric_families(numbers.text())}
    (sample,) = families["warp_acl_limited"].samples
    assert sample.labels["trunk"] == hostile
    assert families["warp_acl_limited"].type == "counter"
    assert not families["warp_acl_leading"].samples
    assert all(family.type in ("gauge", "counter") for family in families.values())


def test_expressions_use_values_that_exist() -> None:
    known = {*STACK, *Thresholds().values(), "databaseConnections"}
    for each in ALERTS:
        assert each.names <= known
        assert not each.threshold or each.threshold in each.names
    used = frozenset[str]().union(*(each.names for each in ALERTS))
    assert known == used, "a threshold that no alert has"


# The runbook


def test_every_alert_has_its_section_and_every_section_an_alert() -> None:
    runbook = PAGE[PAGE.index("## Runbook") :]
    sections = re.split(r"^### ", runbook, flags=re.MULTILINE)[1:]
    assert [text.split("\n", 1)[0] for text in sections] == [each.name for each in ALERTS]
    for text, each in zip(sections, ALERTS, strict=True):
        assert each.severity.lower() in text, each.name
        for part in ("**Means:**", "**Look:**", "**Do:**"):
            assert part in text, f"{each.name}: {part}"
        if each.threshold:
            assert f"`{each.threshold}`" in text, each.name


# The component


def test_nothing_is_declared_unless_it_is_asked_for() -> None:
    assert not declare_once(stack_config("sandbox")).of_type(ALERT)
    assert not declare_once(stack_config("prod")).of_type(ALERT)


def test_one_policy_for_each_alert_of_what_the_stack_has() -> None:
    found = alerts_of(edge())
    without = {Part.REPLICA, Part.CERTIFICATE, Part.PROBER}
    assert set(found) == {each.name for each in ALERTS if each.part not in without}
    for each in ALERTS:
        if each.name not in found:
            continue
        policy = found[each.name]
        query = condition(policy)
        assert query["disableMetricValidation"] is True
        assert query["duration"] == f"{each.hold}s"
        assert "$" not in query["query"]
        assert policy.inputs["severity"] == each.severity
        assert policy.inputs["documentation"]["content"].endswith(f"docs/alerts.md#{each.anchor}")


@pytest.mark.parametrize(("tls", "there"), [(AT_GANDI, True), (ALONE, False)])
def test_a_certificate_that_we_renew_has_its_alerts(tls: dict[str, Any], there: bool) -> None:
    settings = parsed(with_tls(tls, alerts={"manage": True}))
    assert (Part.CERTIFICATE in settings.alert_parts) is there


def test_without_pod_monitoring_our_own_metrics_are_not_there_to_alert_on() -> None:
    config = changed(with_alerts(), ("warp-edge:trunkAcl", "enforcement", "reloader", "podMonitoring"), False)
    assert not [name for name in alerts_of(declare_once(config)) if name.startswith(("Acl", "Proxy", "NoReloader"))]


def test_an_alert_can_be_off_and_have_another_threshold() -> None:
    found = alerts_of(edge(off=["DatabaseDisk"], thresholds={"aclAgeSeconds": 1200}))
    assert "DatabaseDisk" not in found
    assert condition(found["AclStale"])["query"].endswith("> 1200")


def test_a_clusters_metrics_are_told_apart_from_other_regions() -> None:
    query = condition(alerts_of(edge())["AclStale"])["query"]
    assert 'cluster="warp-cluster",location=~"us-central1(-[a-z])?",namespace="warp-core"' in query


def test_a_channels_token_is_a_secret_and_reaches_it() -> None:
    config = with_alerts(channels={"noc": SLACK}) | {"warp-edge:alertTokens": {"noc": TOKEN}}
    with patch.dict(os.environ, {"PULUMI_CONFIG_SECRET_KEYS": json.dumps(["warp-edge:alertTokens"])}):
        found = declare_once(config)
    channel = found.named("alerts-channel-noc")
    assert channel.inputs["sensitiveLabels"] == {"authToken": TOKEN}
    assert TOKEN not in json.dumps([each.clear for each in found.resources])
    assert channel.secret_outputs == ["sensitiveLabels"]
    assert channel.inputs["labels"] == {"channel_name": "#noc"}


@pytest.mark.parametrize(
    ("alerts", "tokens", "secret", "words"),
    [
        ({"channels": {"noc": SLACK}}, {}, True, "channel noc of type slack has no token"),
        ({"channels": {"noc": SLACK}}, {"noc": TOKEN}, False, "revoke it where it was issued"),
        ({}, {"noc": TOKEN}, True, "add alerts.channels.noc of a type with one"),
        ({"channels": {"noc": {"type": "email"}}}, {}, True, "needs a recipient"),
        ({"channels": {"noc": {"type": "pagerduty", "to": "x"}}}, {}, True, "by its service key"),
        ({"channels": {"noc": {"type": "webhook_basicauth", "to": "https://x"}}}, {}, True, "a user name is for"),
        ({"off": ["DatabaseOnFire"]}, {}, True, "there is no alert 'DatabaseOnFire'"),
        ({"probe": {"own": False}}, {}, True, "nothing to ask"),
        ({"existingChannels": ["noc"]}, {}, True, "notificationChannels/NUMBER"),
    ],
)
def test_settings_that_are_refused(alerts: dict[str, Any], tokens: dict[str, str], secret: bool, words: str) -> None:
    config = with_alerts(**alerts) | {"warp-edge:alertTokens": tokens}
    keys = ["warp-edge:alertTokens"] if secret else []
    with pytest.raises(SettingsError) as refusal:
        Settings.parse(as_engine_gives_it(config), keys)
    assert words in str(refusal.value)
    assert TOKEN not in str(refusal.value)


def in_settings(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config), SECRET_KEYS)


@pytest.mark.parametrize(
    ("renew", "alert", "right"), [(20, 30, False), (30, 30, False), (31, 30, True), (20, 19, True)]
)
def test_a_certificate_that_is_renewed_in_time_is_no_alert(renew: int, alert: int, right: bool) -> None:
    def config(**alerts: Any) -> Config:
        given = {"manage": True, "thresholds": {"certificatePercent": alert}, **alerts}
        return with_tls(AT_GANDI | {"renewAtPercent": renew}, alerts=given)

    if right:
        in_settings(config())
        return
    with pytest.raises(SettingsError, match=f"set alerts.thresholds.certificatePercent below {renew}"):
        in_settings(config())
    in_settings(config(off=["CertificateNearEnd", "ServedCertificateNearEnd"]))


@pytest.mark.parametrize(
    ("database", "threshold", "alert"),
    [
        ({}, {}, "20"),
        ({}, {"databaseConnections": 0}, "0"),
        ({"flags": {"max_connections": "50"}}, {}, "40"),
        ({"tier": "db-custom-2-7680", "flags": {"max_connections": "400"}}, {}, "320"),
        ({"tier": "db-custom-2-7680"}, {"databaseConnections": 300}, "300"),
        ({"tier": "db-custom-2-7680"}, {}, None),
        ({"tier": "db-g1-small"}, {}, None),
    ],
)
def test_the_alert_on_connections_fits_the_machine(
    database: dict[str, Any], threshold: dict[str, int], alert: str | None
) -> None:
    def config(**alerts: Any) -> Config:
        found = with_alerts(thresholds=threshold, **alerts)
        for key, value in database.items():
            found = changed(found, ("warp-edge:database", key), value)
        return found

    if alert is not None:
        assert condition(alerts_of(declare_once(config()))["DatabaseConnections"])["query"].endswith(f"> {alert}")
        return
    with pytest.raises(SettingsError, match="four fifths of what `SHOW max_connections` says"):
        in_settings(config())
    assert "DatabaseConnections" not in alerts_of(declare_once(config(off=["DatabaseConnections"])))


@pytest.mark.parametrize(("period", "window"), [("60s", "300s"), ("300s", "600s"), ("900s", "1800s")])
def test_a_locations_result_stands_for_two_periods(period: str, window: str) -> None:
    query = condition(alerts_of(edge(uptimePeriod=period))["IngressUnreachable"])["query"]
    assert f"[{window}]) == 0" in query


def test_a_prober_needs_an_image() -> None:
    config = changed(with_alerts(probe={}), ("warp-edge:trunkAcl", "enforcement"), {})
    with pytest.raises(SettingsError, match="the prober has no image"):
        Settings.parse(as_engine_gives_it(config))


# The cost


def test_the_bill_names_what_it_cannot_know() -> None:
    items = {each["item"]: each for each in edge().outputs["monthlyCost"]["list"]["items"]}
    assert items["uptime checks"]["month"] == 0
    assert items["uptime checks"]["count"] == 2
    conditions = items["alert conditions"]
    assert conditions["count"] == len(alerts_of(edge()))
    assert "not in the sum" in conditions["formula"]
    assert "alert conditions" not in str(declare_once(stack_config("sandbox")).outputs["monthlyCost"])


# The policy


def test_an_alert_without_a_recipient_is_reported() -> None:
    assert refused("alert-has-channel", resource(ALERT, displayName="a")) == [f"it: {NO_CHANNEL}"]
    assert refused("alert-has-channel", resource(ALERT, displayName="a", notificationChannels=[])) == [
        f"it: {NO_CHANNEL}"
    ]
    assert silent("alert-has-channel", resource(ALERT, notificationChannels=["projects/p/notificationChannels/1"]))


def test_a_channel_that_is_not_known_yet_is_one() -> None:
    assert silent("alert-has-channel", resource(ALERT, notificationChannels=[UNKNOWN]))
    assert unjudged("alert-has-channel", resource(ALERT, notificationChannels=UNKNOWN))
