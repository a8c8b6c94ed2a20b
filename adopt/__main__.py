"""`python -m adopt --stack prod`: record a live edge in the state, then report what an update would change."""

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

TAKEN_OVER = "adopted if the data is the same, created if there is none, refused if it differs"


def main() -> int:
    """Exit status 0: adopted; 1: an update would or might cut calls; 2: the adoption failed."""
    parser = argparse.ArgumentParser(prog="python -m adopt", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack that will own the edge")
    parser.add_argument("--cwd", type=Path, default=Path(), help="folder of Pulumi.yaml (default: the current one)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="finally print the preview's inventory as JSON; null: not known before an update",
    )
    chosen = parser.parse_args()
    # Progress goes to standard error; standard output stays clean for the JSON.
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
    """Report the adoption, most severe effects on traffic first."""
    compared = adoption.comparison
    console.print(
        f"imported: {len(adoption.recorded)}; in the state and unchanged: {compared.unchanged};"
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
    console.print("\nNone of this happens before a `pulumi up`; docs/adopt.md describes the order of the steps.")


def _by_resource(differences: Sequence[Difference]) -> list[str]:
    """One line per resource, for differences without effect."""
    properties: dict[str, list[str]] = {}
    for each in differences:
        properties.setdefault(each.resource, []).append(each.property)
    return [f"{resource}  {', '.join(names)}" for resource, names in sorted(properties.items())]


if __name__ == "__main__":
    sys.exit(run(main))
