"""Access to the Kubernetes cluster, without a token in the state."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulumi_kubernetes import Provider

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
        _refuse_unknown_context(cluster.context or "", os.environ)
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
    cluster = {"server": f"https://{endpoint}", "certificate-authority-data": certificate_authority}
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "install it with `gcloud components install gke-gcloud-auth-plugin`",
        "provideClusterInfo": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"exec": sign_in}}],
    }


def _refuse_unknown_context(context: str, environment: Mapping[str, str]) -> None:
    """Raises `RefusedError` if no kubeconfig of `environment` has the context. An unreadable one is left to the plugin,
    which reports the reason.

    For the plugin a missing context is a cluster that cannot be reached: a first preview succeeds with a warning, and
    the update fails at the first Service, after the gateway.
    """
    import yaml  # noqa: PLC0415 - clusters that are looked up at GKE need no kubeconfig

    try:
        found = list(_texts(environment))
        names = [name for _, text in found for name in _contexts(yaml.safe_load(text))]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, RecursionError):
        return
    if context not in names:
        where = " or ".join(place for place, _ in found) or "this machine, which has no kubeconfig"
        raise RefusedError(
            f"there is no context {context} in {where}",
            "correct warp-edge:cluster.context (`kubectl config get-contexts` lists them),"
            " or set KUBECONFIG to the file that has it",
        )


def _texts(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Path and content. KUBECONFIG is a list of files, some of which may be missing (client-go, `loader.go`); for the
    plugin it may also be the content itself."""
    given = environment.get("KUBECONFIG") or ""
    if "\n" in given or given.lstrip().startswith("{"):
        yield "KUBECONFIG", given
        return
    files = [each for each in given.split(os.pathsep) if each] or [str(Path("~/.kube/config"))]
    for each in files:
        file = Path(each).expanduser()
        if file.is_file():
            yield each, file.read_text(encoding="utf-8", errors="replace")


def _contexts(kubeconfig: object) -> list[str]:
    contexts = kubeconfig.get("contexts") if isinstance(kubeconfig, dict) else None
    return [str(each["name"]) for each in contexts or ()]
