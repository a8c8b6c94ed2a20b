"""Alert policies, channels, uptime checks, dashboards, log-based metrics: generated ids, and refusals."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from local_cloud.cloud import Cloud
from local_cloud.gcp.alerting import ALERT, CHANNEL
from local_cloud.gcp.log_metrics import METRIC
from local_cloud.gcp.monitoring import DASHBOARD, UPTIME
from tests.local_cloud.plugin import Invalid, Plugin, Refused, Resource

EMAIL: dict[str, Any] = {"type": "email", "displayName": "oncall", "labels": {"email_address": "oncall@example.com"}}
PROM: dict[str, Any] = {"query": "up == 0", "duration": "60s", "evaluationInterval": "30s"}
TCP: dict[str, Any] = {
    "displayName": "sip tcp",
    "timeout": "10s",
    "tcpCheck": {"port": 5060},
    "monitoredResource": {"type": "uptime_url", "labels": {"host": "192.0.2.1", "project_id": "warp-sandbox"}},
}
DROPS: dict[str, Any] = {
    "name": "nat/drops",
    "filter": 'jsonPayload.allocation_status="DROPPED"',
    "metricDescriptor": {"metricKind": "DELTA", "valueType": "INT64", "labels": [{"key": "vm", "description": "d"}]},
    "labelExtractors": {"vm": "EXTRACT(jsonPayload.endpoint.vm_name)"},
}


def alert(*conditions: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    given = conditions or ({"displayName": "down", "conditionPrometheusQueryLanguage": PROM},)
    return {"displayName": "down", "combiner": "OR", "conditions": list(given), **inputs}


def on_metric(name: str) -> dict[str, Any]:
    text = f'metric.type = "logging.googleapis.com/user/{name}" AND resource.type = "nat_gateway"'
    return {
        "displayName": name,
        "conditionThreshold": {"filter": text, "comparison": "COMPARISON_GT", "duration": "0s"},
    }


def test_names_are_generated_by_the_server_and_can_be_read(gcp: Plugin) -> None:
    channel = gcp.create(CHANNEL, "oncall", EMAIL)
    assert re.fullmatch(r"projects/warp-sandbox/notificationChannels/\d+", channel.id)
    assert channel.id == channel.outputs["name"]
    inputs = alert(notificationChannels=[channel.id])
    policy = gcp.create(ALERT, "down", inputs)
    (condition,) = policy.outputs["conditions"]
    assert condition["name"].startswith(f"{policy.id}/conditions/")
    assert gcp.diff(policy, inputs).changes == {}
    adopted = gcp.adopt(ALERT, policy.id)
    assert adopted.outputs["displayName"] == "down"
    later = gcp.update(policy, inputs | {"severity": "CRITICAL"})
    assert (later.outputs["severity"], later.outputs["conditions"][0]["name"]) == ("CRITICAL", condition["name"])


def test_a_channel_in_use_is_deleted_only_with_force(gcp: Plugin) -> None:
    channel = gcp.create(CHANNEL, "oncall", EMAIL)
    policy = gcp.create(ALERT, "down", alert(notificationChannels=[channel.id]))
    with pytest.raises(Refused, match=f"is used by {policy.id}"):
        gcp.delete(channel)
    gcp.delete(gcp.update(channel, EMAIL | {"forceDelete": True}))
    seen = gcp.read(policy)
    assert seen is not None
    assert seen.outputs["notificationChannels"] == []


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"type": "carrier_pigeon"}, "Unknown notification channel type"),
        ({"labels": {}}, "needs the label email_address"),
    ],
)
def test_a_channel_that_monitoring_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        gcp.create(CHANNEL, "oncall", EMAIL | inputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            alert(notificationChannels=["projects/p/notificationChannels/1"]),
            "Error 404: Notification channel not found",
        ),
        (alert({"displayName": "none"}), "exactly one kind of condition"),
        (
            alert({"displayName": "c", "conditionPrometheusQueryLanguage": {**PROM, "evaluationInterval": "45s"}}),
            "positive multiple of 30 seconds",
        ),
        (alert({"displayName": "c", "conditionPrometheusQueryLanguage": {**PROM, "duration": "60"}}), "invalid value"),
        (alert({"displayName": "c", "conditionMatchedLog": {"filter": "x"}}), "with a notification rate limit"),
        (alert(*({"displayName": str(n), "conditionSql": {"query": "x"}} for n in range(7))), "one to 6 conditions"),
        (alert(alertStrategy={"autoClose": "1800"}), "auto_close had an invalid value"),
    ],
)
def test_an_alert_policy_that_monitoring_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    gcp.check(ALERT, "down", inputs)  # accepted in the plan
    with pytest.raises(Refused, match=words):
        gcp.create(ALERT, "down", inputs)


def test_an_alert_on_a_log_based_metric_waits_until_monitoring_knows_it(gcp: Plugin, cloud: Cloud) -> None:
    inputs = alert(on_metric("nat/drops"))
    with pytest.raises(Refused, match=r"Error 404: Cannot find metric\(s\)"):
        gcp.create(ALERT, "drops", inputs)
    gcp.create(METRIC, "drops", DROPS)
    with pytest.raises(Refused, match="it could take up to 10 minutes"):
        gcp.create(ALERT, "drops", inputs)
    with cloud.change("hand") as tx:
        body = tx.get(METRIC, "warp-sandbox/nat/drops")
        assert body is not None
        tx.put(METRIC, "warp-sandbox/nat/drops", {**body, "createTime": "2026-01-01T00:00:00.000+00:00"})
    assert gcp.create(ALERT, "drops", inputs).id


def test_an_uptime_check_lives(gcp: Plugin) -> None:
    made = gcp.create(UPTIME, "sip", TCP)
    assert made.id == f"projects/warp-sandbox/uptimeCheckConfigs/{made.outputs['uptimeCheckId']}"
    assert made.outputs["period"] == "300s"
    assert gcp.diff(made, TCP).changes == {}
    assert gcp.diff(made, TCP | {"period": "60s"}).changes == {"period": "update"}
    resource = {"type": "uptime_url", "labels": {"host": "192.0.2.1"}}
    without = gcp.diff(made, TCP | {"monitoredResource": resource})
    assert without.changes == {"__meta": "update_replace"}, "the plugin replaces it without a path as reason"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"timeout": "61s"}, "between 1s and 60s"),
        ({"period": "120s"}, "must be one of 60s"),
        ({"selectedRegions": ["EUROPE", "ASIA_PACIFIC"]}, "at least 3 locations"),
        ({"selectedRegions": ["USA", "MARS"]}, "Unknown region: MARS"),
        ({"tcpCheck": {"port": 70000}}, "between 1 and 65535"),
    ],
)
def test_an_uptime_check_that_monitoring_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        gcp.create(UPTIME, "sip", TCP | inputs)


def test_an_uptime_check_is_of_one_kind(gcp: Plugin) -> None:
    with pytest.raises(Invalid, match="only one of"):
        gcp.check(UPTIME, "sip", TCP | {"httpCheck": {"port": 80}})


def test_a_dashboard_settles_unless_it_has_a_default_value(gcp: Plugin) -> None:
    """github.com/hashicorp/terraform-provider-google/issues/16173"""
    tile: dict[str, Any] = {"width": 6, "height": 4, "widget": {"title": "drops", "text": {"content": "x"}}}
    board = {"displayName": "edge", "mosaicLayout": {"columns": 12, "tiles": [tile]}}
    made = gcp.create(DASHBOARD, "edge", {"dashboardJson": json.dumps(board)})
    assert re.fullmatch(r"projects/warp-sandbox/dashboards/\d+", made.id)
    assert json.loads(made.outputs["dashboardJson"])["name"] == made.id
    assert gcp.diff(made, {"dashboardJson": json.dumps(board, indent=2)}).changes == {}
    tile["xPos"] = 0
    restless = {"dashboardJson": json.dumps(board)}
    assert gcp.diff(gcp.update(made, restless), restless).changes == {"dashboardJson": "update"}


def test_a_dashboard_that_is_no_dashboard_is_refused(gcp: Plugin) -> None:
    with pytest.raises(Invalid, match="contains an invalid JSON"):
        gcp.check(DASHBOARD, "edge", {"dashboardJson": "{"})
    with pytest.raises(Refused, match="displayName is required"):
        gcp.create(DASHBOARD, "edge", {"dashboardJson": "{}"})
    two = {"displayName": "edge", "gridLayout": {}, "mosaicLayout": {}}
    with pytest.raises(Refused, match="one layout, not gridLayout and mosaicLayout"):
        gcp.create(DASHBOARD, "edge", {"dashboardJson": json.dumps(two)})


def test_a_log_based_metric_lives_and_a_new_name_leaves_the_old_one_behind(gcp: Plugin, cloud: Cloud) -> None:
    made = gcp.create(METRIC, "drops", DROPS)
    assert made.id == "nat/drops"
    assert gcp.diff(made, DROPS).changes == {}
    with pytest.raises(Refused, match="Error 409"):
        gcp.create(METRIC, "again", DROPS)
    renamed = DROPS | {"name": "nat/dropped"}
    assert gcp.diff(made, renamed).changes == {"name": "update"}
    gcp.update(made, renamed)
    with cloud.view() as tx:
        assert [one.id for one in tx.all(METRIC)] == ["warp-sandbox/nat/dropped", "warp-sandbox/nat/drops"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"labelExtractors": {}}, "for exactly the labels"),
        ({"valueExtractor": "EXTRACT(x)"}, "value extractor is required with the value type DISTRIBUTION"),
    ],
)
def test_a_log_based_metric_that_logging_refuses(gcp: Plugin, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        gcp.create(METRIC, "drops", DROPS | inputs)


def test_a_label_whose_description_changes_makes_a_new_metric(gcp: Plugin) -> None:
    """Labels are a set: an element whose key forces a replacement is removed, and another added."""
    made: Resource = gcp.create(METRIC, "drops", DROPS)
    descriptor = {**DROPS["metricDescriptor"], "labels": [{"key": "vm", "description": "e"}]}
    difference = gcp.diff(made, DROPS | {"metricDescriptor": descriptor})
    assert difference.changes == {"metricDescriptor.labels[0].description": "update", "__meta": "update_replace"}
    assert difference.replaces
