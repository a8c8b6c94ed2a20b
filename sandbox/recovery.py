"""After a kill: what is left running is ended, and what the cloud has is recorded, so that the next update finishes it.

It can be killed itself at any point. The engine's notes of what it was creating are dropped last (adopt/adoption.py),
and where a copy took the place of a cut state a note of ours stays until all is recorded.
"""

from __future__ import annotations

from collections.abc import Callable

from adopt.adoption import adopt
from sandbox import leftovers
from sandbox.workspace import Workspace
from settings import Settings


def record_what_a_crash_left(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Take into the state what a cut-off update had created (docs/recover.md)."""
    if workspace.note.exists() or workspace.cli.interrupted():
        say("the last update was cut off: recording what it had created")
        adopt(workspace.cli, Settings.parse(*workspace.cli.config()), say)
        workspace.note.unlink(missing_ok=True)


def end_what_a_kill_left(workspace: Workspace, say: Callable[[str], None]) -> None:
    """End engines and plugins that belong to no run any more."""
    leftovers.end(workspace.directory, say)
