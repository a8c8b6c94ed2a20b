"""Google's resource types: registry.terraform.io/providers/hashicorp/google, properties in camel case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.sdk.resource import GCP, LABELS, Known, Resource, ask, plugin_version
from engine import tokens


class Address(Resource, token=tokens.ADDRESS, package=GCP, secret=LABELS):
    """google_compute_address: a reserved address of a region."""

    name = Known[str]("name")
    address = Known[str]("address")
    self_link = Known[str]("selfLink")


class GlobalAddress(Resource, token=tokens.GLOBAL_ADDRESS, package=GCP, secret=LABELS):
    """google_compute_global_address: a reserved address or range of no region."""

    name = Known[str]("name")


class Router(Resource, token=tokens.ROUTER, package=GCP):
    """google_compute_router: a Cloud Router."""

    name = Known[str]("name")


class RouterNat(Resource, token=tokens.NAT, package=GCP):
    """google_compute_router_nat: a Cloud NAT gateway."""

    min_ports_per_vm = Known[float | None]("minPortsPerVm")


class HealthCheck(Resource, token=tokens.HEALTH_CHECK, package=GCP):
    """google_compute_health_check: what Cloud DNS probes with."""


class Connection(Resource, token=tokens.CONNECTION, package=GCP):
    """google_service_networking_connection: private services access of a network."""


class RegionSecurityPolicy(Resource, token=tokens.SECURITY_POLICY, package=GCP):
    """google_compute_region_security_policy: a Cloud Armor policy of a region."""

    self_link = Known[str]("selfLink")


class NetworkEdgeSecurityService(Resource, token=tokens.EDGE_SECURITY_SERVICE, package=GCP):
    """google_compute_network_edge_security_service: attaches a policy to the edge of a region."""


class CloudArmorTier(pulumi.CustomResource):
    """google_compute_project_cloud_armor_tier, read only: which Cloud Armor the project pays for. The plugin has no
    function for it. Declared, it would be a purchase; read, it is in the state as `external`, and never changed."""

    tier = Known[str | None]("cloudArmorTier")

    def __init__(self, name: str, project: str, opts: pulumi.ResourceOptions) -> None:
        read = pulumi.ResourceOptions(id=f"projects/{project}", version=plugin_version(GCP))
        super().__init__(tokens.ARMOR_TIER, name, {"cloudArmorTier": None}, pulumi.ResourceOptions.merge(read, opts))


def get_cluster(*, name: str, location: str, project: str) -> Mapping[str, Any]:
    """google_container_cluster: `endpoint`, `masterAuths` with `clusterCaCertificate` of a GKE cluster."""
    return ask(GCP, "gcp:container/getCluster:getCluster", {"name": name, "location": location, "project": project})


def get_uptime_check_ips() -> Sequence[Mapping[str, Any]]:
    """google_monitoring_uptime_check_ips: `ipAddress` and `region` of each of Google's uptime checkers."""
    found = ask(GCP, "gcp:monitoring/getUptimeCheckIPs:getUptimeCheckIPs", {})
    return [each for each in found.get("uptimeCheckIps") or () if isinstance(each, Mapping)]


class ManagedZone(Resource, token=tokens.ZONE, package=GCP, secret=LABELS):
    """google_dns_managed_zone: a zone at Cloud DNS."""

    name = Known[str]("name")
    name_servers = Known[Sequence[str]]("nameServers")


class RecordSet(Resource, token=tokens.RECORD_SET, package=GCP):
    """google_dns_record_set: all records of one name and type at Cloud DNS."""


def get_managed_zone(*, name: str) -> Mapping[str, Any]:
    """google_dns_managed_zone: `dnsName`, `nameServers` of a zone."""
    return ask(GCP, "gcp:dns/getManagedZone:getManagedZone", {"name": name})


def get_keys(*, zone_id: str) -> Mapping[str, Any]:
    """google_dns_keys: `keySigningKeys` with `dsRecord` of a zone, by its id."""
    return ask(GCP, "gcp:dns/getKeys:getKeys", {"managedZone": zone_id})


class DatabaseInstance(
    Resource,
    token=tokens.INSTANCE,
    package=GCP,
    secret=("replicaConfiguration", "rootPassword", "rootPasswordWo", "serverCaCerts"),
):
    """google_sql_database_instance. Of `server_ca_certs` each has its PEM under `cert`."""

    name = Known[str]("name")
    connection_name = Known[str]("connectionName")
    public_ip_address = Known[str | None]("publicIpAddress")
    private_ip_address = Known[str | None]("privateIpAddress")
    server_ca_certs = Known[Sequence[Mapping[str, Any]] | None]("serverCaCerts")


class Database(Resource, token=tokens.DATABASE, package=GCP):
    """google_sql_database: a database in an instance."""

    name = Known[str]("name")


class User(Resource, token=tokens.USER, package=GCP, secret=("password", "passwordWo")):
    """google_sql_user: a user of an instance."""

    name = Known[str]("name")


class Bucket(Resource, token=tokens.BUCKET, package=GCP, secret=LABELS):
    """google_storage_bucket."""

    name = Known[str]("name")


class BucketIAMMember(Resource, token=tokens.BUCKET_MEMBER, package=GCP):
    """google_storage_bucket_iam_member: one member's role at a bucket."""


class BucketObject(Resource, token=tokens.BUCKET_OBJECT, package=GCP, secret=("content", "customerEncryption")):
    """google_storage_bucket_object: a file in a bucket."""


class ZoneMember(Resource, token=tokens.ZONE_MEMBER, package=GCP):
    """google_dns_managed_zone_iam_member: one member's role at a zone of Cloud DNS."""


class ServiceAccountMember(Resource, token=tokens.SERVICE_ACCOUNT_MEMBER, package=GCP):
    """google_service_account_iam_member: one member's role at a service account."""


class AlertPolicy(Resource, token=tokens.ALERT_POLICY, package=GCP):
    """google_monitoring_alert_policy."""


class NotificationChannel(Resource, token=tokens.NOTIFICATION_CHANNEL, package=GCP):
    """google_monitoring_notification_channel: a recipient of notifications. The plugin's schema marks no property as
    secret."""

    name = Known[str]("name")


class UptimeCheckConfig(Resource, token=tokens.UPTIME_CHECK, package=GCP):
    """google_monitoring_uptime_check_config: a check from Google's locations around the world."""

    uptime_check_id = Known[str]("uptimeCheckId")


class Dashboard(Resource, token=tokens.DASHBOARD, package=GCP):
    """google_monitoring_dashboard."""
