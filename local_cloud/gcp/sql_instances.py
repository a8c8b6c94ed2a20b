"""Cloud SQL instances. Creating one starts a real PostgreSQL (`sql_servers.py`); its rules are in `sql_rules.py`."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any, Final

from local_cloud.cloud import Cloud, Transaction, now
from local_cloud.errors import CheckFailure, CloudError, google_error
from local_cloud.gcp.rules import find_network
from local_cloud.gcp.sql_replicas import (
    MASTER,
    REPLICA,
    owner_name,
    owner_of,
    refuse_owner_of_replicas,
    refuse_unfit,
    replicas_of,
)
from local_cloud.gcp.sql_rules import CA_MODE, SETTINGS, judge_instance, settings_problems, settled
from local_cloud.gcp.sql_servers import (
    BEING_CREATED,
    INSTANCE,
    PORT,
    SqlServers,
    flags_of,
    networks_of,
    postgres_words,
    requires_tls,
)
from local_cloud.links import relative, self_link
from local_cloud.networks import allocate, external_pool, private_pool
from local_cloud.planning import Change
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape
from local_cloud.values import UNKNOWN, Props

DATABASE: Final = "gcp:sql/database:Database"
USER: Final = "gcp:sql/user:User"
CONNECTION: Final = "gcp:servicenetworking/connection:Connection"
DELETED_NAME: Final = "local:sql/deletedName:DeletedName"
NAME_KEPT: Final = datetime.timedelta(days=7)  # https://docs.cloud.google.com/sql/docs/postgres/delete-instance


class DatabaseInstance(ResourceType):
    """A PostgreSQL instance of Cloud SQL."""

    token = INSTANCE
    noun = "DatabaseInstance"
    key_format = "projects/{project}/instances/{name}"
    id_format = "{name}"
    import_formats = ("{project}/{name}",)
    shape = Shape.parse(
        """
        root: name!~+ databaseVersion* backupdrBackup% clone{}% deletionPolicy~% deletionProtection:bool%=true
            encryptionKeyName!~ enforceNewSqlNetworkArchitecture:bool~ finalBackupDescription%
            includeReplicasForMajorVersionUpgrade:bool% instanceType~ maintenanceVersion~ masterInstanceName~
            nodeCount:int~ pointInTimeRestoreContext{}% project!~ region!~ replicaConfiguration{}~$% replicaNames[]~
            replicationCluster{}~ restoreBackupContext{}% rootPassword$% rootPasswordWo$% rootPasswordWoVersion%
            settings{}~ switchTransactionLogsToCloudStorageEnabled:bool% availableMaintenanceVersions[]^ connectionName^
            dnsName^ dnsNames[]^ firstIpAddress^ ipAddresses[]^ privateIpAddress^ pscServiceAttachmentLink^
            publicIpAddress^ selfLink^ serverCaCerts[]$^ serviceAccountEmailAddress^
        clone: sourceInstanceName* allocatedIpRange databaseNames[] pointInTime preferredZone sourceInstanceDeletionTime
            sourceProject
        pointInTimeRestoreContext: datasource* allocatedIpRange pointInTime preferredZone region targetInstance
        replicaConfiguration: caCertificate! cascadableReplica:bool clientCertificate! clientKey!
            connectRetryInterval:int! dumpFilePath! failoverTarget:bool! masterHeartbeatPeriod:int! password! sslCipher!
            username! verifyServerCertificate:bool!
        replicationCluster: drReplica:bool^ failoverDrReplicaName psaWriteEndpoint~
        restoreBackupContext: backupRunId:int* instanceId project
        """
        + SETTINGS
    )

    def __init__(self, cloud: Cloud, servers: SqlServers) -> None:
        super().__init__(cloud)
        self._servers = servers

    def judge(self, planned: Props) -> list[CheckFailure]:
        return judge_instance(planned)

    def customize(self, prior: Props, planned: Props) -> list[Change]:
        """Changes that the plugin makes by replacement because the API refuses them."""
        changes = []
        before, after = _settings(prior), _settings(planned)
        old_size, new_size = before.get("diskSize") or 0, after.get("diskSize") or 0
        if new_size != UNKNOWN and old_size > new_size > 0:
            changes.append(Change(("settings", "diskSize"), "update", replace=True))
        old_network, new_network = _private_network(before), _private_network(after)
        if old_network and not new_network:
            changes.append(Change(("settings", "ipConfiguration", "privateNetwork"), "delete", replace=True))
        # resource_sql_database_instance.go: `ForceNewIfChange("master_instance_name", isMasterInstanceNameSet)`
        if owner_name(planned) not in ("", owner_name(prior)):
            changes.append(Change(("masterInstanceName",), "update" if owner_name(prior) else "add", replace=True))
        return changes

    def create(self, planned: Props) -> Props:
        with self.cloud.change() as tx:
            self.refuse_existing(tx, planned)
            body = self.stored(self.make(tx, planned))
            owner = owner_of(tx, body)
            tx.put(INSTANCE, self.key(body), body)  # from here on name and addresses are in use
        try:
            with postgres_words("failed to create instance"):
                if owner is not None:  # its data is copied
                    self._servers.running(owner)
                server = self._servers.running(body)
        except CloudError:
            self._servers.destroy(body)
            with self.cloud.change() as tx:
                tx.drop(INSTANCE, self.key(body))
            raise
        if server is not None:
            body = {**body, "serverCaCerts": [_certificate(server.server_ca)]}
        body |= {"state": "RUNNABLE"}
        with self.cloud.change() as tx:
            tx.create(INSTANCE, self.key(body), body)
        return body

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        key = self.key(planned)
        existing = tx.get(INSTANCE, key) is not None
        deleted = tx.get(DELETED_NAME, key)
        if deleted is not None:
            age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(deleted["deletedAt"])
            existing = existing or age < NAME_KEPT
        if existing:
            message = (
                "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the "
                "deleted instance until one week from the deletion date."
            )
            raise google_error(409, message, "instanceAlreadyExists")

    def make(self, tx: Transaction, planned: Props) -> Props:
        project, region, name = planned["project"], planned["region"], planned["name"]
        settings = settled(planned["settings"], planned["databaseVersion"])
        _refuse(settings, planned)
        account = f"p{tx.next_number('service accounts')}-local"
        body = {
            **planned,
            "instanceType": REPLICA if owner_name(planned) else MASTER,
            "settings": {**settings, "version": 1},
            "connectionName": f"{project}:{region}:{name}",
            "selfLink": f"https://www.googleapis.com/sql/v1beta4/{self.key(planned)}",
            "serviceAccountEmailAddress": f"{account}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
            "createTime": now(),
            "state": BEING_CREATED,
            "server": True,
        }
        refuse_unfit(tx, body)
        # A replica of an instance without a server has none either: there is nothing to copy.
        body["server"] = (owner_of(tx, body) or body).get("server", True)
        return self._with_addresses(tx, body)

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        before = body["settings"]
        settings = settled(planned["settings"], planned["databaseVersion"])
        # Only a promotion changes these; a state from before it must not revert them.
        planned = {**planned, **{field: body.get(field) for field in ("instanceType", "masterInstanceName")}}
        _refuse(settings, planned)
        if settings["diskSize"] < before["diskSize"]:
            raise google_error(400, "Invalid request: The disk size cannot be decreased.", "invalid")
        if _private_network(before) and not _private_network(settings):
            raise google_error(400, "Invalid request: Private network cannot be removed once set.", "invalid")
        if _ca_mode(before) != _ca_mode(settings):  # k8s-config-connector, issue 4514
            raise google_error(400, "Invalid request: Updating server CA mode is currently not supported..", "invalid")
        version = int(before.get("version") or 1) + 1
        after = {**body, **planned, "settings": {**settings, "version": version}}
        refuse_unfit(tx, after)
        return self._with_addresses(tx, after)

    def _with_addresses(self, tx: Transaction, body: Props) -> Props:
        """Public and private addresses as the settings ask for; existing ones are kept."""
        ip = body["settings"].get("ipConfiguration") or {}
        has = {entry["type"]: entry["ipAddress"] for entry in body.get("ipAddresses") or []}
        addresses = {}
        if ip.get("ipv4Enabled", True):
            addresses["PRIMARY"] = has.get("PRIMARY") or allocate(tx, external_pool(tx), PORT)
        network = ip.get("privateNetwork")
        if network:
            _refuse_unconnected(tx, body, network)
            addresses["PRIVATE"] = has.get("PRIVATE") or allocate(tx, private_pool(tx), PORT)
        return {
            **body,
            "ipAddresses": [{"ipAddress": ip, "timeToRetire": "", "type": type_} for type_, ip in addresses.items()],
            "firstIpAddress": next(iter(addresses.values()), ""),
            "publicIpAddress": addresses.get("PRIMARY", ""),
            "privateIpAddress": addresses.get("PRIVATE", ""),
        }

    def update(self, prior: Props, planned: Props) -> Props:
        with self.cloud.view() as tx:
            before = tx.get(INSTANCE, self.key(prior))
        body = super().update(prior, planned)
        try:
            with postgres_words("failed to update instance"):
                server = self._servers.running(body)
                if server is not None:
                    server.configure(require_tls=requires_tls(body), flags=flags_of(body), networks=networks_of(body))
        except CloudError:
            if before is not None:
                with self.cloud.change() as tx:
                    tx.put(INSTANCE, self.key(before), before)
            raise
        return body

    def see(self, tx: Transaction, body: Props) -> Props:
        """An instance whose creation was interrupted by a crash has no certificate in the cloud's file yet."""
        body = {**body, "replicaNames": [one.body["name"] for one in replicas_of(tx, body)]}
        server = None if body.get("serverCaCerts") else self._servers.of(body)
        if server is None or not server.running():
            return body
        return {**body, "serverCaCerts": [_certificate(server.server_ca)]}

    def delete(self, values: Props) -> None:
        if values.get("deletionProtection"):
            raise CloudError(
                "Error, failed to delete instance because deletion_protection is set to true. "
                "Set it to false to proceed with instance deletion"
            )
        key = self.key(values)
        with self.cloud.change() as tx:
            body = tx.get(INSTANCE, key)
            if body is None:
                return
            if body["settings"].get("deletionProtectionEnabled"):
                message = "The instance is protected. Please disable the deletion protection and try again."
                raise google_error(400, message, "invalid")
            refuse_owner_of_replicas(tx, body)
            for type_ in (DATABASE, USER):
                for child in tx.all(type_, f"{key}/"):
                    tx.drop(type_, child.id)
            network = (body["settings"].get("ipConfiguration") or {}).get("privateNetwork") or ""
            now = datetime.datetime.now(datetime.UTC).isoformat()
            tx.put(DELETED_NAME, key, {"deletedAt": now, "privateNetwork": network})
            tx.delete(INSTANCE, key)
        self._servers.destroy(body)


def _settings(values: Props) -> Props:
    settings = values.get("settings")
    return settings if isinstance(settings, dict) else {}


def _private_network(settings: Props) -> str:
    ip = settings.get("ipConfiguration")
    return str(ip.get("privateNetwork") or "") if isinstance(ip, dict) else ""


def _ca_mode(settings: Props) -> str:
    return str((settings.get("ipConfiguration") or {}).get("serverCaMode") or CA_MODE)


def _refuse(settings: Props, planned: Props) -> None:
    for _, text in settings_problems(settings, replica=bool(owner_name(planned))):
        raise google_error(400, f"Invalid request: {text}", "invalid")


def _refuse_unconnected(tx: Transaction, body: Props, network: str) -> None:
    """Private IP needs private services access on that network."""
    found = find_network(tx, network, body["project"])
    if found is None:
        raise google_error(404, f"The resource '{relative(network)}' was not found", "notFound")
    if not any(one.body["network"] == self_link(found[0]) for one in tx.all(CONNECTION)):
        message = (
            "Invalid request: Incorrect Service Networking config for instance: "
            f"{body['connectionName']}:SERVICE_NETWORKING_NOT_ENABLED."
        )
        raise google_error(400, message, "invalid")


def _certificate(pem: str) -> dict[str, Any]:
    created = datetime.datetime.now(datetime.UTC)
    return {
        "cert": pem,
        "commonName": "C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA",
        "createTime": created.isoformat(timespec="seconds"),
        "expirationTime": (created + datetime.timedelta(days=3650)).isoformat(timespec="seconds"),
        "sha1Fingerprint": hashlib.sha1(pem.encode(), usedforsecurity=False).hexdigest(),
    }
