"""After a kill: what is left running is ended, and what the cloud has is recorded, so that the next update finishes it.

It can be killed itself at any point. The engine's notes of what it was creating are dropped last (adopt/adoption.py),
and where a copy took the place of a cut state a note of ours stays until all is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adopt.adoption import record
from adopt.differences import logical_name
from components import database
from sandbox import leftovers
from sandbox.workspace import Workspace
from settings import Settings

INSTANCE, SUFFIX, INSIDE = "database-instance", "database-suffix", {"database-database", "database-user"}

Say = Callable[[str], None]


def ready(workspace: Workspace, say: Say, config: Mapping[str, Any] | None = None) -> None:
    """What comes before an update of a stack, whatever happened to the last one. `config` as in `prepare`."""
    leftovers.end(workspace.directory, say)
    workspace.prepare(config)
    record_what_a_crash_left(workspace, say)


def record_what_a_crash_left(workspace: Workspace, say: Say) -> None:
    """Take into the state what the cloud has and the state has not (docs/recover.md): what the engine noted before it
    began to create it, what a destruction let go of before it was cut off, and everything that may exist where the
    notes themselves may be missing."""
    cli = workspace.cli
    cut_off = set(map(logical_name, cli.interrupted()))
    recorded = {logical_name(each["urn"]): each["urn"] for each in cli.deployment().get("resources") or ()}
    if SUFFIX in recorded and INSTANCE not in recorded and INSTANCE not in cut_off:
        # Cloud SQL keeps the name of a deleted instance for a week.
        say("the database instance was deleted and its name is used up: another one is drawn")
        cli.text("state", "delete", recorded[SUFFIX], "--yes", "--stack", workspace.stack)
    if not (workspace.note.exists() or cut_off or (INSTANCE in recorded and not recorded.keys() >= INSIDE)):
        return
    settings = Settings.parse(*cli.config())
    if INSTANCE in recorded:
        cut_off |= database.let_go("database", settings) - recorded.keys()
    if workspace.note.exists() or cut_off:
        say("the last run was cut off: recording what the cloud has of it")
        record(cli, settings, say, None if workspace.note.exists() else cut_off)
        workspace.note.unlink(missing_ok=True)
