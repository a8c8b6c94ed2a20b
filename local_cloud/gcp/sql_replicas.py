"""Read replicas of Cloud SQL: requirements, restrictions of an instance with replicas, and promotion.

Messages marked "own wording" are not the API's; the rules are from its documentation:
https://docs.cloud.google.com/sql/docs/postgres/replication
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from local_cloud.cloud import Resource, Transaction
from local_cloud.errors import CloudError, google_error
from local_cloud.gcp.sql_servers import INSTANCE, flags_of
from local_cloud.values import Props

MASTER: Final = "CLOUD_SQL_INSTANCE"
REPLICA: Final = "READ_REPLICA_INSTANCE"
MOST_REPLICAS: Final = 10
# On a standby these must not be lower than on its primary: https://www.postgresql.org/docs/current/hot-standby.html
NO_LESS: Final = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)
# Memory in MB of tiers whose name does not contain it.
_SHARED_CORE: Final = {"db-f1-micro": 614, "db-g1-small": 1740}


def owner_name(body: Props) -> str:
    """The primary of a replica; empty for any other instance."""
    return str(body.get("masterInstanceName") or "")


def owner_of(tx: Transaction, body: Props) -> Props | None:
    """The body of a replica's primary; None for any other instance."""
    name = owner_name(body)
    return tx.get(INSTANCE, f"projects/{body['project']}/instances/{name}") if name else None


def replicas_of(tx: Transaction, body: Props) -> list[Resource]:
    return [one for one in tx.all(INSTANCE, f"projects/{body['project']}/") if owner_name(one.body) == body["name"]]


def refuse_unfit(tx: Transaction, body: Props) -> None:
    """What Cloud SQL refuses in a replica or in its primary."""
    if not owner_name(body):
        return
    owner = owner_of(tx, body)
    if owner is None:
        # github.com/hashicorp/terraform-provider-google/issues/1069: the whole message.
        raise google_error(403, "The client is not authorized to make this request.", "notAuthorized")
    for text in _misfits(owner, body):
        raise google_error(400, f"Invalid request: {text}", "invalid")
    others = [one for one in replicas_of(tx, owner) if one.body["name"] != body["name"]]
    if len(others) >= MOST_REPLICAS:
        raise google_error(400, f"Invalid request: {owner['name']} has {len(others)} replicas already.", "invalid")
    _refuse_flags(owner, body)


def _misfits(owner: Props, body: Props) -> Iterator[str]:
    """Own wording."""
    name, settings, owners = owner["name"], body["settings"], owner["settings"]
    if owner_name(owner):
        yield f"{name} is a replica itself; cascading replicas are not implemented here."
    if body["databaseVersion"] != owner["databaseVersion"]:
        yield f"A replica of {name} must have its version ({owner['databaseVersion']}), not {body['databaseVersion']}."
    if not (owners.get("backupConfiguration") or {}).get("pointInTimeRecoveryEnabled"):
        yield f"The primary instance {name} needs automated backups and point-in-time recovery to have replicas."
    if owners.get("activationPolicy") == "NEVER" and body["state"] == "PENDING_CREATE":
        yield f"The primary instance {name} is not running."
    backups = settings.get("backupConfiguration") or {}
    if backups.get("enabled") or backups.get("pointInTimeRecoveryEnabled"):
        yield f"Backups cannot be enabled on the read replica {body['name']}."
    if settings.get("maintenanceWindow"):
        # docs.cloud.google.com/sql/docs/postgres/maintenance: replicas are maintained before their primary, with it.
        yield f"A maintenance window cannot be set on the read replica {body['name']}."
    # The default of max_connections depends on the tier's memory, and a standby must not have a lower one.
    memory, needed = _memory(settings.get("tier") or ""), _memory(owners.get("tier") or "")
    if memory and needed and memory < needed:
        yield f"The tier ({settings['tier']}) of a replica must be no smaller than its primary's ({owners['tier']})."
    if settings["diskSize"] < owners["diskSize"]:
        yield f"The disk of a replica must be no smaller than its primary's ({owners['diskSize']} GB)."


def _memory(tier: str) -> int:
    """MB; 0 if the name does not contain it."""
    if custom := re.fullmatch(r"db-custom-\d+-(\d+)", tier):
        return int(custom[1])
    if predefined := re.fullmatch(r"db-perf-optimized-N-(\d+)", tier):
        return int(predefined[1]) * 8 * 1024
    return _SHARED_CORE.get(tier, 0)


def _refuse_flags(owner: Props, body: Props) -> None:
    """Message: github.com/terraform-google-modules/terraform-google-sql-db/issues/462"""
    own, owners = flags_of(body), flags_of(owner)
    for name in NO_LESS:
        if name in owners and _number(own.get(name)) < _number(owners[name]):
            raise google_error(
                400,
                f"Value requested is not valid. Cannot change flag {name} to value [{own.get(name, 'default')}] on "
                f"replica ({body['name']}) when value is {owners[name]} on primary ({owner['name']}).",
                "invalidFlagValue",
            )


def _number(value: Any) -> int:
    return int(value) if str(value or "").isdigit() else 0


def refuse_owner_of_replicas(tx: Transaction, body: Props) -> None:
    """Message: github.com/GoogleCloudPlatform/gcp-service-broker/issues/466"""
    if replicas_of(tx, body):
        message = "The requested operation is not valid for a replication master instance."
        raise google_error(400, message, "errorReplicationMasterInvalidOperation")


def promoted(body: Props) -> Props:
    """The instance after promotion: https://docs.cloud.google.com/sql/docs/postgres/replication/manage-replicas"""
    if not owner_name(body):
        raise CloudError(f"{body['name']} is not a read replica")
    return {**body, "instanceType": MASTER, "masterInstanceName": ""}
