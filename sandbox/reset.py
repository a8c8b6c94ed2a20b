"""`make reset`: end all sandboxes of this repository and remove them, whatever state they are in.

Nothing is asked of the engine: the cloud that its stacks live in goes with them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from command_line import run
from local_cloud import marks
from local_cloud.layout import GUEST_MARK, SERVER_MARK
from sandbox import leftovers
from sandbox.process import Sandbox
from sandbox.stack import ended
from sandbox.workspace import ROOT


def reset(directory: Path) -> None:
    """Of one folder: updates, proxies, plugins, the cloud and its databases, then the files."""
    runs = list(marks.marked(leftovers.MARK, str(directory.resolve())))
    marks.end(runs, *marks.GENTLY)
    marks.end(marks.marked(GUEST_MARK, str(directory), below=True), *marks.GENTLY)
    Sandbox(directory).destroy()
    marks.end(marks.marked(SERVER_MARK, str(directory)), *marks.GENTLY)
    shutil.rmtree(directory)


def main() -> int:
    """Every folder of the kind; that of a rehearsal or a test is elsewhere, and gone when that ends."""

    def work() -> int:
        for directory in sorted(ROOT.glob(".sandbox*")):
            reset(directory)
            print(f"{directory.name} is removed")
        return 0

    return ended(work)


if __name__ == "__main__":
    sys.exit(run(main))
