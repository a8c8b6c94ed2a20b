"""The dashboard: what the alerts read, in one page of Cloud Monitoring.

Its JSON has no default value (0, false, "", an empty list): the API drops those, and the plugin would plan an update
for ever (github.com/hashicorp/terraform-provider-google/issues/16173).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from alerts.definition import Part

COLUMNS, WIDTH, HEIGHT = 12, 6, 4


@dataclass(frozen=True)
class Panel:
    """One chart: each series under its legend."""

    title: str
    part: Part
    series: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """Of the values that its expressions need."""
        return frozenset(name for each in self.series.values() for name in Template(each).get_identifiers())

    def filled(self, values: Mapping[str, object]) -> dict[str, str]:
        """Legend -> PromQL. Raises `KeyError` for a value that is missing."""
        return {legend: Template(each).substitute(values) for legend, each in self.series.items()}


_NAT = 'monitored_resource="nat_gateway",$gateway'
_SQL = 'monitored_resource="cloudsql_database",database_id="$database"'
PANELS: tuple[Panel, ...] = (
    Panel(
        "SIP OPTIONS answered as expected (1) or not (0)",
        Part.PROBER,
        {"answered": "min by (target, transport) (warp_sip_probe_success{$pods})"},
    ),
    Panel(
        "Time to the answer, seconds",
        Part.PROBER,
        {"seconds": "max by (target, transport) (warp_sip_probe_seconds{$pods})"},
    ),
    Panel(
        "TCP reachable, share of locations",
        Part.INGRESS,
        {
            "share": "avg by (host) (monitoring_googleapis_com:uptime_check_check_passed"
            '{monitored_resource="uptime_url",check_id=~"$checks"})'
        },
    ),
    Panel(
        "Requests per second, by decision",
        Part.TRUNK_ACL,
        {
            "accepted": "sum(rate(warp_acl_accepted_total{$pods}[5m]))",
            "403, unknown source": "sum(rate(warp_acl_rejected_total{$pods}[5m]))",
            "no longer answered": "sum(rate(warp_acl_silenced_total{$pods}[5m]))",
            "503, no table": "sum(rate(warp_acl_no_table_total{$pods}[5m]))",
        },
    ),
    Panel(
        "Calls rejected by a trunk's limit, per second",
        Part.TRUNK_ACL,
        {"limited": "sum by (trunk, limit) (rate(warp_acl_limited_total{$pods}[5m]))"},
    ),
    Panel(
        "Age of the proxies' tables, seconds",
        Part.TRUNK_ACL,
        {"age": "time() - max by (proxy) (warp_acl_proxy_tables_timestamp_seconds{$pods})"},
    ),
    Panel(
        "Reloaders that lead, and database reached",
        Part.TRUNK_ACL,
        {"leading": "sum(warp_acl_leading{$pods})", "database": "max(warp_acl_database_up{$pods})"},
    ),
    Panel(
        "NAT: packets dropped for want of ports, per second",
        Part.NAT,
        {
            "dropped": "sum(rate(router_googleapis_com:nat_dropped_sent_packets_count"
            f'{{{_NAT},reason="OUT_OF_RESOURCES"}}[5m]))'
        },
    ),
    Panel(
        "NAT: ports in use, per cent",
        Part.NAT,
        {
            "one VM": f"100 * max(router_googleapis_com:nat_port_usage{{{_NAT}}}) / $ports_of_a_vm",
            "pool": f"100 * sum(router_googleapis_com:nat_allocated_ports{{{_NAT}}}) / $ports_of_the_pool",
        },
    ),
    Panel(
        "NAT: open connections",
        Part.NAT,
        {"open": f"sum by (ip_protocol) (router_googleapis_com:nat_open_connections{{{_NAT}}})"},
    ),
    Panel(
        "Certificate: days left",
        Part.CERTIFICATE,
        {
            "Secret": "(max(warp_tls_not_after_seconds{$pods}) - time()) / 86400",
            "served": "(min by (proxy) (warp_tls_served_not_after_seconds{$pods}) - time()) / 86400",
        },
    ),
    Panel(
        "Database: connections",
        Part.DATABASE,
        {"connections": f"sum by (database) (cloudsql_googleapis_com:database_postgresql_num_backends{{{_SQL}}})"},
    ),
    Panel(
        "Database: disk in use, per cent",
        Part.DATABASE,
        {"disk": f"100 * max(cloudsql_googleapis_com:database_disk_utilization{{{_SQL}}})"},
    ),
    Panel(
        "Replica: seconds behind its owner",
        Part.REPLICA,
        {"lag": f"max(cloudsql_googleapis_com:database_replication_replica_lag{{{_SQL}}})"},
    ),
)


def panels(parts: frozenset[Part]) -> list[Panel]:
    """Those of a stack with these parts."""
    return [each for each in PANELS if each.part in parts]


def dashboard(title: str, shown: Iterable[Panel], values: Mapping[str, object]) -> str:
    """The JSON of Cloud Monitoring's dashboard (monitoring/api/ref_v3/rest/v1/projects.dashboards)."""
    tiles = [_tile(number, each, values) for number, each in enumerate(shown)]
    board = {"displayName": title, "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}}
    return json.dumps(board, sort_keys=True)


def _tile(number: int, panel: Panel, values: Mapping[str, object]) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS // WIDTH)
    place = {"xPos": column * WIDTH, "yPos": row * HEIGHT, "width": WIDTH, "height": HEIGHT}
    sets = [
        {
            # Without one, each series has its labels as its legend.
            **({"legendTemplate": legend} if len(panel.series) > 1 else {}),
            "plotType": "LINE",
            "timeSeriesQuery": {"prometheusQuery": query},
        }
        for legend, query in panel.filled(values).items()
    ]
    widget = {"title": panel.title, "xyChart": {"dataSets": sets}}
    return {**{key: at for key, at in place.items() if at}, "widget": widget}
