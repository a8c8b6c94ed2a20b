"""`pulumi stack output ipInventory --json | python -m inventory render`: the inventory for the eyes."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from inventory.publish import SCHEMA
from inventory.table import ip_inventory_table


def main() -> int:
    """Read one `ipInventory` from standard input and render it; exit status 2 for anything else."""
    parser = argparse.ArgumentParser(prog="python -m inventory", description=__doc__)
    commands = parser.add_subparsers(required=True)
    render = commands.add_parser("render", help="ipInventory on standard input, a rendering on standard output")
    render.add_argument("--format", choices=["table", "json"], default="table")
    chosen = parser.parse_args()
    try:
        inventory = json.load(sys.stdin)
        table = ip_inventory_table(inventory)
        known = inventory["schema"] == SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        print(
            f"standard input is no ipInventory of schema {SCHEMA}\n"
            "  -> pulumi stack output ipInventory --json | python -m inventory render",
            file=sys.stderr,
        )
        return 2
    if chosen.format == "json":
        print(json.dumps(inventory, indent=2))
    else:
        Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
