"""Manual changes: as made in the console or with kubectl, behind the engine's back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from local_cloud.cloud import Cloud, Resource, Transaction
from local_cloud.errors import CloudError
from local_cloud.gcp.sql_instances import DATABASE
from local_cloud.gcp.sql_replicas import owner_name, promoted
from local_cloud.gcp.sql_servers import INSTANCE, SqlServers, postgres_words
from local_cloud.kubernetes.apply import leaves, owners, with_owners
from local_cloud.kubernetes.clusters import write_kubeconfig
from local_cloud.kubernetes.load_balancers import ADDRESS_ANNOTATION
from local_cloud.layout import CLOUD, DEFAULT_NETWORK, KUBECONFIG, POSTGRES, LocalCloudError

KUBECTL_EDIT: Final = "kubectl-edit"


def find(tx: Transaction, type_: str, id_: str) -> Resource | None:
    """A resource by its cloud id, by the end of that, or by the engine's id."""
    candidates = tx.all(type_)
    exact = [one for one in candidates if one.id == id_]
    ending = [one for one in candidates if means_the_same(type_, one.id, id_)]
    found = exact or ending
    if len(found) > 1:
        raise LocalCloudError(f"{id_} is ambiguous: {', '.join(one.id for one in found)}")
    return found[0] if found else None


def means_the_same(type_: str, cloud_id: str, id_: str) -> bool:
    """Whether `id_` is the cloud id, the end of that, or the engine's id."""
    return id_ in (cloud_id, _engine_id(type_, cloud_id)) or (bool(id_) and cloud_id.endswith(f"/{id_}"))


def _engine_id(type_: str, cloud_id: str) -> str:
    """The engine's id: the plugin has its own formats for NATs, database users and objects."""
    parts = cloud_id.split("/")
    if type_.endswith(":RouterNat"):
        return "/".join(parts[1::2] + parts[-1:])
    if type_.endswith(":User"):
        return f"{parts[-1]}//{parts[-3]}"
    if type_.endswith(":BucketObject"):
        return cloud_id.replace("/", "-", 1)
    return cloud_id


def existing(tx: Transaction, type_: str, id_: str) -> Resource:
    found = find(tx, type_, id_)
    if found is None:
        raise LocalCloudError(f"the cloud has no {type_} {id_}")
    return found


def change(tx: Transaction, type_: str, id_: str, path: str, value: Any) -> None:
    """Set one field; of a Kubernetes object its field manager is then `kubectl-edit`."""
    resource = existing(tx, type_, id_)
    steps = _steps(path)
    if type_.startswith("kubernetes:") and steps[0] == "status":
        raise LocalCloudError(
            f"{path}: the cluster's controllers write the status and would revert this; change their inputs, such as "
            f'metadata.annotations["{ADDRESS_ANNOTATION}"] of a LoadBalancer Service'
        )
    before = leaves(resource.body) if type_.startswith("kubernetes:") else {}
    _set(resource.body, steps, path, value)
    body = resource.body
    if type_.startswith("kubernetes:"):
        edited = {field for field, leaf in leaves(body).items() if before.get(field) != leaf}
        managers = {name: fields - edited for name, fields in owners(body).items()}
        body = with_owners(body, {**managers, KUBECTL_EDIT: managers.get(KUBECTL_EDIT, set()) | edited})
    tx.update(type_, resource.id, body)


def _steps(path: str) -> list[str | int]:
    steps = [
        int(index) if index else quoted or name
        for quoted, index, name in re.findall(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[\]]+)', path)
    ]
    if not steps:
        raise LocalCloudError(f"{path!r} is not a path such as settings.tier or rrdatas[0]")
    return steps


def _set(body: Any, steps: Sequence[str | int], path: str, value: Any) -> None:
    node = body
    try:
        for step in steps[:-1]:
            node = node[step]
        node[steps[-1]] = value
    except (KeyError, IndexError, TypeError):
        raise LocalCloudError(f"the resource has no field {path}") from None


def promote(directory: Path, tx: Transaction, name: str) -> None:
    """`gcloud sql instances promote-replica`: stops replication; the instance then owns its databases."""
    replica = existing(tx, INSTANCE, name).body
    try:
        body = promoted(replica)
        with postgres_words(f"failed to promote {name}"):
            SqlServers(directory / POSTGRES).promote(replica)
    except CloudError as error:
        raise LocalCloudError(str(error)) from None
    key = f"projects/{body['project']}/instances"
    for one in tx.all(DATABASE, f"{key}/{owner_name(replica)}/"):
        own = one.body | {"instance": body["name"]}
        tx.put(DATABASE, f"{key}/{own['instance']}/databases/{own['name']}", own)
    tx.update(INSTANCE, f"{key}/{body['name']}", body)


def remove(tx: Transaction, type_: str, id_: str) -> None:
    resource = existing(tx, type_, id_)
    tx.delete(type_, resource.id)


def put(directory: Path, make: Callable[[Transaction], object]) -> None:
    """Add resources not created by the engine; the cloud may be running or stopped."""
    cloud = Cloud(directory / CLOUD)
    with cloud.change("hand") as tx:
        if not tx.setting("network"):
            tx.set_setting("network", DEFAULT_NETWORK)
        make(tx)
    write_kubeconfig(cloud, directory / KUBECONFIG)
