"""`python -m adopt --stack prod`: record a live edge in the state, then tell what an update would change."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from adopt.adoption import Adoption, adopt
from command_line import run
from engine.cli import Cli, EngineError
from engine.differences import Difference
from engine.effects import Effect
from settings import Settings, SettingsError

TAKEN_OVER = "taken over where it holds the same, created where there is none, refused where it differs"


def main() -> int:
    """Exit status 0 when adopted, 1 when an update would or might cut calls, 2 when it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m adopt", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack that shall own the edge")
    parser.add_argument("--cwd", type=Path, default=Path(), help="folder of Pulumi.yaml (default: this one)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the inventory as the preview has it, as JSON, last; null: not known before an update",
    )
    chosen = parser.parse_args()
    # People read along while it runs; standard output stays clean for the JSON.
    console = Console(stderr=chosen.json)
    cli = Cli(chosen.cwd, chosen.stack)
    try:
        with console.status("reading the settings") as status:
            settings = Settings.parse(*cli.config())
            adoption = adopt(cli, settings, status.update)
    except (EngineError, SettingsError) as error:
        console.print(f"[red]not adopted[/]: {escape(str(error))}", highlight=False)
        return 2
    report(adoption, console)
    if chosen.json:
        print(json.dumps(adoption.inventory, indent=2))
    return 1 if adoption.comparison.cutting else 0


def report(adoption: Adoption, console: Console) -> None:
    """The adoption in words, what matters most for traffic first."""
    compared = adoption.comparison
    console.print(
        f"recorded now: {len(adoption.recorded)}; in the state and unchanged: {compared.unchanged};"
        " nothing was written to the cloud",
        highlight=False,
    )
    groups = [
        ("would be REPLACED by the next `pulumi up`", compared.replacements),
        ("would be DELETED by the next `pulumi up`", compared.deletions),
        *((effect.value, [str(each) for each in compared.with_effect(effect)]) for effect in Effect if effect.matters),
        (Effect.NONE.value, _by_resource(compared.with_effect(Effect.NONE))),
        ("does not exist yet and would be created", compared.creations),
        *((f"at {host}: {TAKEN_OVER}", names) for host, names in compared.taken_over.items()),
    ]
    for heading, lines in groups:
        if lines:
            console.print(f"\n[bold]{heading}[/]")
            for line in lines:
                console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    console.print("\nNothing of this happens until somebody runs `pulumi up`; docs/adopt.md tells in which order.")


def _by_resource(differences: Sequence[Difference]) -> list[str]:
    """One line a resource: what has no effect is worth a list, not a page."""
    properties: dict[str, list[str]] = {}
    for each in differences:
        properties.setdefault(each.resource, []).append(each.property)
    return [f"{resource}  {', '.join(names)}" for resource, names in sorted(properties.items())]


if __name__ == "__main__":
    sys.exit(run(main))
