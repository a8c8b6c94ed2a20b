"""A cloud on loopback, for the real Pulumi engine: Google Cloud, a Kubernetes cluster and Gandi's LiveDNS.

Only their control planes are stood in for. What carries data is real: PostgreSQL, DNS answers, objects over HTTP,
addresses of 127.0.0.0/8. README.md says how to use it; it knows nothing of the programs deployed to it.
"""

import os

# Before gRPC is loaded: its fork handlers crash the children of a process whose other threads serve calls, and
# PostgreSQL is such a child. None of them uses gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from local_cloud.layout import LocalCloudError
from local_cloud.process import LocalCloud

__all__ = ["LocalCloud", "LocalCloudError"]
