"""The zone at Google Cloud DNS, and its record sets."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.dns_host import HostedZone, Probed, SipDnsArgs
from components.look_up import Sought, look_up
from components.sdk import google
from components.sdk.resource import Properties
from engine.refusal import RefusedError
from inventory.dns_routing import Policy, Routing, Target
from inventory.endpoint import Record
from settings.dns import Dns, Zone


class Host:
    """Google Cloud DNS."""

    def __init__(self, component: pulumi.Resource, name: str, args: SipDnsArgs) -> None:
        self._component, self._name, self._args = component, name, args
        self._zone = _of_cloud_dns(args.dns)
        self._zone_name: pulumi.Input[str] = self._zone.name
        options = pulumi.ResourceOptions(parent=component)  # not protected: the cloud keeps what a policy uses
        self._check = _health_check(f"{name}-probe", args.probed, options) if args.probed else None

    def zone(self) -> HostedZone:
        """See `ZoneHost`. Key signing keys are looked up once the zone is signed."""
        settings = self._zone
        unsigned: pulumi.Output[Sequence[str]] = pulumi.Output.from_input([])
        if not settings.manage:
            servers = self._args.name_servers
            if servers is None:
                servers = look_up_zone(self._args.dns) or []
            return HostedZone(pulumi.Output.from_input(servers), unsigned)
        zone = google.ManagedZone(
            f"{self._name}-zone",
            {
                "name": settings.name,
                "dnsName": f"{self._args.dns.domain}.",
                "description": "WARP SIP edge",
                "visibility": "public",
                # None keeps what the zone has: that is how an adopted zone stays untouched.
                "dnssecConfig": None if settings.dnssec is None else {"state": "on" if settings.dnssec else "off"},
                "labels": self._args.labels,
            },
            pulumi.ResourceOptions(parent=self._component, protect=self._args.protect),
        )
        self._zone_name = zone.name
        return HostedZone(zone.name_servers, self._ds_records(zone) if settings.dnssec else unsigned)

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        """See `ZoneHost`."""
        routing = record.routing
        google.RecordSet(
            name,
            {
                "name": record.name,
                "managedZone": self._zone_name,
                "type": record.type,
                "ttl": self._args.dns.ttl_seconds,
                "rrdatas": None if routing else record.values(self._args.addresses),
                "routingPolicy": _routing_policy(routing, self._check) if routing else None,
            },
            # Of a name and type there is one set at a time, and left alone the plugin makes the new one first: the API
            # answers 409. (A health check that a policy gets is such a replacement.)
            pulumi.ResourceOptions(parent=owner, protect=self._args.protect, delete_before_replace=True),
        )

    def _ds_records(self, zone: google.ManagedZone) -> pulumi.Output[Sequence[str]]:
        """None of a zone that has no keys yet: a plugin answers with no list at all then."""
        sought = _sought(self._zone)

        def ask(zone_id: str) -> Sequence[str]:
            found = look_up(sought, lambda: google.get_keys(zone_id=zone_id))
            return [key["dsRecord"] for key in found.get("keySigningKeys") or () if key.get("dsRecord")]

        return zone.id.apply(ask)


def look_up_zone(dns: Dns) -> Sequence[str] | None:
    """Name servers of somebody else's zone at Cloud DNS; None where the zone is ours or at another host.

    To be called before anything is declared. Raises `RefusedError` when the zone is not there, or does not hold the
    domain: it is the domain's own or that of one above it, where nothing is delegated in between.
    """
    zone = _of_cloud_dns(dns) if "cloud-dns" in dns.hosts else None
    if zone is None or zone.manage:
        return None
    found = look_up(_sought(zone), lambda: google.get_managed_zone(name=zone.name))
    held = found.get("dnsName")
    if held and not f".{dns.domain}.".endswith(f".{held}"):
        raise RefusedError(
            f"zone {zone.name} at Cloud DNS is for {held}, and the names are below {dns.domain}.",
            f"correct warp-edge:dns.zone.name or warp-edge:dns.domain (`{_sought(zone).listed_by}` shows all)",
        )
    return found.get("nameServers") or []


def _sought(zone: Zone) -> Sought:
    return Sought(
        what=f"zone {zone.name} at Cloud DNS",
        keys="warp-edge:dns.zone.name" + ("" if zone.manage else ", or set warp-edge:dns.zone.manage: true to make it"),
        listed_by="gcloud dns managed-zones list",
        role="roles/dns.reader",
        api="dns.googleapis.com",
    )


def _of_cloud_dns(dns: Dns) -> Zone:
    """The settings refuse Cloud DNS without a zone."""
    if dns.zone is None:
        raise AssertionError("the settings let Cloud DNS through without a zone")
    return dns.zone


def _health_check(name: str, probed: Probed, options: pulumi.ResourceOptions) -> google.HealthCheck:
    """Probes whichever address it is asked about: Cloud DNS takes that from the record sets."""
    probe, port = probed.probe, probed.port
    return google.HealthCheck(
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


def _routing_policy(routing: Routing, check: google.HealthCheck | None) -> Properties:
    """A record set's policy (docs.cloud.google.com/dns/docs/routing-policies-overview). One address an item: where a
    zone is signed, health checks allow no more.

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
