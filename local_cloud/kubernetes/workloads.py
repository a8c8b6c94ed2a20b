"""Workloads that exist before a program is deployed, as created with kubectl: pods for its Services to select."""

from __future__ import annotations

from local_cloud.cloud import Transaction
from local_cloud.kubernetes import objects
from local_cloud.kubernetes.apply import KUBECTL
from local_cloud.kubernetes.clusters import NAMESPACE
from local_cloud.kubernetes.waits import DEPLOYMENT
from local_cloud.values import Props


def make_workload(tx: Transaction, context: str, namespace: str, name: str, *, image: str, replicas: int = 1) -> None:
    """A namespace of a cluster with a Deployment labelled `app: NAME`; existing ones are kept."""
    if tx.get(NAMESPACE, f"{context}/{namespace}") is None:
        body: Props = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        tx.put(NAMESPACE, f"{context}/{namespace}", objects.make(tx, context, NAMESPACE, body, KUBECTL))
    if tx.get(DEPLOYMENT, f"{context}/{namespace}/{name}") is not None:
        return
    labels = {"app": name}
    deployment: Props = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": image}]},
            },
        },
    }
    made = objects.make(tx, context, DEPLOYMENT, deployment, KUBECTL)
    tx.put(DEPLOYMENT, f"{context}/{namespace}/{name}", made)
