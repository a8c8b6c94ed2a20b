"""After a kill: what is left running is ended, and what the cloud has is recorded, so that the next update finishes it.

It can be killed itself at any point. The engine's notes of what it was creating are dropped last (adopt/adoption.py),
and where a copy took the place of a cut state a note of ours stays until all is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adopt.adoption import import_ids, record
from engine.cli import Json
from engine.tokens import logical_name
from local_cloud.hand import means_the_same
from sandbox import leftovers
from sandbox.layout import SandboxError
from sandbox.process import Sandbox
from sandbox.workspace import Workspace
from settings import Settings

INSTANCE, SUFFIX = "database-instance", "database-suffix"

Say = Callable[[str], None]


def ready(workspace: Workspace, sandbox: Sandbox, say: Say, config: Mapping[str, Any] | None = None) -> None:
    """What comes before an update of a stack, whatever happened to the last one. `config` as in `prepare`."""
    leftovers.end(workspace.directory, say)
    if pid := leftovers.updating(workspace.directory):
        raise SandboxError(
            f"an update of this sandbox is running (process {pid})\n  -> wait until it ends, or interrupt it there"
        )
    workspace.prepare(config)
    record_what_a_crash_left(workspace, sandbox, say)


def record_what_a_crash_left(workspace: Workspace, sandbox: Sandbox, say: Say) -> None:
    """Take into the state what the cloud has and the state has not (docs/recover.md): what the engine noted before it
    began to create it, what an engine has made without recording it, and everything that may exist where the notes
    themselves may be missing."""
    cli, noted = workspace.cli, workspace.note.exists()
    # Of a deletion whose plugin went away the engine keeps no note either.
    if cli.deleting() or gone(sandbox, _recorded(workspace).values()):
        cli.forget_deletions()
        say("a deletion was cut off: what the cloud no longer has is recorded no longer")
    cut_off = set(map(logical_name, cli.interrupted()))
    state = _recorded(workspace)
    # Of an unfinished creation the engine keeps no note where its plugin went away: it takes that for a failure. And
    # what a destruction abandons goes on to exist as long as what it is in.
    unknown = unrecorded(sandbox, state.values())
    lost: set[str] = set()
    if noted or cut_off or unknown:
        settings = Settings.parse(*cli.config())
        suffix = ((state.get(SUFFIX) or {}).get("outputs") or {}).get("hex") or ""
        ids = import_ids(settings, suffix)
        lost = {name for name in ids.keys() - state.keys() if any(means(ids[name], each, settings) for each in unknown)}
        if noted or cut_off or lost:
            say("the last run was cut off: recording what the cloud has of it")
            record(cli, settings, say, None if noted else cut_off | lost)
            workspace.note.unlink(missing_ok=True)
            state = _recorded(workspace)
    if SUFFIX in state and INSTANCE not in state and INSTANCE not in cut_off | lost:
        say(
            "the cloud has no database instance under the name that was drawn for it: the next update draws a new name,"
            " because Cloud SQL does not give out a used one again for a week"
        )
        cli.text("state", "delete", state[SUFFIX]["urn"], "--yes", "--stack", workspace.stack)


def unrecorded(sandbox: Sandbox, state: Iterable[Json]) -> set[str]:
    """The cloud's ids of what engines have made, is there, and is not among these resources of a state."""
    made = {(row.type, row.id) for row in sandbox.writes() if row.op == "create"}
    known: dict[str, set[str]] = {}
    for each in state:
        known.setdefault(each["type"], set()).add(str(each.get("id") or ""))
    return {
        each.id
        for each in sandbox.resources()
        if (each.type, each.id) in made
        and not any(means_the_same(each.type, each.id, id_) for id_ in known.get(each.type, ()))
    }


def gone(sandbox: Sandbox, state: Iterable[Json]) -> set[str]:
    """URNs of these resources of a state that an engine has deleted. What somebody took away by hand is not among them:
    that is drift, which an update does not hide."""
    last = {(row.type, row.id): row.op for row in sandbox.writes()}
    deleted = [key for key, operation in last.items() if operation == "delete"]
    return {
        each["urn"]
        for each in state
        if any(type_ == each["type"] and means_the_same(type_, id_, each.get("id") or "") for type_, id_ in deleted)
    }


def means(import_id: str, cloud_id: str, settings: Settings) -> bool:
    """Whether both name one resource. A plugin writes the ids of buckets, users and a cluster's objects its own way."""
    project, _, name = import_id.partition("/")
    instance, _, user = name.partition("/")
    if cloud_id in (import_id, name, f"projects/{project}/instances/{instance}/users/{user}"):
        return True
    in_our_cluster = cloud_id.startswith(f"gke_{settings.project}_{settings.region}_")
    return in_our_cluster and cloud_id.endswith(f"/{import_id}")


def _recorded(workspace: Workspace) -> dict[str, Json]:
    """Logical name -> the resource in the state."""
    return {logical_name(each["urn"]): each for each in workspace.cli.deployment().get("resources") or ()}
