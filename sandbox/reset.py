"""`make reset`: stop all sandboxes of this checkout and remove them, in any condition.

It does not run the engine: the cloud of the stacks is removed with them.
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
    """Remove one folder: its updates, proxies, plugins, cloud and databases, then the files."""
    runs = list(marks.marked(leftovers.MARK, str(directory.resolve())))
    marks.end(runs, *marks.GENTLY)
    marks.end(marks.marked(GUEST_MARK, str(directory), below=True), *marks.GENTLY)
    Sandbox(directory).destroy()
    marks.end(marks.marked(SERVER_MARK, str(directory)), *marks.GENTLY)
    shutil.rmtree(directory)


def main() -> int:
    """Remove every `.sandbox*` folder; those of rehearsals and tests are elsewhere and remove themselves."""

    def work() -> int:
        for directory in sorted(ROOT.glob(".sandbox*")):
            reset(directory)
            print(f"removed {directory.name}")
        return 0

    return ended(work)


if __name__ == "__main__":
    sys.exit(run(main))
