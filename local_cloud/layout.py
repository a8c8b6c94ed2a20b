"""Files in a cloud's folder, defaults, and the error of its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLOUD: Final = "cloud.db"
RUN: Final = "run.json"
LOCK: Final = "lock"
LOG: Final = "cloud.log"
KUBECONFIG: Final = "kubeconfig"
POSTGRES: Final = "postgres"
GANDI_TOKEN: Final = "gandi token"  # a setting of the cloud
PROVIDERS: Final = "PULUMI_DEBUG_PROVIDERS"

DEFAULT_PROJECT: Final = "local-project"
DEFAULT_REGION: Final = "us-central1"
# The first one, and the alternatives if another cloud of this machine uses it.
DEFAULT_NETWORK: Final = "127.77.0.0/16"
DEFAULT_NETWORKS: Final = ",".join(f"127.{octet}.0.0/16" for octet in range(77, 100, 2))
# Environment variables by which processes are found (marks.py): the cloud's own, whose value is its folder, and those
# of users of the cloud that must end when its folder is removed, whose value is that folder or one below it.
SERVER_MARK: Final = "LOCAL_CLOUD_SERVER"
GUEST_MARK: Final = "LOCAL_CLOUD_GUEST"
DEFAULT_DNS_PORT: Final = 5300
DEFAULT_STORAGE_PORT: Final = 5380


@dataclass(frozen=True)
class Options:
    """Folder, project, network and ports of a cloud.

    Port 0: any free one; None: the default one, or any free one if that is in use.
    """

    directory: str
    project: str = DEFAULT_PROJECT
    region: str = DEFAULT_REGION
    network: str = DEFAULT_NETWORKS
    dns_port: int | None = None
    storage_port: int | None = None


class LocalCloudError(Exception):
    """Wrong use, or a condition of the machine that the user must know, in one line."""
