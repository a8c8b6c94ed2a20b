"""`make rehearse`: adopt a copy of the live edge with production's settings, and check that nothing moves.

A separate sandbox is seeded with the manually created live edge; then `python -m adopt` runs as in production, followed
by an update of only the names at Gandi, which adopts identical record sets. Only one of production's settings differs:
the URL of Gandi's API. Standard output is the `ipInventory` as JSON; progress goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from adopt.__main__ import report
from adopt.adoption import Adoption, adopt
from command_line import run
from engine.cli import EngineError
from engine.tokens import GANDI_RECORD_SET
from engine.values import LEFT_OUT
from local_cloud import LocalCloudError
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import Workspace
from settings import Settings, SettingsError, config_key

STACK = "prod"
# Planned for the update after the adoption (docs/adopt.md). Apart from labels and the like nothing else may differ.
PLANNED = ("spec.externalTrafficPolicy", "settings.ipConfiguration.sslMode", "settings.backupConfiguration")
# Missing in the live edge: the user that this program signs in as.
TO_BE_CREATED = ("database-user",)
ADDRESS = "gcp:compute/address:Address"


def differences(sandbox: Sandbox, adoption: Adoption) -> Iterator[str]:
    """What a rehearsal must not find, one text each: writes, moved or missing addresses, anything that cuts calls."""
    for row in sandbox.writes():
        yield f"the cloud was written to: {row.op} {row.type} {row.id}"
    compared = adoption.comparison
    yield from (f"would be replaced: {name}" for name in compared.replacements)
    yield from (f"would be deleted: {name}" for name in compared.deletions)
    missing = (name for name in adoption.absent if name not in TO_BE_CREATED)
    yield from (f"would be created, because the cloud does not have it: {name}" for name in missing)
    for each in compared.differences:
        if each.effect.matters and not each.property.startswith(PLANNED):
            yield f"would change: {each}"
    if adoption.inventory is None:
        yield "the inventory is not known before an update: addresses of it are still to be reserved"
        return
    in_cloud = {each.body["name"]: each.body["address"] for each in sandbox.resources(ADDRESS)}
    published = {
        each["name"]: each["address"] for each in adoption.inventory["addresses"] if each["status"] != "retired"
    }
    for name in sorted(in_cloud.keys() | published.keys()):
        if in_cloud.get(name) != published.get(name):
            yield f"{name}: the cloud has {in_cloud.get(name)}, the inventory {published.get(name)}"


def at_the_stand_in(config: Mapping[str, Any], sandbox: Sandbox) -> dict[str, Any]:
    """A stack's settings with the sandbox's Gandi in the place of the real one."""
    key = config_key("dns")
    own = config.get(key, {})  # the rest of the group may be shared with other stacks
    return {**config, key: {**own, "gandi": {**own.get("gandi", {}), "api": sandbox.gandi_api()}}}


def names_at_gandi(workspace: Workspace, sandbox: Sandbox) -> Iterator[str]:
    """Unwanted effects of an update of only the record sets at Gandi, one text each."""
    try:
        workspace.cli.text("up", "--stack", STACK, "--yes", "--skip-preview", "--target", f"**{GANDI_RECORD_SET}::*")
    except EngineError as error:
        # A targeted update cannot compute the outputs, so the program refuses to publish them. Refusals by Gandi are
        # listed under the record set's own heading.
        if LEFT_OUT not in error.output or f"{GANDI_RECORD_SET} (" in error.output:
            yield f"the record sets at Gandi cannot be adopted: {error}"
    yield from (f"Gandi was written to: {row.op} {row.id}" for row in sandbox.writes())


def rehearse(sandbox: Sandbox, folder: Path, console: Console) -> int:
    """0 if the adopted inventory is the live edge's and nothing was written, 1 on any difference."""
    sandbox.seed("live-edge")
    workspace = Workspace(folder / "stack", STACK, sandbox.env())
    workspace.prepare(at_the_stand_in(workspace.shipped_settings(), sandbox))
    with console.status("adopting") as status:
        adoption = adopt(workspace.cli, Settings.parse(*workspace.cli.config()), status.update)
    report(adoption, console)
    found = list(differences(sandbox, adoption))
    if not found and adoption.comparison.taken_over:
        console.print("adopting the record sets at Gandi", highlight=False)
        found = list(names_at_gandi(workspace, sandbox))
    for difference in found:
        console.print(f"[red]difference[/]: {escape(difference)}", highlight=False)
    if not found:
        console.print("[green]no difference[/]: the adopted inventory is the live edge's, and nothing was written")
    print(json.dumps(adoption.inventory, indent=2))
    return 1 if found else 0


def main() -> int:
    """Run in a temporary folder."""
    console = Console(stderr=True)
    console.print("adopting a copy of the live edge in a separate cloud, with Pulumi.prod.yaml (about a minute)")
    try:
        with sandbox_aside("warp-edge-rehearsal-") as (sandbox, folder):
            return rehearse(sandbox, folder, console)
    except (EngineError, LocalCloudError, SettingsError) as error:
        console.print(f"[red]rehearsal failed[/]: {escape(str(error))}", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(run(main))
