"""The inventory as a table for people, from the published JSON alone."""

from __future__ import annotations

from typing import Any

from rich.table import Table

COLOUR = {"active": "green", "announced": "cyan", "draining": "yellow", "retired": "dim"}


def ip_inventory_table(inventory: dict[str, Any]) -> Table:
    """Rows in the order of the output `ipInventory`; legacy addresses last, with what replaced them."""
    table = Table(title=f"IP inventory, {inventory['region']}", title_justify="left", caption_justify="left")
    table.caption = f"{inventory['digest']}"
    for heading in ("Purpose", "Name", "Address", "Held by", "Protocol", "Ports", "Status"):
        table.add_column(heading, no_wrap=heading in ("Name", "Address"))
    for address in inventory["addresses"]:
        status = address["status"]
        replaced = f", replaced by {', '.join(address['replacedBy'])}" if "replacedBy" in address else ""
        table.add_row(
            address["purpose"],
            address["name"],
            address["address"],
            address["kind"],
            address["protocol"],
            ", ".join(str(port) for port in address["ports"]),
            f"[{COLOUR[status]}]{status}[/]{replaced}",
        )
    return table
