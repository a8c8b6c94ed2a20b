"""`pulumi stack output ipInventory --json | python -m inventory render`: the inventory for people and for machines."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from command_line import run
from engine.values import WHOLE
from inventory import folder
from inventory.formats import FORMATS, Audience, NothingToListError, merged, visible_to
from inventory.formats.selection import remark
from inventory.outputs import SCHEMA
from inventory.reading import NotWholeError, PublishedInventory, UnreadableError, json_schema, read
from inventory.site import BASE_URL, base_with_slash
from inventory.table import ip_inventory_table
from refusal import Refusal

TABLE = "table"


def main() -> int:
    """Read inventories and render them; exit status 2 if the input cannot be rendered."""
    parser = argparse.ArgumentParser(
        prog="python -m inventory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("schema", help="the JSON Schema of ipInventory")
    render = commands.add_parser(
        "render",
        help="render ipInventory of one or more stacks to standard output",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="formats:\n  table                for people, the default\n"
        + "\n".join(f"  {each.name:<20} {each.about}" for each in FORMATS.values()),
    )
    _add_files(render)
    render.add_argument("--format", choices=[TABLE, *FORMATS], default=TABLE, metavar="FORMAT")
    render.add_argument(
        "--for",
        dest="audience",
        choices=list(Audience),
        type=Audience,
        help="vendors: our egress; customers: our ingress; default: the format's audience",
    )
    render.add_argument(
        "--ip", choices=[4, 6], type=int, help="one family only; default: both, or 4 if the format has one only"
    )
    render.add_argument("--customer", metavar="BAN", help="include this customer's dedicated addresses; default: none")
    site = commands.add_parser("site", help="render a web site: a page, a feed, ip-ranges.json, every format")
    _add_files(site)
    site.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new, empty, or written by this command"
    )
    for command in (render, site):
        command.add_argument("--base-url", default="", metavar="URL", help="the site's public URL, for links to it")
    chosen = parser.parse_args()
    if chosen.command == "schema":
        print(json.dumps(json_schema(), indent=2))
        return 0
    try:
        base_url = _base_url(chosen.base_url)
        found = _read(chosen.file, chosen.command)
        return _site(found, chosen, base_url) if chosen.command == "site" else _render(found, chosen, base_url)
    except Refusal as refused:
        print(refused, file=sys.stderr)
        return 2


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="*", type=Path, help="JSON files, one per stack; default: standard input")


def _read(files: Sequence[Path], command: str) -> list[PublishedInventory]:
    found: list[PublishedInventory] = []
    sources: Sequence[Path | None] = files or [None]
    for file in sources:
        try:
            read_here = read(file.read_text(encoding="utf-8") if file else sys.stdin.read())
        except OSError as error:
            raise Refusal(f"{file}: {error.strerror}", "name a file with output ipInventory") from None
        except NotWholeError as error:
            raise Refusal(f"{file or 'standard input'}: {error}", WHOLE) from None
        except (UnreadableError, UnicodeDecodeError):
            raise Refusal(
                f"{file or 'standard input'} is not an ipInventory of schema {SCHEMA}",
                f"pulumi stack output ipInventory --json | python -m inventory {command}",
            ) from None
        for inventory in read_here:
            if inventory.edited:
                raise Refusal(
                    f"{file or 'standard input'}: the digest does not match the contents, so it was edited: the"
                    f" inventory of {remark(inventory.region)}",
                    f"take it from the stack: pulumi stack output ipInventory --json | python -m inventory {command}",
                )
        found += read_here
    return found


def _base_url(text: str) -> str:
    if text and not re.fullmatch(BASE_URL, text):
        raise Refusal(f"--base-url {text!r} is not a site's URL", "write it as https://ips.example.com/")
    return base_with_slash(text)


def _site(found: list[PublishedInventory], chosen: argparse.Namespace, base_url: str) -> int:
    from inventory.site.files import INDEX  # noqa: PLC0415 - the other commands do not wait for it
    from inventory.site.render import render  # noqa: PLC0415

    try:
        files = render(found, base_url, pdf=True)
        folder.replace(chosen.out, files)
    except NothingToListError as error:
        raise Refusal(str(error), "leave the old file out") from None
    except OSError as error:
        raise Refusal(f"{error.filename or chosen.out}: {error.strerror}", "choose another folder with --out") from None
    print(f"{len(files)} files; open {chosen.out / INDEX}")
    return 0


def _render(found: list[PublishedInventory], chosen: argparse.Namespace, base_url: str) -> int:
    try:
        inventories = merged(visible_to(chosen.customer, found))
        if chosen.format == TABLE:
            for inventory in inventories:
                Console().print(ip_inventory_table(inventory.raw, chosen.audience))
            return 0
        text = FORMATS[chosen.format].select(inventories, chosen.audience, chosen.ip, base_url)
    except NothingToListError as error:
        raise Refusal(
            str(error), "choose with --for and --ip, a customer with --customer, or render the regions one by one"
        ) from None
    if text.startswith("%PDF-") and sys.stdout.isatty():
        raise Refusal(f"{chosen.format} is not for a terminal", f"write it to a file: > {FORMATS[chosen.format].file}")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
