"""Google Kubernetes Engine: registry.terraform.io/providers/hashicorp/google, google_container_*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.sdk.resource import GCP, ask


def get_cluster(*, name: str, location: str, project: str) -> Mapping[str, Any]:
    """google_container_cluster: `endpoint`, `masterAuths` with `clusterCaCertificate` of a GKE cluster."""
    return ask(GCP, "gcp:container/getCluster:getCluster", {"name": name, "location": location, "project": project})
