"""The cloud of `make up`: what a project must have before the edge is deployed, and seeds to start from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from local_cloud.layout import DEFAULT_NETWORKS, DEFAULT_REGION
from local_cloud.process import LocalCloud
from sandbox.layout import PROJECT, SandboxError


class Sandbox(LocalCloud):
    """A cloud whose project has a cluster with the SIP proxy's pods, and a domain at Gandi."""

    started_by = "make up"

    def __init__(
        self,
        directory: Path,
        *,
        project: str = PROJECT,
        region: str = DEFAULT_REGION,
        network: str = DEFAULT_NETWORKS,
        dns_port: int | None = None,
        storage_port: int | None = None,
    ) -> None:
        super().__init__(
            directory, project=project, region=region, network=network, dns_port=dns_port, storage_port=storage_port
        )

    def start(self) -> bool:
        """Start it and wait until it is ready. False when it was running already."""
        from sandbox.seed import new_project

        started = super().start()
        self.put(partial(new_project, project=self.options.project, region=self.options.region))
        return started

    def seed(self, what: str) -> None:
        """Add resources not created by the engine: `live-edge` or `second-region`."""
        from sandbox.seed import SEEDS

        if what not in SEEDS:
            raise SandboxError(f"unknown seed {what!r}; known: {', '.join(SEEDS)}")
        self.put(SEEDS[what])

    def guests(self) -> dict[str, str]:
        """The SIP proxy."""
        from sandbox import sip_edge

        return {"SIP proxy": "Kamailio and its reloader" if sip_edge.runs(self.directory) else "none"}
