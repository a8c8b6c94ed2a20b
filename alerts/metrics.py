"""Every metric that an alert or the dashboard reads: who exports it, its kind and its labels.

Google's: name in Cloud Monitoring, monitored resource, kind and labels by docs.cloud.google.com, page named with each
group. In PromQL the first `/` is `:`, every other special character `_` (monitoring/promql/promql-mapping, there);
DELTA metrics are counters, booleans 0 and 1. Labels of the monitored resource are labels like the metric's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Exporter(StrEnum):
    """Where a metric comes from. The first is Google, the others are this program's own, scraped as Prometheus text."""

    GOOGLE = "Cloud Monitoring"
    RELOADER = "reloader"
    RENEWER = "renewer"
    PROBER = "prober"


@dataclass(frozen=True)
class Metric:
    """`name` in PromQL; `kind`: counter or gauge; `source`: Cloud Monitoring's type, empty for our own."""

    name: str
    exporter: Exporter
    kind: str
    labels: frozenset[str]
    source: str = ""
    resource: str = ""


def in_promql(source: str) -> str:
    """PromQL's name of a metric type of Cloud Monitoring."""
    domain, _, path = source.partition("/")
    return f"{re.sub(r'[^a-zA-Z0-9_]', '_', domain)}:{re.sub(r'[^a-zA-Z0-9_]', '_', path)}"


def _google(source: str, resource: str, kind: str, *labels: str) -> Metric:
    of_resource = {
        # nat/docs/monitoring, sql/docs/postgres/monitoring-metrics, monitoring/api/resources
        "nat_gateway": ("project_id", "region", "router_id", "gateway_name"),
        "cloudsql_database": ("project_id", "region", "database_id"),
        "uptime_url": ("project_id", "host"),
    }[resource]
    found = frozenset((*labels, *of_resource, "monitored_resource"))
    return Metric(in_promql(source), Exporter.GOOGLE, kind, found, source, resource)


def _own(exporter: Exporter, kind: str, name: str, *labels: str) -> Metric:
    # Added by managed collection to every series (prometheus_target).
    target = ("project_id", "location", "cluster", "namespace", "job", "instance")
    return Metric(name, exporter, kind, frozenset((*labels, *target)))


_NAT, _SQL, _UPTIME = "nat_gateway", "cloudsql_database", "uptime_url"
_ALL = (
    # docs.cloud.google.com/nat/docs/monitoring
    _google("router.googleapis.com/nat/dropped_sent_packets_count", _NAT, "counter", "ip_protocol", "reason"),
    # The path repeats the word.
    _google("router.googleapis.com/nat/nat_allocation_failed", _NAT, "gauge"),
    # The most connections of one VM to a single endpoint: not ports used of ports allocated.
    _google("router.googleapis.com/nat/port_usage", _NAT, "gauge", "ip_protocol"),
    _google("router.googleapis.com/nat/allocated_ports", _NAT, "gauge", "nat_ip"),
    _google("router.googleapis.com/nat/open_connections", _NAT, "gauge", "ip_protocol"),
    # docs.cloud.google.com/monitoring/uptime-checks
    _google("monitoring.googleapis.com/uptime_check/check_passed", _UPTIME, "gauge", "check_id", "checker_location"),
    # docs.cloud.google.com/sql/docs/postgres/admin-api/metrics
    _google("cloudsql.googleapis.com/database/up", _SQL, "gauge"),
    _google("cloudsql.googleapis.com/database/disk/utilization", _SQL, "gauge"),
    _google("cloudsql.googleapis.com/database/postgresql/num_backends", _SQL, "gauge", "database"),
    # Negative: replication is inactive.
    _google("cloudsql.googleapis.com/database/replication/replica_lag", _SQL, "gauge"),
    # kamailio/reloader/status.py
    _own(Exporter.RELOADER, "gauge", "warp_acl_database_up"),
    _own(Exporter.RELOADER, "gauge", "warp_acl_leading"),
    _own(Exporter.RELOADER, "gauge", "warp_acl_proxies"),
    _own(Exporter.RELOADER, "gauge", "warp_acl_proxy_up", "proxy"),
    _own(Exporter.RELOADER, "gauge", "warp_acl_proxy_complete", "proxy"),
    _own(Exporter.RELOADER, "gauge", "warp_acl_proxy_tables_timestamp_seconds", "proxy"),
    _own(Exporter.RELOADER, "counter", "warp_acl_accepted_total", "proxy"),
    _own(Exporter.RELOADER, "counter", "warp_acl_rejected_total", "proxy"),
    # Of unknown sources that are no longer answered: a flood is mostly here.
    _own(Exporter.RELOADER, "counter", "warp_acl_silenced_total", "proxy"),
    _own(Exporter.RELOADER, "counter", "warp_acl_no_table_total", "proxy"),
    _own(Exporter.RELOADER, "counter", "warp_acl_limited_total", "proxy", "trunk", "limit"),
    # kamailio/renewer
    _own(Exporter.RENEWER, "gauge", "warp_tls_not_after_seconds"),
    _own(Exporter.RENEWER, "gauge", "warp_tls_not_before_seconds"),
    _own(Exporter.RENEWER, "gauge", "warp_tls_served_not_after_seconds", "proxy"),
    _own(Exporter.RENEWER, "gauge", "warp_tls_last_failure", "cause"),
    # verify/prober.py
    _own(Exporter.PROBER, "gauge", "warp_sip_probe_configured", "target", "transport"),
    _own(Exporter.PROBER, "gauge", "warp_sip_probe_success", "target", "transport"),
    _own(Exporter.PROBER, "gauge", "warp_sip_probe_seconds", "target", "transport"),
    _own(Exporter.PROBER, "gauge", "warp_sip_probe_not_before_seconds", "target", "transport"),
    _own(Exporter.PROBER, "gauge", "warp_sip_probe_not_after_seconds", "target", "transport"),
    _own(Exporter.PROBER, "gauge", "warp_dns_probe_success", "host"),
)
METRICS = {each.name: each for each in _ALL}
# Metric names inside an expression. Functions, operators and labels have neither a colon nor our prefix.
NAMES = re.compile(r"\b(?:warp_\w+|\w+_googleapis_com:\w+)\b")


def named(expression: str) -> frozenset[str]:
    """The metrics that an expression reads."""
    return frozenset(NAMES.findall(expression))
