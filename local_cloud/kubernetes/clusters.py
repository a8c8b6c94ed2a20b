"""GKE clusters: their creation, their kubeconfig, and the cluster that a kubeconfig selects."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

import trustme
import yaml

from local_cloud.cloud import Cloud, Transaction, now
from local_cloud.errors import CloudError
from local_cloud.gcp.addresses import CLUSTER
from local_cloud.gcp.rules import ensure_project
from local_cloud.links import self_link
from local_cloud.networks import allocate, private_pool
from local_cloud.values import Props

VERSION: Final = "1.33.5-gke.1080000"  # in this version a Service that mixes protocols stays pending
NAMESPACE: Final = "kubernetes:core/v1:Namespace"


def context_name(project: str, location: str, name: str) -> str:
    """The context name that `gcloud container clusters get-credentials` uses."""
    return f"gke_{project}_{location}_{name}"


def make_cluster(tx: Transaction, project: str, location: str, name: str) -> Props:
    """A running cluster with the default namespaces; an existing one is returned unchanged."""
    ensure_project(tx, project, location)
    path = f"projects/{project}/locations/{location}/clusters/{name}"
    existing = tx.get(CLUSTER, path)
    if existing is not None:
        return existing
    context = context_name(project, location, name)
    body: Props = {
        "name": name,
        "location": location,
        "project": project,
        "context": context,
        "endpoint": allocate(tx, private_pool(tx)),
        "masterAuths": [
            {
                "clusterCaCertificate": base64.b64encode(_authority(tx, project)).decode(),
                "clientCertificate": "",
                "clientKey": "",
                "clientCertificateConfigs": [{"issueClientCertificate": False}],
            }
        ],
        "masterVersion": VERSION,
        "nodeVersion": VERSION,
        "network": self_link(f"projects/{project}/global/networks/default"),
        "subnetwork": self_link(f"projects/{project}/regions/{location}/subnetworks/default"),
        "nodeLocations": [f"{location}-{zone}" for zone in "abc"],
        "servicesIpv4Cidr": "10.2.32.0/20",
        "clusterIpv4Cidr": "10.4.0.0/14",
        "selfLink": f"https://container.googleapis.com/v1/{path}",
        "createTime": now(),
    }
    tx.put(CLUSTER, path, body)
    for namespace in ("default", "kube-system"):
        metadata = {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}
        live = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": "Active"}}
        tx.put(NAMESPACE, f"{context}/{namespace}", live)
    return body


def _authority(tx: Transaction, project: str) -> bytes:
    """PEM of the CA of a project's clusters."""
    name = f"cluster certificate of {project}"
    if not tx.setting(name):
        tx.set_setting(name, trustme.CA().cert_pem.bytes().decode())
    return tx.setting(name).encode()


def kubeconfig(clusters: list[Props]) -> Props:
    """A kubeconfig with a context for every cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": one["context"],
                "cluster": {
                    "server": f"https://{one['endpoint']}",
                    "certificate-authority-data": one["masterAuths"][0]["clusterCaCertificate"],
                },
            }
            for one in clusters
        ],
        "contexts": [
            {"name": one["context"], "context": {"cluster": one["context"], "user": one["context"]}} for one in clusters
        ],
        "users": [
            {
                "name": one["context"],
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "gke-gcloud-auth-plugin",
                        "provideClusterInfo": True,
                    }
                },
            }
            for one in clusters
        ],
        "current-context": clusters[0]["context"] if clusters else "",
    }


def write_kubeconfig(cloud: Cloud, path: Path) -> None:
    """Write the file that get-credentials would write, with a context for every cluster."""
    with cloud.view() as tx:
        clusters = [one.body for one in tx.all(CLUSTER)]
    path.write_text(yaml.safe_dump(kubeconfig(clusters), sort_keys=False))


def parse_kubeconfig(text: str) -> Props:
    """A kubeconfig given inline or as a file's path. Raises `CloudError` if it is neither."""
    content = Path(text).read_text() if "\n" not in text and len(text) < 4096 and Path(text).is_file() else text
    try:
        parsed: Any = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise CloudError(f"failed to parse kubeconfig: {str(error).splitlines()[0]}") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("clusters"), list):
        raise CloudError("failed to parse kubeconfig: not a kubeconfig (apiVersion, clusters, contexts, users)")
    return parsed


def find_cluster(cloud: Cloud, given: Props) -> str:
    """The context name of the cluster that a provider's configuration selects."""
    with cloud.view() as tx:
        clusters = [one.body for one in tx.all(CLUSTER)]
    text = given.get("kubeconfig")
    config = parse_kubeconfig(_text(text)) if text else kubeconfig(clusters)
    wanted = str(given.get("context") or config.get("current-context") or "")
    contexts = {one.get("name"): one.get("context", {}) for one in config.get("contexts", [])}
    if wanted not in contexts:
        raise CloudError(f'invalid configuration: context "{wanted}" does not exist')
    cluster = given.get("cluster") or contexts[wanted].get("cluster")
    servers = {one.get("name"): one.get("cluster", {}).get("server", "") for one in config["clusters"]}
    server = str(servers.get(cluster, ""))
    for one in clusters:
        if server.removeprefix("https://").removesuffix(":443") == one["endpoint"]:
            return str(one["context"])
    raise CloudError(
        f"configured Kubernetes cluster is unreachable: unable to connect to the server {server or cluster}"
    )


def _text(value: Any) -> str:
    """A kubeconfig may also be given as an object."""
    return value if isinstance(value, str) else json.dumps(value)
