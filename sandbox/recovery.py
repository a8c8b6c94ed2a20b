"""After a kill: end leftover processes and record what the cloud has, so that the next update can finish.

The recovery itself may be killed at any point. The engine's pending operations are dropped last (adopt/adoption.py),
and where a copy replaced a truncated state, the workspace's note stays until everything is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adopt.adoption import record
from engine.cli import Json
from engine.tokens import logical_name
from local_cloud.hand import means_the_same
from plan.import_ids import import_ids
from sandbox import leftovers
from sandbox.layout import SandboxError
from sandbox.process import Sandbox
from sandbox.workspace import Workspace
from settings import Settings

INSTANCE, SUFFIX = "database-instance", "database-suffix"

Say = Callable[[str], None]


def ready(workspace: Workspace, sandbox: Sandbox, say: Say, config: Mapping[str, Any] | None = None) -> None:
    """Prepare a stack for an update, whatever happened to the last one. `config` as in `prepare`."""
    leftovers.end(workspace.directory, say)
    if pid := leftovers.updating(workspace.directory):
        raise SandboxError(
            f"an update of this sandbox is running (process {pid})\n  -> wait for it to end, or interrupt it"
        )
    workspace.prepare(config)
    record_what_a_crash_left(workspace, sandbox, say)


def record_what_a_crash_left(workspace: Workspace, sandbox: Sandbox, say: Say) -> None:
    """Record in the state what exists only in the cloud (docs/recover.md): pending creations, resources created but
    not recorded, and, where the pending operations themselves may be lost, everything that may exist."""
    cli, noted = workspace.cli, workspace.note.exists()
    # If the plugin died during a deletion, the engine records no pending operation.
    if cli.deleting() or gone(sandbox, _recorded(workspace).values()):
        cli.forget_deletions()
        say("a deletion was cut off: removing from the state what the cloud no longer has")
    cut_off = set(map(logical_name, cli.interrupted()))
    state = _recorded(workspace)
    # If the plugin died during a creation, the engine takes it for a failure and records no pending operation. And
    # what a destruction abandons exists as long as its parent resource.
    unknown = unrecorded(sandbox, state.values())
    lost: set[str] = set()
    if noted or cut_off or unknown:
        settings = Settings.parse(*cli.config())
        suffix = ((state.get(SUFFIX) or {}).get("outputs") or {}).get("hex") or ""
        ids = import_ids(settings, suffix)
        lost = {name for name in ids.keys() - state.keys() if any(means(ids[name], each, settings) for each in unknown)}
        if noted or cut_off or lost:
            say("the last run was cut off: recording what it created in the cloud")
            record(cli, settings, say, None if noted else cut_off | lost)
            workspace.note.unlink(missing_ok=True)
            state = _recorded(workspace)
    if SUFFIX in state and INSTANCE not in state and INSTANCE not in cut_off | lost:
        say(
            "the cloud has no database instance under its generated name: the next update generates a new one, because"
            " Cloud SQL blocks a used name for a week"
        )
        cli.text("state", "delete", state[SUFFIX]["urn"], "--yes", "--stack", workspace.stack)


def unrecorded(sandbox: Sandbox, state: Iterable[Json]) -> set[str]:
    """Cloud ids of resources that an engine created, that still exist, and that are not among those of a state."""
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
    """URNs of those resources of a state that an engine has deleted. Manual deletions are not included: they are
    drift, which an update must show."""
    last = {(row.type, row.id): row.op for row in sandbox.writes()}
    deleted = [key for key, operation in last.items() if operation == "delete"]
    return {
        each["urn"]
        for each in state
        if any(type_ == each["type"] and means_the_same(type_, id_, each.get("id") or "") for type_, id_ in deleted)
    }


def means(import_id: str, cloud_id: str, settings: Settings) -> bool:
    """Whether both ids name one resource. The plugins have their own formats for buckets, users and cluster objects."""
    project, _, name = import_id.partition("/")
    instance, _, user = name.partition("/")
    if cloud_id in (import_id, name, f"projects/{project}/instances/{instance}/users/{user}"):
        return True
    in_our_cluster = cloud_id.startswith(f"gke_{settings.project}_{settings.region}_")
    return in_our_cluster and cloud_id.endswith(f"/{import_id}")


def _recorded(workspace: Workspace) -> dict[str, Json]:
    """Logical name -> the resource in the state."""
    return {logical_name(each["urn"]): each for each in workspace.cli.deployment().get("resources") or ()}
