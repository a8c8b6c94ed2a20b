"""The sandbox: a stand-in, on loopback, for Google's control plane, to which the real Pulumi engine deploys.

Only the control plane is stood in for. What carries data is real: PostgreSQL for a Cloud SQL instance, DNS answers for
a zone, addresses of 127.0.0.0/8 that a real SIP proxy can listen on. Nothing in the program imports this package.
"""

import os

# Before gRPC is loaded: its fork handlers crash the children of a process whose other threads serve calls, and
# PostgreSQL is such a child. None of them uses gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from sandbox.layout import SandboxError
from sandbox.process import Sandbox

__all__ = ["Sandbox", "SandboxError"]
