"""Alerts of one region's edge at Cloud Monitoring, and what measures the ingress. What they are: `alerts/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pulumi

from alerts.dashboard import dashboard, panels
from alerts.definition import Alert, any_of, of_gateway, of_pods
from alerts.definitions import chosen
from components.database import TrunkDatabase
from components.sdk.google import AlertPolicy, Dashboard, NotificationChannel, UptimeCheckConfig
from components.sip_prober import ProberArgs, declare_prober
from engine.tokens import EDGE_ALERTS
from inventory.capacity import PORTS_PER_ADDRESS
from inventory.outputs import Inventory
from settings import Settings
from settings.alerts import TOKEN

# docs/alerts.md is where an alert leads; this is its place without a URL in the settings.
RUNBOOKS = "docs/alerts.md"
EVALUATED = "30s"  # the shortest interval of Cloud Monitoring
CLOSED_AFTER = "1800s"  # the shortest; of an incident whose series are gone
ANSWER_WITHIN = "10s"


@dataclass(frozen=True)
class EdgeAlertsArgs:
    """`settings.alerts.manage` is set. `promised`: the plan; `addresses`: IP by name."""

    settings: Settings
    promised: Inventory
    addresses: Mapping[str, pulumi.Output[str]]
    database: TrunkDatabase


class EdgeAlerts(pulumi.ComponentResource):
    """`warp:edge:EdgeAlerts`: who is notified of what.

    Declares notification channels, an uptime check for each IPv4 address of the TCP ingress, one alert policy for each
    alert that makes sense in this stack, the dashboard and the SIP prober. It deliberately does not manage channels
    made elsewhere, snoozes, and managed collection for Prometheus, which the cluster needs for our own metrics.

    Outputs: `alerts` (names of the alerts that are declared).
    """

    alerts: pulumi.Output[list[str]]

    def __init__(self, name: str, args: EdgeAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(EDGE_ALERTS, name, None, opts)
        self._name, self._args = name, args
        settings, alerts = args.settings, args.settings.alerts
        self._labels = dict(settings.labels)
        self._own = pulumi.ResourceOptions(parent=self)
        parts = settings.alert_parts
        known, late = self._known(), self._late(list(self._uptime_checks()))
        channels: list[pulumi.Input[str]] = [*self._channels(), *alerts.existing_channels]
        declared = chosen(parts, frozenset(alerts.off))
        for each in declared:
            values = {key: value for key, value in late.items() if key in each.names}
            self._policy(each, _query(each, known, values), channels)
        if alerts.dashboard:
            shown = panels(parts)
            values = {key: value for key, value in late.items() if any(key in each.names for each in shown)}
            board = pulumi.Output.all(**values).apply(
                lambda found: dashboard(f"SIP edge {settings.region}", shown, {**known, **found})
            )
            Dashboard(f"{name}-dashboard", {"dashboardJson": board}, self._own)
        if alerts.probe:
            declare_prober(name, ProberArgs(alerts.probe, settings, args.promised, args.addresses), self._own)
        self.alerts = pulumi.Output.from_input([each.name for each in declared])
        self.register_outputs({"alerts": self.alerts})

    def _channels(self) -> Iterator[pulumi.Output[str]]:
        tokens = self._args.settings.alert_tokens
        for key, channel in self._args.settings.alerts.channels.items():
            token = {TOKEN[channel.type]: tokens[key]} if channel.type in TOKEN else None
            hidden = {"sensitiveLabels": pulumi.Output.secret(token)} if token else {}
            made = NotificationChannel(
                f"{self._name}-channel-{key}",
                {
                    "displayName": f"SIP edge {self._args.settings.region}: {key}",
                    "type": channel.type,
                    "labels": channel.labels or None,
                    "userLabels": self._labels or None,
                    **hidden,
                },
                pulumi.ResourceOptions(parent=self, additional_secret_outputs=list(hidden) or None),
            )
            yield made.name

    def _uptime_checks(self) -> Iterator[pulumi.Output[str]]:
        settings, tcp = self._args.settings, self._args.settings.ingress.tcp
        for role, port in settings.uptime_ports.items():
            check = UptimeCheckConfig(
                f"{self._name}-uptime-{role}",
                {
                    "displayName": f"SIP edge {settings.region}: TCP {port}",
                    "timeout": ANSWER_WITHIN,
                    "period": settings.alerts.uptime_period,
                    "tcpCheck": {"port": port},
                    "monitoredResource": {
                        "type": "uptime_url",
                        # Force-new: a label less later would replace the check.
                        "labels": {"host": self._args.addresses[tcp.address], "project_id": settings.project},
                    },
                    "userLabels": self._labels or None,
                },
                self._own,
            )
            yield check.uptime_check_id

    def _known(self) -> dict[str, object]:
        """Values of expressions that the settings have."""
        settings = self._args.settings
        cluster, egress, connections = settings.cluster, settings.egress, settings.database.connections
        return {
            # Four fifths of what it takes.
            **({} if connections is None else {"databaseConnections": connections * 4 // 5}),
            **settings.alerts.thresholds.values(),
            "pods": of_pods(
                region=settings.region,
                namespace=settings.ingress.namespace,
                cluster=cluster.name,
                location=cluster.location,
            ),
            "gateway": of_gateway(region=settings.region, name=egress.nat),
            "uptime_window": settings.alerts.uptime_window,
            "ports_of_a_vm": egress.most_ports_of_a_vm,
            "ports_of_the_pool": len(egress.active) * PORTS_PER_ADDRESS,
        }

    def _late(self, checks: list[pulumi.Output[str]]) -> dict[str, pulumi.Output[str]]:
        """Values of expressions that only the cloud knows."""
        args = self._args
        slots = [args.addresses[name] for name in args.settings.egress.slots]
        return {
            "database": args.database.connection_name.apply(_database_id),
            "checks": pulumi.Output.all(*checks).apply(any_of),
            "egress": pulumi.Output.all(*slots).apply(any_of),
        }

    def _policy(self, alert: Alert, query: pulumi.Input[str], channels: list[pulumi.Input[str]]) -> None:
        settings = self._args.settings
        link = f"{settings.alerts.runbooks or RUNBOOKS}#{alert.anchor}"
        AlertPolicy(
            f"{self._name}-{alert.name}",
            {
                # Cloud Monitoring's convention for PromQL: group/alert.
                "displayName": f"warp-edge {settings.region}/{alert.name}",
                "combiner": "OR",
                "severity": alert.severity.value,
                "conditions": [
                    {
                        "displayName": alert.name,
                        "conditionPrometheusQueryLanguage": {
                            "query": query,
                            "duration": f"{alert.hold}s",
                            "evaluationInterval": EVALUATED,
                            "alertRule": alert.name,
                            "ruleGroup": "warp-edge",
                            # Otherwise a metric without a sample yet refuses the policy: one `up` makes both.
                            "disableMetricValidation": True,
                        },
                    }
                ],
                "notificationChannels": channels or None,
                "documentation": {
                    "content": f"{alert.summary}\n\nWhat to look at and to do: {link}",
                    "mimeType": "text/markdown",
                },
                "alertStrategy": {"autoClose": CLOSED_AFTER},
                "userLabels": self._labels or None,
            },
            self._own,
        )


def _query(alert: Alert, known: Mapping[str, object], late: Mapping[str, pulumi.Output[str]]) -> pulumi.Input[str]:
    """Only what it reads delays it: an alert on the trunk ACL does not wait for the database."""
    if not late:
        return alert.filled(known)
    return pulumi.Output.all(**late).apply(lambda found: alert.filled({**known, **found}))


def _database_id(connection_name: str) -> str:
    """`project:instance` of `project:region:instance`; a project of a domain has a colon itself."""
    project, _region, instance = connection_name.rsplit(":", 2)
    return f"{project}:{instance}"
