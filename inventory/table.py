"""The inventory as a table for people, from the published JSON alone.

Text that people copy is never cut: addresses, ports and status keep whole words on any terminal, down to the width of
an address. Names and purposes wrap, and if that is still too wide, they are placed below the address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic.alias_generators import to_camel
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from inventory.address import Status

DIRECTION = {"vendors": "outbound", "customers": "inbound"}
# Columns, in characters: least widths hold the longest word of what is never cut (UDP/TCP; a date and a comma).
PORTS, PORTS_AT_MOST, STATUS, PURPOSE, NAME = 7, 13, 11, 9, 16


@dataclass(frozen=True)
class _Row:
    """One address as text; `replaced`: the word, and the addresses that replace it."""

    region: str
    purpose: str
    address: str
    name: str
    ports: str
    status: Status
    life: str
    replaced: tuple[str, ...]

    @classmethod
    def of(cls, address: dict[str, Any]) -> _Row:
        status = Status(address["status"])
        dates = [(word, address.get(to_camel(field))) for field, word in status.state.dates]
        told = ", ".join(f"{word} {day}" for word, day in dates if day)
        by = tuple(map(printable, address.get("replacedBy") or ()))
        return cls(
            region=printable(str(address["region"])),
            purpose=printable(", ".join(filter(None, [address["purpose"], address.get("customer")]))),
            address=printable(address["address"]),
            name=printable(address["name"]),
            ports=f"{printable(address['protocol'])} {' '.join(str(port) for port in address['ports'])}",
            status=status,
            life=f" {told}" if told else "",
            replaced=("next" if status.state.listed else "now", *by) if by else (),
        )

    @property
    def standing(self) -> str:
        """The state and its dates, in the state's colour."""
        return f"[{self.status.state.colour}]{self.status}[/]{self.life}"

    @property
    def successors(self) -> str:
        """`now 192.0.2.1, 192.0.2.2`."""
        return f"{self.replaced[0]} {', '.join(self.replaced[1:])}" if self.replaced else ""


@dataclass(frozen=True)
class _Column:
    """`least` and `most`: minimum and preferred width in characters."""

    heading: str
    cells: Sequence[str]
    least: int
    most: int


@dataclass(frozen=True)
class IpInventoryTable:
    """A table as wide as its console, with a heading for each of several regions."""

    title: str
    digest: str
    rows: tuple[_Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title, style="table.title", overflow="fold")
        yield ""
        columns, gap = self._columns(options.max_width)
        widths = _widths(columns, options.max_width - gap * (len(columns) - 1))
        several = len({row.region for row in self.rows}) > 1
        by_region = groupby(range(len(self.rows)), key=lambda place: self.rows[place].region)
        for number, (region, places) in enumerate(by_region):
            if several:
                yield Text(region, style="bold", overflow="fold")
            table = Table(
                box=SIMPLE_HEAD,
                show_edge=False,
                show_header=number == 0,
                pad_edge=False,
                padding=(0, gap - 1, 0, 0),
                leading=0 if len(columns) > 3 else 1,
            )
            for column, width in zip(columns, widths, strict=True):
                table.add_column(column.heading, width=width, overflow="fold")
            for place in places:
                table.add_row(*(column.cells[place] for column in columns))
            yield table
            yield ""
        yield Text(self.digest, style="table.caption", overflow="fold")

    def _columns(self, room: int) -> tuple[list[_Column], int]:
        """The widest layout that fits, and the gap between its columns."""
        rows = self.rows
        longest = _longest(row.address for row in rows)
        successor = _longest(each for row in rows for each in row.replaced)
        names, purposes = _longest(row.name for row in rows), _longest(row.purpose for row in rows)
        ports = _Column(
            "Ports",
            [row.ports for row in rows],
            PORTS,
            min(PORTS_AT_MOST, _longest(row.ports for row in rows)),
        )
        told = [", ".join(filter(None, [row.standing, escape(row.successors)])) for row in rows]
        wide = [
            _Column("Purpose", [escape(row.purpose) for row in rows], PURPOSE, purposes),
            _Column("Address", [escape(row.address) for row in rows], longest, longest),
            _Column("Name", [escape(row.name) for row in rows], min(names, NAME), names),
            ports,
            _Column("Status", told, max(STATUS, successor + 1), _longest(map(_plain, told))),
        ]
        if _least(wide, 2) <= room:
            return wide, 2
        below = [
            "\n".join(escape(part) for part in (row.address, row.name, row.purpose, row.successors) if part)
            for row in rows
        ]
        widest = max(longest, successor + 1 if successor else 0)
        stacked = [
            _Column("Address", below, widest, max(widest, names, purposes)),
            ports,
            _Column("Status", [row.standing for row in rows], STATUS, _longest(map(_plain, told))),
        ]
        if _least(stacked, 1) <= room:
            return stacked, 1
        one = [f"{text}\n{escape(row.ports)}\n{row.standing}" for text, row in zip(below, rows, strict=True)]
        return [_Column("Address", one, min(room, widest), room)], 1


def ip_inventory_table(inventory: dict[str, Any], audience: str | None = None) -> IpInventoryTable:
    """Rows in the order of output `ipInventory`; retired addresses last, with their replacements."""
    direction = DIRECTION.get(audience or "")
    shown = [each for each in inventory["addresses"] if direction in (None, each["direction"])]
    return IpInventoryTable(
        title=f"IP inventory, {printable(inventory['region'])}",
        digest=printable(inventory["digest"]),
        rows=tuple(map(_Row.of, shown)),
    )


def _least(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.least for column in columns) + gap * (len(columns) - 1)


def _widths(columns: Sequence[_Column], room: int) -> list[int]:
    """Each column's minimum, and the remaining width in order: names, ports, then the rest."""
    widths = [column.least for column in columns]
    spare = room - sum(widths)
    order = sorted(range(len(columns)), key=lambda place: columns[place].heading not in ("Name", "Ports", "Address"))
    for place in order:
        more = max(0, min(spare, columns[place].most - widths[place]))
        widths[place] += more
        spare -= more
    return widths


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _plain(markup: str) -> str:
    return Text.from_markup(markup).plain


def printable(text: str) -> str:
    """Free text without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)
