"""A cloud and its providers inside the test process, without the sandbox's own process around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cloud import Cloud
from sandbox.gcp.provider import GcpProvider
from sandbox.gcp.sql_servers import SqlServers
from sandbox.kubernetes.provider import KubernetesProvider
from sandbox.random_provider import RandomProvider
from sandbox.seed import live_edge, new_project
from tests.sandbox.plugin import Plugin

PROJECT, REGION = "warp-sandbox", "us-central1"
# pytest-xdist runs several files side by side. Servers listen on fixed ports, so each worker has addresses of its own.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NETWORK = f"127.93.{32 * WORKER}.0/19"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.db")
    with cloud.change("hand") as tx:
        tx.set_setting("network", NETWORK)
        new_project(tx, PROJECT, REGION)
    return cloud


@pytest.fixture
def seeded(cloud: Cloud) -> Cloud:
    with cloud.change("hand") as tx:
        live_edge(tx)
    return cloud


@pytest.fixture
def gcp(cloud: Cloud, tmp_path: Path) -> Iterator[Plugin]:
    servers = SqlServers(tmp_path / "postgres")
    plugin = Plugin(GcpProvider(cloud, servers), project=PROJECT, region=REGION, addPulumiAttributionLabel="false")
    yield plugin
    plugin.close()
    servers.stop_all()


@pytest.fixture
def kubernetes(cloud: Cloud) -> Iterator[Plugin]:
    plugin = Plugin(KubernetesProvider(cloud))
    yield plugin
    plugin.close()


@pytest.fixture
def live_services(seeded: Cloud) -> Iterator[Plugin]:
    """The kubernetes provider on the live edge's cluster."""
    plugin = Plugin(KubernetesProvider(seeded), context="gke_warp-prod_us-central1_warp-cluster")
    yield plugin
    plugin.close()


@pytest.fixture
def random(cloud: Cloud) -> Iterator[Plugin]:
    plugin = Plugin(RandomProvider(cloud))
    yield plugin
    plugin.close()
