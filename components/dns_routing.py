"""How Cloud DNS is told to choose among several regions' addresses.

docs.cloud.google.com/dns/docs/routing-policies-overview
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_gcp.dns import (
    RecordSetRoutingPolicyArgs,
    RecordSetRoutingPolicyGeoArgs,
    RecordSetRoutingPolicyGeoHealthCheckedTargetsArgs,
    RecordSetRoutingPolicyPrimaryBackupArgs,
    RecordSetRoutingPolicyPrimaryBackupBackupGeoArgs,
    RecordSetRoutingPolicyPrimaryBackupBackupGeoHealthCheckedTargetsArgs,
    RecordSetRoutingPolicyPrimaryBackupPrimaryArgs,
)

from inventory.routing import Policy, Routing, Target
from settings.routing import Probe

if TYPE_CHECKING:
    from pulumi_gcp.compute import HealthCheck


@dataclass(frozen=True)
class Probed:
    """How addresses are probed, and at which port: all of them at the same."""

    probe: Probe
    port: int


def health_check(name: str, probed: Probed, options: pulumi.ResourceOptions) -> HealthCheck:
    """Probes whichever address it is asked about: Cloud DNS takes that from the record sets."""
    # Here, because a region's preview need not wait for it.
    from pulumi_gcp.compute import (  # noqa: PLC0415
        HealthCheck,
        HealthCheckHttpHealthCheckArgs,
        HealthCheckTcpHealthCheckArgs,
    )

    probe, port = probed.probe, probed.port
    return HealthCheck(
        name,
        name=probe.name,
        description="Which region's SIP over TCP answers",
        source_regions=list(probe.source_regions),
        check_interval_sec=probe.interval_seconds,
        timeout_sec=probe.timeout_seconds,
        unhealthy_threshold=probe.unhealthy_after,
        healthy_threshold=probe.healthy_after,
        tcp_health_check=None if probe.path else HealthCheckTcpHealthCheckArgs(port=port),
        http_health_check=HealthCheckHttpHealthCheckArgs(port=port, request_path=probe.path) if probe.path else None,
        opts=options,
    )


def routing_policy(routing: Routing, check: HealthCheck | None) -> RecordSetRoutingPolicyArgs:
    """A record set's policy. One address an item: where a zone is signed, health checks allow no more.

    A failover has something to fail over to; with one region left it is a geolocation policy of that region. It keeps
    its health check all the same: without it, the plugin would replace the record set, and the name be gone meanwhile.
    """
    if not routing.probed:
        geos = [RecordSetRoutingPolicyGeoArgs(location=at.location, rrdatas=[at.address]) for at in routing.targets]
        return RecordSetRoutingPolicyArgs(geos=geos)
    if check is None:
        raise AssertionError("the settings let a probed policy through without a probe")
    first, *others = routing.targets
    if routing.policy is Policy.FAILOVER and others:
        primary = RecordSetRoutingPolicyPrimaryBackupPrimaryArgs(external_endpoints=[first.address])
        backups = [_backup(each) for each in others]
        failover = RecordSetRoutingPolicyPrimaryBackupArgs(primary=primary, backup_geos=backups)
        return RecordSetRoutingPolicyArgs(health_check=check.id, primary_backup=failover)
    return RecordSetRoutingPolicyArgs(health_check=check.id, geos=[_geo(each) for each in routing.targets])


def _backup(target: Target) -> RecordSetRoutingPolicyPrimaryBackupBackupGeoArgs:
    endpoint = RecordSetRoutingPolicyPrimaryBackupBackupGeoHealthCheckedTargetsArgs(external_endpoints=[target.address])
    return RecordSetRoutingPolicyPrimaryBackupBackupGeoArgs(location=target.location, health_checked_targets=endpoint)


def _geo(target: Target) -> RecordSetRoutingPolicyGeoArgs:
    endpoint = RecordSetRoutingPolicyGeoHealthCheckedTargetsArgs(external_endpoints=[target.address])
    return RecordSetRoutingPolicyGeoArgs(location=target.location, health_checked_targets=endpoint)
