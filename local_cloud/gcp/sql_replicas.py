"""Read replicas of Cloud SQL: who may be whose, what an owner with replicas may not do, and promotion.

Words marked "ours" are not the API's, which we have not seen; the rule is in its documentation:
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
# A standby needs as much of these as its owner: https://www.postgresql.org/docs/current/hot-standby.html
NO_LESS: Final = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)
# Memory in MB of tiers whose name does not say it.
_SHARED_CORE: Final = {"db-f1-micro": 614, "db-g1-small": 1740}


def owner_name(body: Props) -> str:
    """The instance that this one is a replica of; empty for one of its own."""
    return str(body.get("masterInstanceName") or "")


def owner_of(tx: Transaction, body: Props) -> Props | None:
    """The owner's body, for a replica."""
    name = owner_name(body)
    return tx.get(INSTANCE, f"projects/{body['project']}/instances/{name}") if name else None


def replicas_of(tx: Transaction, body: Props) -> list[Resource]:
    return [one for one in tx.all(INSTANCE, f"projects/{body['project']}/") if owner_name(one.body) == body["name"]]


def refuse_unfit(tx: Transaction, body: Props) -> None:
    """What Cloud SQL does not take as a replica, or its owner not as an owner."""
    if not owner_name(body):
        return
    owner = owner_of(tx, body)
    if owner is None:
        # github.com/hashicorp/terraform-provider-google/issues/1069: it says no more than that.
        raise google_error(403, "The client is not authorized to make this request.", "notAuthorized")
    for text in _misfits(owner, body):
        raise google_error(400, f"Invalid request: {text}", "invalid")
    others = [one for one in replicas_of(tx, owner) if one.body["name"] != body["name"]]
    if len(others) >= MOST_REPLICAS:
        raise google_error(400, f"Invalid request: {owner['name']} has {len(others)} replicas already.", "invalid")
    _refuse_flags(owner, body)


def _misfits(owner: Props, body: Props) -> Iterator[str]:
    """Ours."""
    name, settings, owners = owner["name"], body["settings"], owner["settings"]
    if owner_name(owner):
        yield f"{name} is a replica itself; cascading replicas are not stood in for."
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
    # By the tier's memory max_connections is chosen, and a standby needs no less.
    memory, needed = _memory(settings.get("tier") or ""), _memory(owners.get("tier") or "")
    if memory and needed and memory < needed:
        yield f"The tier ({settings['tier']}) of a replica must be no smaller than its primary's ({owners['tier']})."
    if settings["diskSize"] < owners["diskSize"]:
        yield f"The disk of a replica must be no smaller than its primary's ({owners['diskSize']} GB)."


def _memory(tier: str) -> int:
    """MB; 0 where the name does not tell."""
    if custom := re.fullmatch(r"db-custom-\d+-(\d+)", tier):
        return int(custom[1])
    if predefined := re.fullmatch(r"db-perf-optimized-N-(\d+)", tier):
        return int(predefined[1]) * 8 * 1024
    return _SHARED_CORE.get(tier, 0)


def _refuse_flags(owner: Props, body: Props) -> None:
    """The words: github.com/terraform-google-modules/terraform-google-sql-db/issues/462"""
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
    """The words: github.com/GoogleCloudPlatform/gcp-service-broker/issues/466"""
    if replicas_of(tx, body):
        message = "The requested operation is not valid for a replication master instance."
        raise google_error(400, message, "errorReplicationMasterInvalidOperation")


def promoted(body: Props) -> Props:
    """The instance on its own: https://docs.cloud.google.com/sql/docs/postgres/replication/manage-replicas"""
    if not owner_name(body):
        raise CloudError(f"{body['name']} is not a read replica")
    return {**body, "instanceType": MASTER, "masterInstanceName": ""}
