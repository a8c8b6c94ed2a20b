"""The inventory as a table for people, from the published JSON alone."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

COLOUR = {"active": "green", "announced": "cyan", "draining": "yellow", "retired": "dim"}


def ip_inventory_table(inventory: dict[str, Any]) -> Table:
    """Rows in the order of the output `ipInventory`; legacy addresses last, with what replaced them."""
    table = Table(
        title=f"IP inventory, {escape(inventory['region'])}",
        title_justify="left",
        caption=escape(inventory["digest"]),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in ("Purpose", "Address", "Name", "Ports", "Status"):
        table.add_column(heading, no_wrap=heading not in ("Ports", "Status"))
    for address in inventory["addresses"]:
        replaced = f", now {escape(', '.join(address['replacedBy']))}" if "replacedBy" in address else ""
        table.add_row(
            escape(address["purpose"]),
            escape(address["address"]),
            escape(address["name"]),
            f"{escape(address['protocol'])} {' '.join(str(port) for port in address['ports'])}",
            f"[{COLOUR[address['status']]}]{address['status']}[/]{replaced}",
        )
    return table
