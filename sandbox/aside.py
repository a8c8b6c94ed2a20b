"""A sandbox beside the user's own, for tests, rehearsals and benchmarks: gone when the block ends."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.process import Sandbox

# Second octets of 127.0.0.0/8 for sandboxes like these; the user's own is 127.77.0.0/16.
FIRST, LAST = 100, 250


@contextmanager
def sandbox_aside(prefix: str = "warp-edge-") -> Iterator[tuple[Sandbox, Path]]:
    """A running sandbox on addresses of its own and on any free ports, and an empty folder for stacks."""
    octet = FIRST + secrets.randbelow(LAST - FIRST)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        sandbox = Sandbox(Path(folder) / "cloud", network=f"127.{octet}.0.0/16", dns_port=0, storage_port=0)
        try:
            sandbox.start()
            yield sandbox, Path(folder)
        finally:
            sandbox.destroy()
