"""Life of an object in the cluster: apply, defaults, validation, controllers, deletion."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from local_cloud.cloud import Transaction, now
from local_cloud.errors import CloudError
from local_cloud.kubernetes import policies, services
from local_cloud.kubernetes.apply import MANAGER, apply, duplicates
from local_cloud.kubernetes.clusters import NAMESPACE
from local_cloud.kubernetes.load_balancers import settle
from local_cloud.kubernetes.plan import with_data
from local_cloud.kubernetes.schema import KINDS
from local_cloud.kubernetes.services import SERVICE
from local_cloud.kubernetes.waits import DEPLOYMENT, annotation_problems, ready_replicas
from local_cloud.values import Props

SECRET: Final = "kubernetes:core/v1:Secret"
CLUSTER_SCOPED: Final = frozenset({NAMESPACE})
HIDDEN: Final = "events"
"""Stored beside the object, as events are in the API."""

_Defaults = Callable[[Transaction, str, Props], Props]


def make(tx: Transaction, cluster: str, token: str, given: Props, manager: str = MANAGER) -> Props:
    """A new object."""
    refuse_duplicates(given)
    metadata = given["metadata"]
    base: Props = {
        "apiVersion": given["apiVersion"],
        "kind": given["kind"],
        "metadata": {
            "name": metadata["name"],
            **({} if token in CLUSTER_SCOPED else {"namespace": metadata["namespace"]}),
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
            "generation": 0,
        },
    }
    return settled(tx, cluster, token, apply(base, given, manager=manager), None)


def refuse_duplicates(given: Props) -> None:
    if found := duplicates(given):
        raise CloudError(f'{given["kind"]} "{given["metadata"]["name"]}" is invalid: {found[0]}')


def settled(tx: Transaction, cluster: str, token: str, live: Props, before: Props | None) -> Props:
    """The object after defaults, validation and its controller."""
    found = [*annotation_problems(live), *_PROBLEMS.get(token, _nothing)(live, before)]
    if found:
        words = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
        raise CloudError(f'{live["kind"]} "{live["metadata"]["name"]}" is invalid: {words}')
    live = looked_after(tx, cluster, token, _DEFAULTS.get(token, _unchanged)(tx, cluster, live))
    number = str(tx.next_number("resource versions"))
    generation = int(live["metadata"].get("generation", 0)) + 1
    return {**live, "metadata": {**live["metadata"], "resourceVersion": number, "generation": generation}}


def looked_after(tx: Transaction, cluster: str, token: str, live: Props) -> Props:
    """The object after the cluster's controllers; the result depends on the current state of the cloud."""
    if token == SERVICE:
        return settle(tx, cluster, live)
    if token == DEPLOYMENT:
        ready = ready_replicas(tx, live)
        return {**live, "status": {"replicas": live["spec"]["replicas"], "readyReplicas": ready}}
    return live


def delete(tx: Transaction, cluster: str, token: str, key: str) -> None:
    """Delete an object; of a namespace, everything inside it too."""
    if token == NAMESPACE:
        for kind in KINDS:
            for inner in tx.all(kind, f"{key}/"):
                tx.delete(kind, inner.id)
    tx.delete(token, key)


def plural(given: Props) -> str:
    """A kind as the API server names it in its refusals: networkpolicies.networking.k8s.io."""
    kind, group = given["kind"].lower(), given["apiVersion"].rpartition("/")[0]
    many = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{many}.{group}" if group else many


def refuse_without_namespace(tx: Transaction, cluster: str, token: str, given: Props) -> None:
    if token in CLUSTER_SCOPED:
        return
    namespace = given["metadata"]["namespace"]
    if tx.get(NAMESPACE, f"{cluster}/{namespace}") is None:
        raise CloudError(f'namespaces "{namespace}" not found')


def _namespace(tx: Transaction, cluster: str, live: Props) -> Props:
    name = live["metadata"]["name"]
    labels = {**(live["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}
    spec = {**(live.get("spec") or {}), "finalizers": ["kubernetes"]}
    return {**live, "metadata": {**live["metadata"], "labels": labels}, "spec": spec, "status": {"phase": "Active"}}


def _secret(tx: Transaction, cluster: str, live: Props) -> Props:
    return {"type": "Opaque", **with_data(live)}


def _deployment(tx: Transaction, cluster: str, live: Props) -> Props:
    return {**live, "spec": {"replicas": 1, **live["spec"]}}


def _network_policy(tx: Transaction, cluster: str, live: Props) -> Props:
    return policies.with_policy_defaults(live)


def _nothing(live: Props, before: Props | None) -> Iterator[str]:
    yield from ()


def _unchanged(tx: Transaction, cluster: str, live: Props) -> Props:
    return live


_DEFAULTS: Final[Mapping[str, _Defaults]] = {
    SERVICE: services.with_defaults,
    NAMESPACE: _namespace,
    SECRET: _secret,
    DEPLOYMENT: _deployment,
    policies.NETWORK_POLICY: _network_policy,
}
_PROBLEMS: Final[Mapping[str, Callable[[Props, Props | None], Iterator[str]]]] = {
    SERVICE: services.problems,
    DEPLOYMENT: policies.deployment_problems,
    policies.NETWORK_POLICY: policies.policy_problems,
    policies.DISRUPTION_BUDGET: policies.budget_problems,
    policies.POD_MONITORING: policies.monitoring_problems,
}
