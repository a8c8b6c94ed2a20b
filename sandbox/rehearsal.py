"""`make rehearse`: adopt a copy of the live edge with production's settings, and see that nothing moves.

A sandbox of its own is seeded with the live edge as if made by hand; then `python -m adopt` runs as it would in
production, and an update of the names at Gandi alone, which takes over what is the same there. Of production's settings
one is another: where Gandi's API is. Standard output is the `ipInventory` alone, as JSON; the story goes to standard
error.
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
from local_cloud import LocalCloudError
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import Workspace
from settings import Settings, SettingsError, config_key

STACK = "prod"
# What docs/adopt.md plans for the update after the adoption. Nothing else may differ but labels and the like.
PLANNED = ("spec.externalTrafficPolicy", "settings.ipConfiguration.sslMode", "settings.backupConfiguration")
# The program's words, when an update of a part ends (publishing.py).
NOT_PUBLISHED = "this update left out what these outputs are made of"
# What the live edge does not have: the user that this program signs in as.
TO_BE_CREATED = ("database-user",)
ADDRESS = "gcp:compute/address:Address"


def differences(sandbox: Sandbox, adoption: Adoption) -> Iterator[str]:
    """What a rehearsal must not find, in words: writes, moved or missing addresses, anything that cuts calls."""
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
    """What an update of the record sets at Gandi, and of nothing else, would do there, in words."""
    try:
        workspace.cli.text("up", "--stack", STACK, "--yes", "--skip-preview", "--target", f"**{GANDI_RECORD_SET}::*")
    except EngineError as error:
        # An update of a part cannot compute the outputs: the program refuses to publish them, and that alone is none
        # of Gandi's refusals, which stand under the record set's own heading.
        if NOT_PUBLISHED not in error.output or f"{GANDI_RECORD_SET} (" in error.output:
            yield f"the names at Gandi cannot be taken over: {error}"
    yield from (f"Gandi was written to: {row.op} {row.id}" for row in sandbox.writes())


def rehearse(sandbox: Sandbox, folder: Path, console: Console) -> int:
    """0 when the adopted inventory is the live edge's and nothing was written, 1 on any difference."""
    sandbox.seed("live-edge")
    workspace = Workspace(folder / "stack", STACK, sandbox.env())
    workspace.prepare(at_the_stand_in(workspace.shipped_settings(), sandbox))
    with console.status("adopting") as status:
        adoption = adopt(workspace.cli, Settings.parse(*workspace.cli.config()), status.update)
    report(adoption, console)
    found = list(differences(sandbox, adoption))
    if not found and adoption.comparison.at_gandi:
        console.print("taking over the names at Gandi", highlight=False)
        found = list(names_at_gandi(workspace, sandbox))
    for difference in found:
        console.print(f"[red]difference[/]: {escape(difference)}", highlight=False)
    if not found:
        console.print("[green]no difference[/]: the adopted inventory is the live edge's, and nothing was written")
    print(json.dumps(adoption.inventory, indent=2))
    return 1 if found else 0


def main() -> int:
    """In a folder that is gone afterwards."""
    console = Console(stderr=True)
    console.print("a copy of the live edge in a cloud of its own, adopted with Pulumi.prod.yaml (about a minute)")
    try:
        with sandbox_aside("warp-edge-rehearsal-") as (sandbox, folder):
            return rehearse(sandbox, folder, console)
    except (EngineError, LocalCloudError, SettingsError) as error:
        console.print(f"[red]not rehearsed[/]: {escape(str(error))}", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(run(main))
