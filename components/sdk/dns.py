"""Google Cloud DNS: registry.terraform.io/providers/hashicorp/google, google_dns_*, in camel case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pulumi import Input

from components.sdk.resource import GCP, LABELS, Known, Resource, ask
from engine import tokens


class DnssecConfig(TypedDict, total=False):
    """`dnssec_config`."""

    state: Input[str]


class ManagedZoneInputs(TypedDict, total=False):
    """google_dns_managed_zone."""

    name: Input[str]
    dnsName: Input[str]
    description: Input[str]
    visibility: Input[str]
    dnssecConfig: DnssecConfig | None
    labels: Input[Mapping[str, str]]


class ManagedZone(Resource[ManagedZoneInputs], token=tokens.ZONE, package=GCP, secret=LABELS):
    """A zone at Cloud DNS."""

    name = Known[str]("name")
    name_servers = Known[Sequence[str]]("nameServers")


class HealthCheckedTargets(TypedDict, total=False):
    """`health_checked_targets`."""

    externalEndpoints: Input[Sequence[Input[str]]]


class Geo(TypedDict, total=False):
    """`geo` and `backup_geo`: the answer for clients at `location`."""

    location: Input[str]
    rrdatas: Input[Sequence[Input[str]]]
    healthCheckedTargets: HealthCheckedTargets


class PrimaryBackup(TypedDict, total=False):
    """`primary_backup`."""

    primary: HealthCheckedTargets
    backupGeos: Sequence[Geo]


class RoutingPolicy(TypedDict, total=False):
    """`routing_policy`."""

    healthCheck: Input[str]
    geos: Sequence[Geo]
    primaryBackup: PrimaryBackup


class RecordSetInputs(TypedDict, total=False):
    """google_dns_record_set."""

    name: Input[str]
    managedZone: Input[str]
    type: Input[str]
    ttl: Input[int]
    rrdatas: Input[Sequence[Input[str]]] | None
    routingPolicy: RoutingPolicy | None


class RecordSet(Resource[RecordSetInputs], token=tokens.RECORD_SET, package=GCP):
    """All records of one name and type at Cloud DNS."""


def get_managed_zone(*, name: str) -> Mapping[str, Any]:
    """google_dns_managed_zone: `dnsName`, `nameServers` of a zone."""
    return ask(GCP, "gcp:dns/getManagedZone:getManagedZone", {"name": name})


def get_keys(*, zone_id: str) -> Mapping[str, Any]:
    """google_dns_keys: `keySigningKeys` with `dsRecord` of a zone, by its id."""
    return ask(GCP, "gcp:dns/getKeys:getKeys", {"managedZone": zone_id})
