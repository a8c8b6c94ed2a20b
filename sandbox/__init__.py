"""The sandbox: the edge on its own local cloud (`local_cloud/`), with a SIP proxy, from creation to removal.

Nothing in the program imports this package.
"""

import command_line  # noqa: F401 (first: an interrupt while the rest is imported ends without a traceback)
from sandbox.layout import SandboxError
from sandbox.process import Sandbox

__all__ = ["Sandbox", "SandboxError"]
