"""What a sandbox's folder holds, its defaults, and the error that its commands end with."""

from __future__ import annotations

from typing import Final

CLOUD: Final = "cloud.db"
RUN: Final = "run.json"
LOCK: Final = "lock"
LOG: Final = "sandbox.log"
KUBECONFIG: Final = "kubeconfig"
POSTGRES: Final = "postgres"
GANDI_TOKEN: Final = "gandi token"  # a setting of the cloud
PROVIDERS: Final = "PULUMI_DEBUG_PROVIDERS"

DEFAULT_PROJECT: Final = "warp-sandbox"
DEFAULT_REGION: Final = "us-central1"
# The first one, and those that a sandbox takes instead where another one has it. `make up-regions` takes even ones.
DEFAULT_NETWORK: Final = "127.77.0.0/16"
DEFAULT_NETWORKS: Final = ",".join(f"127.{octet}.0.0/16" for octet in range(77, 100, 2))
# Variables of the environment that a sandbox's processes are found by (marks.py).
SERVER_MARK: Final = "WARP_SANDBOX_SERVER"
SIP_MARK: Final = "WARP_SANDBOX_SIP"
DEFAULT_DNS_PORT: Final = 5300
DEFAULT_STORAGE_PORT: Final = 5380


class SandboxError(Exception):
    """What a person did wrong or has to know, in one line."""
