"""A cloud on loopback, for the real Pulumi engine: Google Cloud, a Kubernetes cluster and Gandi's LiveDNS.

Only their control planes are simulated. What carries data is real: PostgreSQL, DNS answers, objects over HTTP,
addresses of 127.0.0.0/8. Usage: README.md. It knows nothing of the programs deployed to it.
"""

import os

# Set before gRPC is loaded: its fork handlers crash child processes, such as PostgreSQL, while other threads serve
# calls. No child uses gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from local_cloud.layout import LocalCloudError
from local_cloud.process import LocalCloud

__all__ = ["LocalCloud", "LocalCloudError"]
