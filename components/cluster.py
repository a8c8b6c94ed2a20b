"""Access to the Kubernetes cluster, without a token in the state."""

from __future__ import annotations

import json
import os
from typing import Any

from pulumi_kubernetes import Provider

from components.kubeconfig import refuse_unknown_context
from components.look_up import Sought, look_up
from components.sdk.google import get_cluster
from engine.refusal import RefusedError
from settings.ingress import Cluster


def kubernetes(name: str, cluster: Cluster, project: str, region: str) -> Provider:
    """The provider for `cluster`: looked up at GKE, or a context of the caller's kubeconfig.

    Call it before anything else is declared. Raises `RefusedError` if the cluster or context does not exist, or cannot
    be reached yet.
    """
    # Identifies the cluster even if its endpoint, its certificate or the name of a context changes. Without it the
    # plugin guesses, and may replace every Service (`clusterIdentifier` in the provider's documentation).
    location = cluster.location or region
    identity = f"{project}/{location}/{cluster.name or 'cluster'}"
    by_context = cluster.access == "kubeconfig"
    if by_context:
        refuse_unknown_context(cluster.context or "", os.environ)
    return Provider(
        name,
        context=cluster.context if by_context else None,
        kubeconfig=None if by_context else _looked_up(cluster, project, location),
        cluster_identifier=identity,
        # Without these the plugin replaces a ConfigMap or Secret whose data changes, and everything that depends on its
        # name (`enableConfigMapMutable` there).
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )


def _looked_up(cluster: Cluster, project: str, location: str) -> str:
    """The kubeconfig of a GKE cluster, looked up by name."""
    name = cluster.name or ""
    sought = Sought(
        what=f"GKE cluster {name} in {location} of project {project}",
        keys="warp-edge:cluster.name, or warp-edge:cluster.location if it is in a zone",
        listed_by=f"gcloud container clusters list --project {project}",
        role="roles/container.clusterViewer",
        api="container.googleapis.com",
    )
    found = look_up(sought, lambda: get_cluster(name=name, location=location, project=project))
    endpoint = found.get("endpoint")
    authorities = [each.get("clusterCaCertificate") for each in found.get("masterAuths") or ()]
    if not (endpoint and authorities and authorities[0]):
        raise RefusedError(
            f"{sought.what} has no endpoint or no certificate yet",
            f"wait until it runs (`{sought.listed_by}` shows its status), then run again",
        )
    return json.dumps(kubeconfig(name, endpoint, authorities[0]))


def kubeconfig(name: str, endpoint: str, certificate_authority: str) -> dict[str, Any]:
    """The engine's user signs in with their own identity: the plugin fetches a short-lived token when it connects
    (docs.cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl)."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [
            {
                "name": name,
                "cluster": {"server": f"https://{endpoint}", "certificate-authority-data": certificate_authority},
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "gke-gcloud-auth-plugin",
                        "installHint": "install it with `gcloud components install gke-gcloud-auth-plugin`",
                        "provideClusterInfo": True,
                    }
                },
            }
        ],
    }
