"""Google Cloud SQL: registry.terraform.io/providers/hashicorp/google, google_sql_*, in camel case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pulumi import Input

from components.sdk.resource import GCP, Known, Resource
from engine import tokens


class DatabaseFlag(TypedDict):
    """`database_flags`."""

    name: Input[str]
    value: Input[str]


class BackupRetention(TypedDict, total=False):
    """`backup_retention_settings`."""

    retainedBackups: Input[int]


class BackupConfiguration(TypedDict, total=False):
    """`backup_configuration`."""

    enabled: Input[bool]
    startTime: Input[str]
    pointInTimeRecoveryEnabled: Input[bool]
    transactionLogRetentionDays: Input[int]
    backupRetentionSettings: BackupRetention


class MaintenanceWindow(TypedDict, total=False):
    """`maintenance_window`."""

    day: Input[int]
    hour: Input[int]
    updateTrack: Input[str]


class InsightsConfig(TypedDict, total=False):
    """`insights_config`."""

    queryInsightsEnabled: Input[bool]


class AuthorizedNetwork(TypedDict, total=False):
    """`authorized_networks`."""

    name: Input[str]
    value: Input[str]


class IpConfiguration(TypedDict, total=False):
    """`ip_configuration`."""

    ipv4Enabled: Input[bool]
    privateNetwork: Input[str | None]
    sslMode: Input[str]
    serverCaMode: Input[str]
    authorizedNetworks: Sequence[AuthorizedNetwork]


class DatabaseInstanceSettings(TypedDict, total=False):
    """`settings`."""

    tier: Input[str]
    edition: Input[str]
    availabilityType: Input[str]
    diskSize: Input[int]
    diskType: Input[str]
    diskAutoresize: Input[bool]
    diskAutoresizeLimit: Input[int]
    deletionProtectionEnabled: Input[bool]
    userLabels: Input[Mapping[str, str]]
    databaseFlags: Sequence[DatabaseFlag]
    backupConfiguration: BackupConfiguration | None
    maintenanceWindow: MaintenanceWindow | None
    insightsConfig: InsightsConfig
    ipConfiguration: IpConfiguration


class DatabaseInstanceInputs(TypedDict, total=False):
    """google_sql_database_instance."""

    name: Input[str]
    region: Input[str]
    databaseVersion: Input[str]
    masterInstanceName: Input[str | None]
    deletionProtection: Input[bool]
    settings: DatabaseInstanceSettings


class DatabaseInstance(
    Resource[DatabaseInstanceInputs],
    token=tokens.INSTANCE,
    package=GCP,
    secret=("replicaConfiguration", "rootPassword", "rootPasswordWo", "serverCaCerts"),
):
    """A Cloud SQL instance. Each of `server_ca_certs` has its PEM as `cert`."""

    name = Known[str]("name")
    connection_name = Known[str]("connectionName")
    public_ip_address = Known[str | None]("publicIpAddress")
    private_ip_address = Known[str | None]("privateIpAddress")
    server_ca_certs = Known[Sequence[Mapping[str, Any]] | None]("serverCaCerts")


class DatabaseInputs(TypedDict, total=False):
    """google_sql_database."""

    name: Input[str]
    instance: Input[str]
    deletionPolicy: Input[str]


class Database(Resource[DatabaseInputs], token=tokens.DATABASE, package=GCP):
    """A database in an instance."""

    name = Known[str]("name")


class UserInputs(TypedDict, total=False):
    """google_sql_user."""

    name: Input[str]
    instance: Input[str]
    password: Input[str]
    type: Input[str]
    deletionPolicy: Input[str]


class User(Resource[UserInputs], token=tokens.USER, package=GCP, secret=("password", "passwordWo")):
    """A user of an instance."""

    name = Known[str]("name")
