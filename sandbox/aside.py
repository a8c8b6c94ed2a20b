"""A sandbox beside the user's own, for tests, rehearsals and benchmarks: gone when the block ends."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import SandboxError
from sandbox.process import Sandbox

# Second octets of 127.0.0.0/8 for sandboxes like these; the user's own is 127.77.0.0/16.
FIRST, LAST = 100, 250


@contextmanager
def sandbox_aside(prefix: str = "warp-edge-") -> Iterator[tuple[Sandbox, Path]]:
    """A running sandbox on addresses of its own and on any free ports, and an empty folder for stacks."""
    with _own_octet() as octet, tempfile.TemporaryDirectory(prefix=prefix) as folder:
        sandbox = Sandbox(Path(folder) / "cloud", network=f"127.{octet}.0.0/16", dns_port=0, storage_port=0)
        try:
            sandbox.start()
            yield sandbox, Path(folder)
        finally:
            sandbox.destroy()


@contextmanager
def _own_octet() -> Iterator[int]:
    """One that no other sandbox of this kind has now; the lock ends with whoever holds it, also when that is killed."""
    folder = Path(tempfile.gettempdir())
    for octet in random.sample(range(FIRST, LAST), LAST - FIRST):
        with (folder / f"warp-edge-{os.getuid()}-127.{octet}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield octet
            return
    raise SandboxError(f"all networks for sandboxes like this one, 127.{FIRST} to 127.{LAST - 1}, are in use")
