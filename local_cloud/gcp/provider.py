"""The gcp provider: its configuration, its resource types, its functions."""

from __future__ import annotations

import json
from typing import Any, Final

from local_cloud.bridged import BridgedProvider
from local_cloud.cloud import Cloud
from local_cloud.errors import CheckFailure
from local_cloud.gcp.addresses import Address, GlobalAddress
from local_cloud.gcp.alerting import AlertPolicy, NotificationChannel
from local_cloud.gcp.credentials import Account, CaExternalAccountKey, Secret
from local_cloud.gcp.dns_zones import ManagedZone, RecordSet
from local_cloud.gcp.edge_protection import (
    NetworkEdgeSecurityService,
    ProjectCloudArmorTier,
    RegionSecurityPolicy,
    RegionSecurityPolicyRule,
)
from local_cloud.gcp.firewalls import Firewall
from local_cloud.gcp.functions import FUNCTIONS
from local_cloud.gcp.health_checks import HealthCheck
from local_cloud.gcp.iam_members import ServiceAccountMember, ZoneMember
from local_cloud.gcp.log_metrics import Metric
from local_cloud.gcp.monitoring import Dashboard, UptimeCheckConfig
from local_cloud.gcp.networks import Network, Subnetwork
from local_cloud.gcp.routers import Router, RouterNat
from local_cloud.gcp.rules import ensure_project
from local_cloud.gcp.services import Connection, ProjectService
from local_cloud.gcp.sql_databases import Database, User
from local_cloud.gcp.sql_instances import DatabaseInstance
from local_cloud.gcp.sql_servers import SqlServers
from local_cloud.gcp.storage import Bucket, BucketObject
from local_cloud.gcp.storage_access import BucketIAMMember
from local_cloud.provider import Checked
from local_cloud.resource_type import ResourceType, Settings
from local_cloud.shapes import coerce
from local_cloud.values import Props

VERSION: Final = "9.37.1"
CONFIGURATION: Final = frozenset(
    {
        "accessToken",
        "addPulumiAttributionLabel",
        "batching",
        "billingProject",
        "credentials",
        "defaultLabels",
        "deletionPolicy",
        "disableGlobalProjectWarning",
        "disableGooglePartnerName",
        "externalCredentials",
        "googlePartnerName",
        "impersonateServiceAccount",
        "impersonateServiceAccountDelegates",
        "pollInterval",
        "preferGlobalEndpoints",
        "preferRegionalEndpoints",
        "project",
        "pulumiAttributionLabelAdditionStrategy",
        "region",
        "requestReason",
        "requestTimeout",
        "scopes",
        "skipRegionValidation",
        "universeDomain",
        "userProjectOverride",
        "zone",
    }
)
"""Every key except the endpoints of single APIs, which have a common suffix."""
_ENDPOINT: Final = "CustomEndpoint"
# Added to a provider's configuration by the engine.
_ENGINE_KEYS: Final = {"version", "pluginDownloadURL", "parameterization", "__internal", "__defaults"}


class GcpProvider(BridgedProvider):
    """Google Cloud."""

    def __init__(self, cloud: Cloud, servers: SqlServers) -> None:
        types: list[ResourceType] = [
            one(cloud)
            for one in (
                Address,
                GlobalAddress,
                Network,
                Subnetwork,
                Router,
                RouterNat,
                ManagedZone,
                RecordSet,
                HealthCheck,
                Connection,
                ProjectService,
                Bucket,
                BucketObject,
                BucketIAMMember,
                ProjectCloudArmorTier,
                RegionSecurityPolicy,
                RegionSecurityPolicyRule,
                NetworkEdgeSecurityService,
                Firewall,
                AlertPolicy,
                NotificationChannel,
                UptimeCheckConfig,
                Dashboard,
                Metric,
                Account,
                Secret,
                CaExternalAccountKey,
                ZoneMember,
                ServiceAccountMember,
            )
        ]
        types += [one(cloud, servers) for one in (DatabaseInstance, Database, User)]
        super().__init__(cloud, "gcp", VERSION, types, FUNCTIONS)

    def check_config(self, given: Props) -> Checked:
        failures = [
            CheckFailure(name, f"could not validate provider configuration: Invalid or unknown key `{name}`")
            for name in given
            if name not in CONFIGURATION | _ENGINE_KEYS and not name.endswith(_ENDPOINT)
        ]
        return Checked(given, failures)

    def configure(self, given: Props) -> Settings:
        attribution = given.get("addPulumiAttributionLabel")
        settings = Settings(
            project=str(given.get("project") or ""),
            region=str(given.get("region") or ""),
            default_labels=_labels(given.get("defaultLabels")),
            deletion_policy=str(given.get("deletionPolicy") or "DELETE"),
            attribution=attribution is None or coerce("bool", attribution) is True,
        )
        with self.cloud.change() as tx:
            ensure_project(tx, settings.project, settings.region)
        return settings


def _labels(value: Any) -> dict[str, str]:
    """The engine passes structured configuration as JSON text."""
    labels: dict[str, str] = json.loads(value) if isinstance(value, str) else dict(value or {})
    return labels
