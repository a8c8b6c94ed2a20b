"""A cloud and its providers inside the test process, without a server process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.cloud import Cloud
from local_cloud.gandi import zones as gandi
from local_cloud.gcp.provider import GcpProvider
from local_cloud.gcp.sql_servers import SqlServers
from local_cloud.kubernetes.clusters import make_cluster
from local_cloud.kubernetes.provider import KubernetesProvider
from local_cloud.kubernetes.workloads import make_workload
from local_cloud.random_provider import RandomProvider
from tests.local_cloud.plugin import Plugin

PROJECT, REGION = "warp-sandbox", "us-central1"
# pytest-xdist runs several files side by side. Servers listen on fixed ports, so each worker has its own addresses.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NETWORK = f"127.93.{32 * WORKER}.0/19"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.db")
    with cloud.change("hand") as tx:
        tx.set_setting("network", NETWORK)
        gandi.new_domain(tx, "ringer.tel")
        gandi.new_domain(tx, "other-owner.example", ours=False)
        context = str(make_cluster(tx, PROJECT, REGION, "warp-cluster")["context"])
        make_workload(tx, context, "warp-core", "kamailio", image="kamailio:v1.3-redis", replicas=3)
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
def random(cloud: Cloud) -> Iterator[Plugin]:
    plugin = Plugin(RandomProvider(cloud))
    yield plugin
    plugin.close()
