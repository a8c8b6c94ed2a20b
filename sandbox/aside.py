"""A sandbox beside the user's own, for tests, rehearsals and benchmarks: gone when the block ends."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import SandboxError
from sandbox.process import Sandbox

# Second octets of 127.0.0.0/8 for sandboxes like these; the user's own is 127.77.0.0/16.
FIRST, LAST = 100, 250


def never() -> bool:
    """Nothing is kept."""
    return False


@contextmanager
def sandbox_aside(prefix: str = "warp-edge-", *, keep: Callable[[], bool] = never) -> Iterator[tuple[Sandbox, Path]]:
    """A running sandbox on addresses of its own and on any free ports, and an empty folder for stacks.

    `keep` is asked when the block ends: if it says so, the sandbox is stopped and the folder stays as it is.
    """
    with _own_octet() as octet:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        sandbox = Sandbox(folder / "cloud", network=f"127.{octet}.0.0/16", dns_port=0, storage_port=0)
        kept = False
        try:
            try:
                sandbox.start()
                yield sandbox, folder
            finally:
                kept = keep()
                if kept:
                    sandbox.stop()
                else:
                    sandbox.destroy()
        finally:
            if not kept:
                shutil.rmtree(folder)


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
