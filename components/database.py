"""The Cloud SQL instance that holds the trunk ACL."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_random as random

from components.sdk import google
from components.sdk.google import Connection, GlobalAddress
from components.sdk.resource import Properties
from engine.tokens import TRUNK_DATABASE
from refusal import with_remedy
from settings import Settings
from settings.database import IAM_FLAG, PEERING_SERVICE, SUFFIX, Database
from settings.principal import database_user, is_service_account

PASSWORD_LENGTH = 32
PEERING_PREFIX = 16  # a /16 leaves room for further managed services behind the same peering


class TrunkDatabase(pulumi.ComponentResource):
    """`warp:edge:TrunkDatabase`: the trunk ACL's database.

    Declares the Cloud SQL instance with its backups, locks and network, one database, its owner with a generated
    password, IAM users, and private services access if configured. A read replica has its owner's database and users:
    it is the instance only, without backups, and `user` and `password` are empty. `settings.protect` drives all three
    locks: the engine's, the plugin's and the cloud's. It deliberately does not manage the
    VPC network and the schema (part of the trunk ACL), and never drops a database or a user: they are abandoned.

    Outputs: `connection_name` (`project:region:instance`), `public_address`, `private_address` (text, empty if there
    is none), `server_ca` (PEM of the CA that signs the server's certificate), `name`, `user`, `password`
    (secret).
    """

    connection_name: pulumi.Output[str]
    public_address: pulumi.Output[str]
    private_address: pulumi.Output[str]
    server_ca: pulumi.Output[str]
    name: pulumi.Output[str]
    user: pulumi.Output[str]
    password: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TRUNK_DATABASE, name, None, opts)
        self._name, self._settings = name, settings
        instance = self._instance()
        self.connection_name = instance.connection_name
        self.public_address = instance.public_ip_address.apply(_text)
        self.private_address = instance.private_ip_address.apply(_text)
        # The plugin marks it as secret, but clients need it to verify the server.
        self.server_ca = pulumi.Output.unsecret(
            instance.server_ca_certs.apply(
                lambda certificates: certificates[0].get("cert") or "" if certificates else ""
            )
        )
        if settings.database.replica_of:
            # Known after the creation of the instance: its readers wait for that.
            self.name = instance.connection_name.apply(lambda _: settings.database.name)
            self.user = self.password = pulumi.Output.from_input("")
        else:
            self._owned(instance)
        self.register_outputs({"connectionName": self.connection_name})

    def _owned(self, instance: google.DatabaseInstance) -> None:
        """Database and users of an instance that is not a replica."""
        name, settings = self._name, self._settings.database
        database = google.Database(
            f"{name}-database",
            # A user that owns objects cannot be dropped, and the database must not be: abandon them instead.
            {"name": settings.name, "instance": instance.name, "deletionPolicy": "ABANDON"},
            self._options(),
        )
        password = random.RandomPassword(
            f"{name}-password", length=PASSWORD_LENGTH, special=False, opts=self._options()
        )
        user = google.User(
            f"{name}-user",
            {
                "name": settings.user,
                "instance": instance.name,
                "password": password.result,
                "deletionPolicy": "ABANDON",
            },
            self._options(),
        )
        for principal in settings.iam_users:
            google.User(
                f"{name}-{principal}",
                {
                    "name": database_user(principal),
                    "instance": instance.name,
                    "type": "CLOUD_IAM_SERVICE_ACCOUNT" if is_service_account(principal) else "CLOUD_IAM_USER",
                    "deletionPolicy": "ABANDON",
                },
                self._options(),
            )
        self.name = database.name
        self.user = user.name
        self.password = pulumi.Output.secret(password.result)

    def _instance(self) -> google.DatabaseInstance:
        settings = self._settings.database
        network = settings.network
        needs: list[pulumi.Resource] = []
        if network.private_network and network.peering_range:
            needs.append(self._private_services_access(network.private_network, network.peering_range))
        # Chosen when the instance is created; the API refuses a change (k8s-config-connector, issue 4514).
        ignored = ["settings.ipConfiguration.serverCaMode"]
        if settings.disk.autoresize:
            # With autoresize the cloud decides the size; the old size would be refused.
            ignored.append("settings.diskSize")
        options = pulumi.ResourceOptions(
            parent=self, protect=self._settings.protect, depends_on=needs, ignore_changes=ignored
        )
        return google.DatabaseInstance(
            f"{self._name}-instance",
            {
                "name": self._instance_name(),
                "region": self._settings.region,
                "databaseVersion": settings.version,
                "masterInstanceName": settings.replica_of.instance if settings.replica_of else None,
                "deletionProtection": self._settings.protect,
                "settings": instance_settings(settings, self._settings.labels, protect=self._settings.protect),
            },
            options,
        )

    def _instance_name(self) -> pulumi.Input[str]:
        settings = self._settings.database
        if not settings.unique_name:
            return settings.instance
        suffix = random.RandomId(f"{self._name}-suffix", byte_length=SUFFIX // 2, opts=self._options())
        return pulumi.Output.concat(settings.instance, "-", suffix.hex)

    def _private_services_access(self, network: str, range_name: str) -> pulumi.Resource:
        """docs.cloud.google.com/vpc/docs/configure-private-services-access"""
        peering = GlobalAddress(
            f"{self._name}-peering-range",
            {
                "name": range_name,
                "purpose": "VPC_PEERING",
                "addressType": "INTERNAL",
                "prefixLength": PEERING_PREFIX,
                "network": network,
                "labels": self._settings.labels,
            },
            self._options(),
        )
        return Connection(
            f"{self._name}-peering",
            {
                "network": network,
                "service": PEERING_SERVICE,
                "reservedPeeringRanges": [peering.name],
                # Google refuses to delete it for days after the last instance is deleted. So it is abandoned, and
                # imported when the stack is created again (docs/recover.md). Not `updateOnCreationFail`: a network has
                # one connection for all its managed services, and the plugin would set only our range.
                "deletionPolicy": "ABANDON",
            },
            pulumi.ResourceOptions(
                parent=self,
                protect=self._settings.protect,
                hooks=pulumi.ResourceHookBinding(
                    on_error=[pulumi.ErrorHook(f"{self._name}-explain-peering", explain_peering)]
                ),
            ),
        )

    def _options(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=self._settings.protect)


def explain_peering(failed: pulumi.ErrorHookArgs) -> bool:
    """Explain what to do if the network already has its connection; False: no automatic retry."""
    if any("CreateConnection" in each for each in failed.errors):
        network = (failed.new_inputs or {}).get("network")
        pulumi.log.error(
            with_remedy(
                f"network {network} already has its connection to {PEERING_SERVICE}, which other services may use",
                "if a destruction of this stack left it, import it with `python -m adopt` (docs/recover.md); otherwise"
                " remove warp-edge:database.network.peeringRange",
            )
        )
    return False


def _text(address: str | None) -> str:
    """Plugins may return null for an address that does not exist."""
    return address or ""


def instance_settings(database: Database, labels: Mapping[str, str], *, protect: bool) -> Properties:
    """The `settings` block of the instance, without relying on the cloud's defaults."""
    backups, disk, network, window = database.backups, database.disk, database.network, database.maintenance
    flags = dict(database.flags)
    if database.iam_authentication:
        flags[IAM_FLAG] = "on"
    settings: Properties = {
        "tier": database.tier,
        "edition": database.edition,
        "availabilityType": database.availability,
        "diskSize": disk.size_gb,
        "diskType": disk.type,
        "diskAutoresize": disk.autoresize,
        "diskAutoresizeLimit": disk.limit_gb,
        "deletionProtectionEnabled": protect,
        "userLabels": labels,
        "databaseFlags": [{"name": name, "value": value} for name, value in sorted(flags.items())],
        "insightsConfig": {"queryInsightsEnabled": database.insights},
        "ipConfiguration": {
            "ipv4Enabled": network.public,
            "privateNetwork": network.private_network,
            "sslMode": database.ssl_mode,
            # The CA mode of `server_ca`. Shared CAs sign for every instance of a region.
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            "authorizedNetworks": [{"name": name, "value": value} for name, value in network.authorised.items()],
        },
    }
    # A replica cannot have backups, which its owner has, nor a window: it is maintained with its owner
    # (docs.cloud.google.com/sql/docs/postgres/replication).
    if not database.replica_of:
        settings["backupConfiguration"] = {
            "enabled": backups.enabled,
            "startTime": backups.start_time,
            "pointInTimeRecoveryEnabled": backups.point_in_time_recovery,
            "transactionLogRetentionDays": backups.log_retention_days,
            "backupRetentionSettings": {"retainedBackups": backups.retained},
        }
        settings["maintenanceWindow"] = {"day": window.day, "hour": window.hour, "updateTrack": window.track}
    return settings
