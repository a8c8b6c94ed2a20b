"""Access to the Kubernetes cluster, without a token in the state."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi_gcp import container
from pulumi_kubernetes import Provider

from settings.ingress import Cluster


def kubernetes(name: str, cluster: Cluster, project: str, region: str) -> Provider:
    """The provider for `cluster`: looked up at GKE, or a context of the caller's kubeconfig."""
    # Says that it is the same cluster when its endpoint, its certificate or the name of a context changes. Without it
    # the plugin guesses, and may replace every Service (`clusterIdentifier` in the provider's documentation).
    location = cluster.location or region
    identity = f"{project}/{location}/{cluster.name or 'cluster'}"
    by_context = cluster.access == "kubeconfig"
    return Provider(
        name,
        context=cluster.context if by_context else None,
        kubeconfig=None if by_context else _looked_up(cluster, project, location),
        cluster_identifier=identity,
        # Without these the plugin deletes a ConfigMap or Secret whose data changes, and what depends on its name, and
        # makes both anew (`enableConfigMapMutable` there).
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )


def _looked_up(cluster: Cluster, project: str, location: str) -> pulumi.Output[str]:
    """The kubeconfig of a cluster that GKE knows by its name."""
    found = container.get_cluster_output(name=cluster.name or "", location=location, project=project)
    return pulumi.Output.all(found.endpoint, found.master_auths[0].cluster_ca_certificate).apply(
        lambda given: json.dumps(kubeconfig(cluster.name or "", *given))
    )


def kubeconfig(name: str, endpoint: str, certificate_authority: str) -> dict[str, Any]:
    """Whoever runs the engine signs in as themselves: the plugin fetches a short-lived token when it connects
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
