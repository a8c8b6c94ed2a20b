"""A customer's trunks as the text in the stack's state and in reviews.

One text per customer, a line for each trunk and each range, in a fixed order: equal trunks have equal texts, and the
engine shows a change line by line.

    acme-nyc IP_ACL 50 calls/s 500 calls
      203.0.113.0/24
      198.51.100.7/32 off
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network

_TRUNK = re.compile(
    r"(?P<name>\S+) (?P<auth>\S+) (?P<cps>\d+) calls/s (?P<calls>\d+) calls(?P<off> off)?"
)  # fmt: skip
OFF = " off"


@dataclass(frozen=True)
class Trunk:
    """The first line of one SIP trunk. `auth_type`: IP_ACL, DIGEST or BOTH."""

    ban: str
    name: str
    auth_type: str
    calls_per_second: int
    concurrent_calls: int
    active: bool


def by_trunk(customers: Mapping[str, str]) -> Iterator[tuple[Trunk, list[tuple[str, bool]]]]:
    """Each trunk of texts by BAN, and its entries as they are written: the range, and whether it is in use."""
    for ban, text in customers.items():
        first, entries = "", list[tuple[str, bool]]()
        for line in text.split("\n"):
            if line.startswith("  "):
                entries.append((line[2 : -len(OFF)], False) if line.endswith(OFF) else (line[2:], True))
                continue
            if first:
                yield _trunk(ban, first), entries
            first, entries = line, []
        if first:
            yield _trunk(ban, first), entries


@dataclass(frozen=True)
class Count:
    """Totals of texts. `ranges`: ranges in use; `off`: ranges that are switched off."""

    trunks: int
    ranges: int
    off: int


def count(customers: Iterable[str]) -> Count:
    """Totals over customers' texts."""
    lines = [line for text in customers for line in text.split("\n") if line]
    entries = [line for line in lines if line.startswith("  ")]
    off = sum(1 for line in entries if line.endswith(OFF))
    return Count(len(lines) - len(entries), len(entries) - off, off)


def header(name: str, auth_type: str, calls_per_second: int, concurrent_calls: int, *, active: bool) -> str:
    """The first line of a trunk."""
    return f"{name} {auth_type} {calls_per_second} calls/s {concurrent_calls} calls{'' if active else OFF}"


def _trunk(ban: str, line: str) -> Trunk:
    match = _TRUNK.fullmatch(line)
    if not match:
        raise ValueError(f"not a trunk line: {line!r}")
    return Trunk(ban, match["name"], match["auth"], int(match["cps"]), int(match["calls"]), not match["off"])


@dataclass(frozen=True)
class Change:
    """A customer's change: removed and added lines of its text, with the trunk of each range."""

    ban: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    before: Count
    after: Count


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """Changes by customer, for a review; a range that moves between trunks appears with both trunks' names."""
    found = []
    for ban in sorted({*before, *after}):
        old, new = before.get(ban, ""), after.get(ban, "")
        if old != new:
            was, will_be = _named(old), _named(new)
            added = tuple(line for line in will_be if line not in was)
            removed = tuple(line for line in was if line not in will_be)
            found.append(Change(ban, added, removed, count([old]), count([new])))
    return found


def _named(text: str) -> dict[str, None]:
    """Each line with its trunk, in order."""
    lines, trunk = dict[str, None](), ""
    for line in text.split("\n"):
        if line.startswith("  "):
            lines[f"{trunk}: {line.strip()}"] = None
        elif line:
            trunk = line.partition(" ")[0]
            lines[line] = None
    return lines


def summary(found: Iterable[Change], shown: int = 10) -> str:
    """For people: the number of changes, and the first differences by customer."""
    listed = list(found)
    added, removed = sum(len(each.added) for each in listed), sum(len(each.removed) for each in listed)
    customers = "1 customer" if len(listed) == 1 else f"{len(listed)} customers"
    lines = [f"trunk files: {added} lines added, {removed} removed, for {customers}"]
    rows = [
        f"  BAN {each.ban}: {sign} {line}"
        for each in listed
        for sign, group in (("-", each.removed), ("+", each.added))
        for line in group
    ]
    more = len(rows) - shown
    return "\n".join([*lines, *rows[:shown], *([f"  and {more} more"] if more > 0 else [])])
