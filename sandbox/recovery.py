"""After a kill: what is left running is ended, and what the cloud has is recorded, so that the next update finishes it.

It can be killed itself at any point. The engine's notes of what it was creating are dropped last (adopt/adoption.py),
and where a copy took the place of a cut state a note of ours stays until all is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adopt.adoption import record
from adopt.differences import logical_name
from sandbox import leftovers
from sandbox.workspace import Workspace
from settings import Settings

Say = Callable[[str], None]


def ready(workspace: Workspace, say: Say, config: Mapping[str, Any] | None = None) -> None:
    """What comes before an update of a stack, whatever happened to the last one. `config` as in `prepare`."""
    leftovers.end(workspace.directory, say)
    workspace.prepare(config)
    record_what_a_crash_left(workspace, say)


def record_what_a_crash_left(workspace: Workspace, say: Say) -> None:
    """Take into the state what a cut-off update had created (docs/recover.md): what the engine noted before it began,
    and everything that may exist where the notes themselves may be missing."""
    cut_off = workspace.cli.interrupted()
    if workspace.note.exists() or cut_off:
        say("the last update was cut off: recording what it had created")
        only = None if workspace.note.exists() else {logical_name(urn) for urn in cut_off}
        record(workspace.cli, Settings.parse(*workspace.cli.config()), say, only)
        workspace.note.unlink(missing_ok=True)
