"""Fault injection: latency, quota, server errors, missing permissions, and a cluster that does not come up.

A fault is a row in the cloud's file; each operation checks for faults before it starts. The effect on load balancers
and pods is in `kubernetes/`; this module only knows whether a fault is on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from local_cloud.cloud import Cloud, Transaction
from local_cloud.errors import CloudError, google_error

KINDS: Final[dict[str, str]] = {
    "latency": "every operation takes --ms milliseconds longer",
    "quota": "the project's quota is exceeded",
    "http-500": "the API answers 500 Internal error",
    "http-503": "the API answers 503 Service unavailable",
    "permission-denied": "the caller's role lacks the permission",
    "lb-pending": "a LoadBalancer Service never gets its address",
    "pods-not-ready": "no pod is ready",
    "token-expired": "Gandi's token has expired",
    "answer-lost": "Gandi executes the request, but the response is lost",
    "drop-update": "the gcp plugin sends the old values and reports success (9.35 did: pulumi-gcp 3970)",
}
_CONDITIONS: Final = ("lb-pending", "pods-not-ready", "drop-update")

# Resource type -> the collection in the names of its permissions and quotas.
_COLLECTIONS: Final[dict[str, str]] = {
    "gcp:compute/address:Address": "compute.addresses",
    "gcp:compute/globalAddress:GlobalAddress": "compute.globalAddresses",
    "gcp:compute/network:Network": "compute.networks",
    "gcp:compute/subnetwork:Subnetwork": "compute.subnetworks",
    "gcp:compute/router:Router": "compute.routers",
    "gcp:compute/routerNat:RouterNat": "compute.routers",
    "gcp:dns/managedZone:ManagedZone": "dns.managedZones",
    "gcp:dns/recordSet:RecordSet": "dns.resourceRecordSets",
    "gcp:sql/databaseInstance:DatabaseInstance": "cloudsql.instances",
    "gcp:sql/database:Database": "cloudsql.databases",
    "gcp:sql/user:User": "cloudsql.users",
    "gcp:servicenetworking/connection:Connection": "servicenetworking.services",
    "gcp:projects/service:Service": "serviceusage.services",
}
_VERBS: Final[dict[str, str]] = {
    "read": "get",
    "create": "create",
    "update": "update",
    "delete": "delete",
    "invoke": "get",
}


@dataclass(frozen=True)
class Fault:
    """One fault; empty `type` or `operation` means any, `times` None means until cleared."""

    number: int
    kind: str
    type: str
    operation: str
    times: int | None
    milliseconds: int


def add(tx: Transaction, kind: str, type_: str, operation: str, times: int | None, milliseconds: int) -> None:
    tx.execute(
        "INSERT INTO faults (kind, type, operation, times, milliseconds) VALUES (?, ?, ?, ?, ?)",
        (kind, type_, operation, times, milliseconds),
    )


def clear(tx: Transaction, kind: str = "") -> None:
    """Turn off one kind of fault, or all of them."""
    tx.execute("DELETE FROM faults WHERE ? IN ('', kind)", (kind,))


def faults(tx: Transaction) -> list[Fault]:
    rows = tx.execute("SELECT number, kind, type, operation, times, milliseconds FROM faults ORDER BY number")
    return [Fault(*row) for row in rows]


def switched_on(tx: Transaction, kind: str, type_: str = "") -> bool:
    """Whether a lasting fault (lb-pending, pods-not-ready, drop-update) is on, for a type if given."""
    return any(fault.kind == kind and (not type_ or fault.type in ("", type_)) for fault in faults(tx))


def meet(cloud: Cloud, type_: str, operation: str, id_: str) -> None:
    """Apply the faults for an operation: delay it or refuse it."""
    if kind := suffered(cloud, type_, operation):
        raise _refusal(kind, type_, operation, id_)


def suffered(cloud: Cloud, type_: str, operation: str) -> str:
    """Apply the latency for an operation; returns the kind of fault that then applies, empty: none."""
    with cloud.view() as tx:
        due = [fault for fault in faults(tx) if fault.kind not in _CONDITIONS and _concerns(fault, type_, operation)]
    for fault in due:
        if fault.times is not None:
            with cloud.change() as tx:
                tx.execute("UPDATE faults SET times = times - 1 WHERE number = ?", (fault.number,))
                tx.execute("DELETE FROM faults WHERE times <= 0")
        if fault.kind != "latency":
            return fault.kind
        time.sleep(fault.milliseconds / 1000)
    return ""


def drops_update(cloud: Cloud, type_: str) -> bool:
    """Whether the plugin sends the old values when it updates such a resource."""
    with cloud.view() as tx:
        return switched_on(tx, "drop-update", type_)


def _concerns(fault: Fault, type_: str, operation: str) -> bool:
    return fault.type in ("", type_) and fault.operation in ("", operation)


def _refusal(kind: str, type_: str, operation: str, id_: str) -> CloudError:
    collection = _COLLECTIONS.get(type_)
    if collection is None:
        return _cluster_refusal(kind, type_, operation, id_)
    if kind == "quota":
        service = collection.partition(".")[0]
        return google_error(
            403,
            f"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service "
            f"'{service}.googleapis.com'.",
            "rateLimitExceeded",
        )
    if kind == "http-500":
        return google_error(500, "Internal error. Please try again or contact Google Support.", "backendError")
    if kind == "http-503":
        return google_error(503, "The service is currently unavailable.", "backendError")
    return google_error(403, f"Required '{collection}.{_VERBS[operation]}' permission for '{id_}'", "forbidden")


def _cluster_refusal(kind: str, type_: str, operation: str, id_: str) -> CloudError:
    resource = type_.rsplit(":", 1)[-1].lower() + "s"
    if kind == "permission-denied":
        return CloudError(
            f'{resource} "{id_}" is forbidden: User "local-cloud" cannot {_VERBS[operation]} resource "{resource}"'
        )
    if kind == "quota":
        return CloudError(f'{resource} "{id_}" is forbidden: exceeded quota')
    if kind == "http-503":
        return CloudError("the server is currently unable to handle the request")
    return CloudError("an error on the server has prevented the request from succeeding")
