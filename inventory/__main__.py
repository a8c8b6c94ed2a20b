"""`pulumi stack output ipInventory --json | python -m inventory render`: the inventory for people and for machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from inventory.formats import FORMATS, Audience, NothingToListError, merged, told_to
from inventory.publish import SCHEMA
from inventory.published import Json, PublishedInventory, UnreadableError, json_schema, read
from inventory.table import ip_inventory_table

TABLE = "table"


def main() -> int:
    """Read inventories and render them; exit status 2 for input that cannot be rendered."""
    parser = argparse.ArgumentParser(
        prog="python -m inventory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("schema", help="the JSON Schema of ipInventory")
    render = commands.add_parser(
        "render",
        help="ipInventory of one or more stacks, a rendering on standard output",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="formats:\n  table                for people, the default\n"
        + "\n".join(f"  {each.name:<20} {each.about}" for each in FORMATS.values()),
    )
    render.add_argument("file", nargs="*", type=Path, help="JSON files, one for each stack; default: standard input")
    render.add_argument("--format", choices=[TABLE, *FORMATS], default=TABLE, metavar="FORMAT")
    render.add_argument(
        "--for",
        dest="audience",
        choices=list(Audience),
        type=Audience,
        help="vendors: our egress; customers: our ingress; default: whom the format is for",
    )
    render.add_argument("--ip", choices=[4, 6], type=int, help="one family only; default: both, or 4 where it must be")
    render.add_argument(
        "--customer", metavar="BAN", help="with this customer's dedicated addresses; default: without anybody's"
    )
    chosen = parser.parse_args()
    if chosen.command == "schema":
        print(json.dumps(json_schema(), indent=2))
        return 0
    return _render(chosen)


def _render(chosen: argparse.Namespace) -> int:
    found: list[tuple[Json, PublishedInventory]] = []
    for file in chosen.file or [None]:
        try:
            found += read(file.read_text(encoding="utf-8") if file else sys.stdin.read())
        except OSError as error:
            return _refuse(f"{file}: {error.strerror}", "name a file with the output ipInventory")
        except (UnreadableError, UnicodeDecodeError):
            return _refuse(
                f"{file or 'standard input'} is no ipInventory of schema {SCHEMA}",
                "pulumi stack output ipInventory --json | python -m inventory render",
            )
    try:
        inventories, raw = merged(told_to(chosen.customer, found))
        if chosen.format == TABLE:
            for inventory in raw:
                Console().print(ip_inventory_table(inventory, chosen.audience))
            return 0
        text = FORMATS[chosen.format].select(inventories, raw, chosen.audience, chosen.ip)
    except NothingToListError as error:
        return _refuse(
            str(error), "choose with --for and --ip, a customer with --customer, or render the regions one by one"
        )
    sys.stdout.write(text)
    return 0


def _refuse(wrong: str, remedy: str) -> int:
    print(f"{wrong}\n  -> {remedy}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
