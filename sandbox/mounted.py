"""What the SIP proxy mounts of the stack's objects in the cluster; kamailio/README.md has it for operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kamailio import PROTECTION
from sandbox.declared_pod import CONFIG_MAP, SECRET, data_of

if TYPE_CHECKING:
    from local_cloud.process import LocalCloud
    from settings import Settings

RPC_KEY: Final = "WARP_ACL_RPC_TOKEN"


@dataclass(frozen=True)
class Mounted:
    """`protection`: the fragment of limits; `rpc_token`: of the Secret."""

    protection: str = ""
    rpc_token: str = field(default="", repr=False)


NOTHING: Final = Mounted()


@dataclass(frozen=True)
class Cluster:
    """The cluster of a stack, in which an update has declared everything."""

    cloud: LocalCloud
    settings: Settings

    @property
    def name(self) -> str:
        """As the cloud has it: the name of its context, which is gcloud's where access is `gke`."""
        cluster, settings = self.settings.cluster, self.settings
        if cluster.access == "kubeconfig":
            return cluster.context or ""
        return f"gke_{settings.project}_{cluster.location or settings.region}_{cluster.name}"

    def mounted(self) -> Mounted:
        """Raises `SandboxError` where the ConfigMap or the Secret does not exist."""
        enforcement = self.settings.enforcement
        if enforcement is None:
            return NOTHING
        namespace = f"{self.name}/{self.settings.ingress.namespace}"
        with self.cloud.cloud.view() as tx:
            fragments = data_of(tx, CONFIG_MAP, namespace, enforcement.config_map)
            variables = data_of(tx, SECRET, namespace, enforcement.secret)
        return Mounted(
            fragments.get(PROTECTION, b"").decode(),
            variables[RPC_KEY].decode(),
        )
