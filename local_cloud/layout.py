"""Files in a cloud's folder, defaults, and the error that its commands end with."""

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
# The first one, and those that a cloud takes instead where another cloud of this machine has it.
DEFAULT_NETWORK: Final = "127.77.0.0/16"
DEFAULT_NETWORKS: Final = ",".join(f"127.{octet}.0.0/16" for octet in range(77, 100, 2))
# Variables of the environment by which processes are found (marks.py): the cloud's own, with its folder as value, and
# those of users of the cloud that have to end when its folder is removed, with the folder or one below it.
SERVER_MARK: Final = "LOCAL_CLOUD_SERVER"
GUEST_MARK: Final = "LOCAL_CLOUD_GUEST"
DEFAULT_DNS_PORT: Final = 5300
DEFAULT_STORAGE_PORT: Final = 5380


@dataclass(frozen=True)
class Options:
    """How to run: in which folder, for which project, on which network and ports.

    Port 0 is any free one; None is the usual one, or any free one where another cloud has it.
    """

    directory: str
    project: str = DEFAULT_PROJECT
    region: str = DEFAULT_REGION
    network: str = DEFAULT_NETWORKS
    dns_port: int | None = None
    storage_port: int | None = None


class LocalCloudError(Exception):
    """Wrong use, or a state of the machine that the user has to know about, in one line."""
