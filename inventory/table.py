"""The inventory as a table for people, from the published JSON alone."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

# What the state of an address makes most interesting, and what stands before the addresses that replace it.
DATES = {
    "announced": (("announcedOn", "on"), ("activeOn", "active from")),
    "active": (("activeOn", "since"),),
    "draining": (("drainedOn", "since"),),
    "retired": (("retiredOn", "on"),),
}
DIRECTION = {"vendors": "outbound", "customers": "inbound"}
COLOUR = {"active": "green", "announced": "cyan", "draining": "yellow", "retired": "dim"}


def ip_inventory_table(inventory: dict[str, Any], audience: str | None = None) -> Table:
    """Rows in the order of the output `ipInventory`; legacy addresses last, with what replaced them.

    Each of several regions has a heading.
    """
    table = Table(
        title=f"IP inventory, {_text(inventory['region'])}",
        title_justify="left",
        caption=_text(inventory["digest"]),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    # What is copied is not broken; and a narrow terminal must not swallow a column whole.
    table.add_column("Purpose", min_width=9)
    table.add_column("Address", no_wrap=True)
    table.add_column("Name", no_wrap=True)
    table.add_column("Ports", min_width=7, max_width=13)
    table.add_column("Status", min_width=6)
    direction = DIRECTION.get(audience or "")
    shown = [each for each in inventory["addresses"] if direction in (None, each["direction"])]
    for region, addresses in groupby(shown, key=lambda each: str(each["region"])):
        if any(each["region"] != region for each in shown):
            table.add_section()
            table.add_row(f"[bold]{_text(region)}[/]")
        for address in addresses:
            table.add_row(
                _text(", ".join(filter(None, [address["purpose"], address.get("customer")]))),
                _text(address["address"]),
                _text(address["name"]),
                f"{_text(address['protocol'])} {' '.join(str(port) for port in address['ports'])}",
                f"[{COLOUR[address['status']]}]{address['status']}[/]{_life(address)}",
            )
    return table


def _life(address: dict[str, Any]) -> str:
    told = [f"{word} {address[key]}" for key, word in DATES[address["status"]] if address.get(key)]
    text = f" {', '.join(told)}" if told else ""
    if replaced_by := address.get("replacedBy"):
        text += f", {'now' if address['status'] == 'retired' else 'next'} {_text(', '.join(replaced_by))}"
    return text


def printable(text: str) -> str:
    """Free text with nothing in it that a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _text(text: str) -> str:
    """Free text in a cell: no style of ours either."""
    return escape(printable(text))
