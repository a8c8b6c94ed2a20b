"""The table of `docs/known-faults.md`: its rows, and the pins that it refuses. Pure; `pins` reads the pins.

A row is one line of a Markdown table, the columns are those of `COLUMNS`; no cell has a `|` of its own.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from steps import BootstrapError

if TYPE_CHECKING:
    from steps import Version

PAGE = "docs/known-faults.md"
COLUMNS = ("date", "what", "from", "to", "pin", "what happens", "how it shows", "what to do", "source")
REFUSED, LIVED_WITH, NOT_PINNED = "refused", "lived with", "-"
OPEN = "-"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault. `first` and `last`: versions that have it; `-`: not known, or not fixed."""

    date: str
    what: str
    first: str
    last: str
    pin: str
    happens: str
    shows: str
    remedy: str
    source: str

    def has(self, version: str) -> bool:
        """Whether this version is in the faulty range, both ends included."""
        this = number(version)
        after = self.first == OPEN or number(self.first) <= this
        return after and (self.last == OPEN or this <= number(self.last))


def number(version: str) -> Version:
    """A version as comparable numbers; suffixes (`.post1`, `rc2`) are ignored."""
    found = re.fullmatch(r"(\d+(?:\.\d+)*)(?:\.?(?:post|dev|rc|a|b)\d+)?", version)
    if found is None:
        raise ValueError(f"{version} is not a version")
    return tuple(int(part) for part in found.group(1).split("."))


def read(page: str) -> list[Fault]:
    """All rows, newest first. An invalid row is refused with its line number."""
    faults: list[Fault] = []
    for place, line in enumerate(page.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        if not faults and cells[0] == COLUMNS[0]:
            if tuple(cells) != COLUMNS:
                raise BootstrapError(f"{PAGE}:{place}: the columns are {', '.join(COLUMNS)}")
            continue
        if len(cells) != len(COLUMNS) or not all(cells):
            raise BootstrapError(f"{PAGE}:{place}: a fault has {len(COLUMNS)} cells, none empty: {', '.join(COLUMNS)}")
        fault = Fault(*cells)
        try:
            datetime.date.fromisoformat(fault.date)
            bounds = [number(each) for each in (fault.first, fault.last) if each != OPEN]
        except ValueError as problem:
            raise BootstrapError(f"{PAGE}:{place}: {problem}; a date is 2026-09-03, a version 9.36.1 or -") from None
        if bounds != sorted(bounds):
            raise BootstrapError(f"{PAGE}:{place}: {fault.last} is before {fault.first}; swap `from` and `to`")
        if fault.pin not in (REFUSED, LIVED_WITH, NOT_PINNED):
            raise BootstrapError(f"{PAGE}:{place}: `pin` is {fault.pin!r}; {REFUSED}, {LIVED_WITH} or {NOT_PINNED}")
        if faults and fault.date > faults[-1].date:
            raise BootstrapError(
                f"{PAGE}:{place}: {fault.date} is below {faults[-1].date}; the newest has to be on top"
            )
        faults.append(fault)
    if not faults:
        raise BootstrapError(f"{PAGE} has no table of faults; restore it from the repository")
    return faults


def refused(pins: Mapping[str, str], faults: Sequence[Fault]) -> list[str]:
    """Each pin in a refused range, with range, fault and remedy; and rows about packages that are not pinned."""
    problems: list[str] = []
    for fault in faults:
        if fault.pin == NOT_PINNED:
            continue
        version = pins.get(fault.what)
        if version is None:
            problems.append(
                f"{PAGE}: {fault.what} is not pinned, its row of {fault.date} says `{fault.pin}`\n"
                f"  -> write the name as in uv.lock, or `{NOT_PINNED}` in column `pin`"
            )
        elif fault.pin == REFUSED and fault.has(version):
            until = "all later ones" if fault.last == OPEN else fault.last
            since = "all earlier ones" if fault.first == OPEN else fault.first
            problems.append(
                f"{fault.what} is pinned to {version}, which is faulty ({since} to {until}, {PAGE}, {fault.date}): "
                f"{fault.happens}\n  -> {fault.remedy}"
            )
    return problems
