"""How Cloud DNS is told to choose among several regions' addresses.

docs.cloud.google.com/dns/docs/routing-policies-overview
"""

from __future__ import annotations

import pulumi

from components.dns_host import Probed
from components.sdk.google import HealthCheck
from components.sdk.resource import Properties
from inventory.dns_routing import Policy, Routing, Target


def health_check(name: str, probed: Probed, options: pulumi.ResourceOptions) -> HealthCheck:
    """Probes whichever address it is asked about: Cloud DNS takes that from the record sets."""
    probe, port = probed.probe, probed.port
    return HealthCheck(
        name,
        {
            "name": probe.name,
            "description": "Which region's SIP over TCP answers",
            "sourceRegions": list(probe.source_regions),
            "checkIntervalSec": probe.interval_seconds,
            "timeoutSec": probe.timeout_seconds,
            "unhealthyThreshold": probe.unhealthy_after,
            "healthyThreshold": probe.healthy_after,
            "tcpHealthCheck": None if probe.path else {"port": port},
            "httpHealthCheck": {"port": port, "requestPath": probe.path} if probe.path else None,
        },
        options,
    )


def routing_policy(routing: Routing, check: HealthCheck | None) -> Properties:
    """A record set's policy. One address an item: where a zone is signed, health checks allow no more.

    A failover has something to fail over to; with one region left it is a geolocation policy of that region. It keeps
    its health check all the same: without it, the plugin would replace the record set, and the name be gone meanwhile.
    """
    if not routing.probed:
        return {"geos": [{"location": at.location, "rrdatas": [at.address]} for at in routing.targets]}
    if check is None:
        raise AssertionError("the settings let a probed policy through without a probe")
    first, *others = routing.targets
    if routing.policy is Policy.FAILOVER and others:
        backups = [_probed(each) for each in others]
        failover = {"primary": {"externalEndpoints": [first.address]}, "backupGeos": backups}
        return {"healthCheck": check.id, "primaryBackup": failover}
    return {"healthCheck": check.id, "geos": [_probed(each) for each in routing.targets]}


def _probed(target: Target) -> Properties:
    return {"location": target.location, "healthCheckedTargets": {"externalEndpoints": [target.address]}}
