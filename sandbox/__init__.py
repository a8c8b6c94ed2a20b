"""The sandbox: the edge on a cloud of its own on loopback (`local_cloud/`), with a SIP proxy, from nothing to gone.

Nothing in the program imports this package.
"""

from sandbox.layout import SandboxError
from sandbox.process import Sandbox

__all__ = ["Sandbox", "SandboxError"]
