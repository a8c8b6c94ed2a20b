"""The same alerts as a rule file of Prometheus: for the sandbox, promtool, and an edge with a Prometheus of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerts.definition import Alert, scaled


def rule_file(
    alerts: Iterable[Alert], values: Mapping[str, object], *, factor: float = 1, interval: str = "30s"
) -> dict[str, Any]:
    """The rule file as an object; JSON is YAML. `factor` scales every duration: 0.1 shows in 30 s what takes 5 min."""
    rules = [
        {
            "alert": each.name,
            "expr": scaled(each.filled(values), factor),
            "for": f"{round(each.hold * factor * 1000)}ms",
            "labels": {"severity": each.severity.lower()},
            "annotations": {"summary": each.summary, "runbook": f"docs/alerts.md#{each.anchor}"},
        }
        for each in alerts
    ]
    return {"groups": [{"name": "warp-edge", "interval": interval, "rules": rules}]}
