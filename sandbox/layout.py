"""The sandbox's project and error."""

from __future__ import annotations

from typing import Final

from local_cloud.layout import LocalCloudError

PROJECT: Final = "warp-sandbox"


class SandboxError(LocalCloudError):
    """Wrong use, or a condition of the stack or machine that the user must know, in one line."""
