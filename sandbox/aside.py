"""A sandbox separate from the user's, for tests, rehearsals and benchmarks: removed when the block ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from local_cloud.aside import cloud_aside, never
from sandbox.process import Sandbox


def sandbox_aside(
    prefix: str = "warp-edge-", *, keep: Callable[[], bool] = never
) -> AbstractContextManager[tuple[Sandbox, Path]]:
    """A running sandbox on its own addresses, and an empty folder for stacks (`cloud_aside`)."""
    return cloud_aside(Sandbox, prefix, keep=keep)
