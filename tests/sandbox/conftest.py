"""The live edge in a cloud inside the test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.cloud import Cloud
from local_cloud.kubernetes.provider import KubernetesProvider
from sandbox.seed import live_edge
from tests.local_cloud.conftest import cloud, gcp
from tests.local_cloud.plugin import Plugin

__all__ = ["cloud", "gcp"]


@pytest.fixture
def seeded(cloud: Cloud) -> Cloud:
    with cloud.change("hand") as tx:
        live_edge(tx)
    return cloud


@pytest.fixture
def live_services(seeded: Cloud) -> Iterator[Plugin]:
    """The kubernetes provider on the live edge's cluster."""
    plugin = Plugin(KubernetesProvider(seeded), context="gke_warp-prod_us-central1_warp-cluster")
    yield plugin
    plugin.close()
