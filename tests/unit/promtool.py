"""The real Prometheus judges rules: promtool's unit tests, from series written here.

A series has three phases: good for an hour, bad for as long as the alert's `hold` and half an hour more, good again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerts.definition import Alert, any_of, of_gateway, of_pods
from alerts.rules import rule_file
from settings.alerts import Thresholds

STEP = 30
GOOD, BAD_AFTER_HOLD, AGAIN = 3600, 1800, 2700  # seconds
PODS = {"cluster": "warp-cluster", "location": "us-central1", "namespace": "warp-core"}
GATEWAY = {"monitored_resource": "nat_gateway", "region": "us-central1", "gateway_name": "warp-nat"}
SQL = {"monitored_resource": "cloudsql_database", "database_id": "warp-prod:warp-db"}
VALUES: dict[str, object] = {
    **Thresholds().values(),
    "pods": of_pods(region="us-central1", namespace="warp-core", cluster="warp-cluster"),
    "gateway": of_gateway(region="us-central1", name="warp-nat"),
    "database": "warp-prod:warp-db",
    "checks": any_of(["sip-1", "sips-2"]),
    "uptime_window": "300s",
    "databaseConnections": 20,
    "egress": any_of(["34.1.1.1", "34.1.1.2"]),
    "ports_of_a_vm": 1024,
    "ports_of_the_pool": 2 * 64_512,
}
# Second of the test, and whether things are bad then, to a value; None: no sample.
Course = Callable[[int, bool], float | None]


@dataclass(frozen=True)
class Series:
    """One series: metric, labels, and its values over time."""

    metric: str
    labels: Mapping[str, str]
    course: Course

    def written(self, hold: int) -> dict[str, str]:
        end = GOOD + hold + BAD_AFTER_HOLD
        values, counted = list[str](), 0.0
        for second in range(0, end + AGAIN + STEP, STEP):
            value = self.course(second, GOOD <= second < end)
            if isinstance(self.course, Counter) and value is not None:
                counted += value * STEP
                value = counted
            values.append("_" if value is None else repr(value))
        return {"series": _series(self.metric, self.labels), "values": " ".join(values)}


@dataclass(frozen=True)
class Counter:
    """A rate per second: its values are added up."""

    good: float
    bad: float

    def __call__(self, _second: int, bad: bool) -> float:
        return self.bad if bad else self.good


def gauge(good: float | None, bad: float | None) -> Course:
    return lambda _second, is_bad: bad if is_bad else good


def require_promtool() -> str:
    """Its path. Where CI=true, its absence is a failure."""
    found = shutil.which("promtool")
    if not found:
        missing = "promtool is not installed; as root: apt-get install --no-install-recommends prometheus"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    return found or ""


def judged(folder: Path, alert: Alert, series: Iterable[Series], labels: Mapping[str, str]) -> str:
    """What promtool objects to; empty: the alert is silent, pending, fires with these labels, and resolves."""
    end = GOOD + alert.hold + BAD_AFTER_HOLD
    by = ",".join(labels)
    expression = f'sum by ({by}) (ALERTS{{alertname="{alert.name}",alertstate="firing"}})'
    shown = "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"
    moments = [(GOOD - STEP, False), (end - STEP, True), (end + AGAIN, False)]
    if alert.hold:
        moments.append((GOOD + alert.hold // 2, False))
    tests = [
        {
            "expr": expression,
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": shown, "value": 1}] if fires else [],
        }
        for at, fires in moments
    ]
    return run(folder, [alert], [each.written(alert.hold) for each in series], tests)


def fires(
    folder: Path,
    alert: Alert,
    series: Iterable[tuple[str, Mapping[str, str], str]],
    moments: Mapping[int, bool],
    every: int = STEP,
) -> str:
    """What promtool objects to. `series`: metric, labels, and values, one a minute; `moments`: minute to whether one
    alert fires then; `every`: seconds between evaluations."""
    given = [{"series": _series(metric, labels), "values": values} for metric, labels, values in series]
    tests = [
        {
            "expr": 'count(ALERTS{alertstate="firing"})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": 1}] if firing else [],
        }
        for minute, firing in moments.items()
    ]
    return run(folder, [alert], given, tests, step=60, every=every)


def _series(metric: str, labels: Mapping[str, str]) -> str:
    return metric + "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def run(
    folder: Path,
    alerts: Iterable[Alert],
    series: list[dict[str, str]],
    tests: list[dict[str, Any]],
    step: int = STEP,
    every: int = STEP,
) -> str:
    """Let promtool run the tests. Returns what it objects to."""
    (folder / "rules.yml").write_text(json.dumps(rule_file(alerts, VALUES, interval=f"{every}s")))
    group = {"interval": f"{step}s", "input_series": series, "promql_expr_test": tests}
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{every}s", "tests": [group]}
    (folder / "tests.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [require_promtool(), "test", "rules", "tests.yml"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr
