"""One alert, and how it is filled with values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Template

DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=\boffset )\d+[smhd]\b")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


STACK = {
    "pods": "label matchers of this cluster's Prometheus metrics",
    "gateway": "label matchers of the NAT gateway's metrics",
    "database": "Cloud SQL's id of the instance, `project:instance`",
    "checks": "ids of the uptime checks",
    "uptime_window": "for how long a location's last result stands: two periods of the checks",
    "egress": "addresses that the gateway may have",
    "ports_of_a_vm": "ports that one VM can have at most",
    "ports_of_the_pool": "ports of all active addresses",
}


class Severity(StrEnum):
    """Cloud Monitoring's words. CRITICAL: calls fail, or will within the hour; somebody is woken. ERROR: the same
    working day. WARNING: worth a look."""

    CRITICAL = "CRITICAL"
    ERROR = "ERROR"
    WARNING = "WARNING"


class Part(StrEnum):
    """What a stack must have for an alert to make sense."""

    NAT = "NAT"
    INGRESS = "ingress"
    PROBER = "prober"
    CERTIFICATE = "certificate"
    TRUNK_ACL = "trunk ACL"
    DATABASE = "database"
    REPLICA = "replica"


@dataclass(frozen=True)
class Alert:
    """`expression`: PromQL that returns a series for each thing that is wrong, with `$name` for values: of the stack
    (`of_pods`, `of_gateway`, `any_of` and those of `STACK`) and of the settings' thresholds, `threshold` among them.
    `hold`: how many seconds it has to last.

    `name` is part of the state: a new one replaces the policy.
    """

    name: str
    part: Part
    severity: Severity
    summary: str
    expression: str
    hold: int
    threshold: str = ""

    @property
    def anchor(self) -> str:
        """Of its section in docs/alerts.md."""
        return self.name.lower()

    @property
    def names(self) -> frozenset[str]:
        """Of the values that its expression needs."""
        return frozenset(Template(self.expression).get_identifiers())

    def filled(self, values: Mapping[str, object]) -> str:
        """The expression with its values. Raises `KeyError` for one that is missing."""
        return Template(self.expression).substitute(values)


def of_pods(*, region: str, namespace: str, cluster: str | None = None, location: str | None = None) -> str:
    """Label matchers of the Prometheus metrics of one cluster, as managed collection labels them (`prometheus_target`):
    a project has those of every region."""
    where = f'location="{location}"' if location else f'location=~"{region}(-[a-z])?"'
    return ",".join((*([f'cluster="{cluster}"'] if cluster else []), where, f'namespace="{namespace}"'))


def of_gateway(*, region: str, name: str) -> str:
    """Label matchers of one NAT gateway's metrics."""
    return f'region="{region}",gateway_name="{name}"'


def any_of(texts: Iterable[str]) -> str:
    """A regular expression for these texts. A dot is written as a class: a backslash would need another one there."""
    return "|".join(text.replace(".", "[.]") for text in texts)


def scaled(expression: str, factor: float) -> str:
    """With every range and offset multiplied; none below a second. For a Prometheus that shows in seconds what takes
    minutes (sandbox/alerts.py)."""

    def shorter(found: re.Match[str]) -> str:
        text = found[0]
        return f"{max(1, round(int(text[:-1]) * SECONDS[text[-1]] * factor))}s"

    return DURATION.sub(shorter, expression)
