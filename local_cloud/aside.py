"""A cloud separate from the user's, for tests, rehearsals and benchmarks: removed when the block ends."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from local_cloud.layout import LocalCloudError
from local_cloud.process import LocalCloud

# Second octets of 127.0.0.0/8 for these clouds; the user's are lower (layout.py).
FIRST, LAST = 100, 250

AnyCloud = TypeVar("AnyCloud", bound=LocalCloud)


def never() -> bool:
    """Nothing is kept."""
    return False


@contextmanager
def cloud_aside(
    kind: type[AnyCloud], prefix: str = "local-cloud-", *, keep: Callable[[], bool] = never
) -> Iterator[tuple[AnyCloud, Path]]:
    """A running cloud on its own addresses and free ports, and an empty folder for stacks.

    `keep` is called when the block ends: if true, the cloud is stopped and the folder is kept.
    """
    with _own_octet() as octet:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        cloud = kind(folder / "cloud", network=f"127.{octet}.0.0/16", dns_port=0, storage_port=0)
        kept = False
        try:
            try:
                cloud.start()
                yield cloud, folder
            finally:
                kept = keep()
                if kept:
                    cloud.stop()
                else:
                    cloud.destroy()
        finally:
            if not kept:
                shutil.rmtree(folder)


@contextmanager
def _own_octet() -> Iterator[int]:
    """One that no other such cloud is using; the lock ends with the process that holds it, also after a kill."""
    folder = Path(tempfile.gettempdir())
    for octet in random.sample(range(FIRST, LAST), LAST - FIRST):
        with (folder / f"local-cloud-{os.getuid()}-127.{octet}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield octet
            return
    raise LocalCloudError(f"all networks for temporary clouds, 127.{FIRST} to 127.{LAST - 1}, are in use")
