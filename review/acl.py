"""How the trunk ACL changes, customer by customer.

The state has one text a customer (BAN), as `components/trunk_acl/trunks.py` writes it: a line for each trunk, and below
it, two spaces in, a line for each range. Only those lines are counted and compared here. Rows that the portal writes
are not the engine's and not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.tokens import TRUNK_ACL
from engine.values import is_unknown
from review.preview import Preview, Step

_OFF = " off"


@dataclass(frozen=True)
class Count:
    """What a customer has; switched-off ranges apart."""

    trunks: int
    ranges: int
    off: int


@dataclass(frozen=True)
class CustomerChange:
    """What changes for one customer; lines with the trunk they belong to."""

    ban: str
    before: Count
    after: Count
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class AclChange:
    """All customers. `known` is false where the engine does not know the trunks before the update."""

    customers: tuple[CustomerChange, ...]
    total_before: int
    total_after: int
    known: bool = True


def acl_change(preview: Preview) -> AclChange | None:
    """None where no trunk files are involved, or nothing changes in them."""
    for step in preview.changes:
        if step.type == TRUNK_ACL:
            before, after = (_trunks(step, which) for which in ("oldState", "newState"))
            if step.op == "delete":
                after = None
            if is_unknown(before) or is_unknown(after):
                return AclChange((), 0, 0, known=False)
            changed = _changes(_texts(before), _texts(after))
            if changed:
                return AclChange(tuple(changed), len(_texts(before)), len(_texts(after)))
    return None


def _trunks(step: Step, which: str) -> Any:
    inputs = step.state(which, "inputs")
    return inputs["trunks"] if "trunks" in inputs else step.state(which, "outputs").get("trunks")


def _texts(value: Any) -> dict[str, str]:
    return {str(ban): str(text) for ban, text in value.items()} if isinstance(value, Mapping) else {}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[CustomerChange]:
    found = []
    for ban in sorted({*before, *after}):
        was, will_be = before.get(ban, ""), after.get(ban, "")
        if was != will_be:
            old, new = dict.fromkeys(_named(was)), dict.fromkeys(_named(will_be))
            added = tuple(line for line in new if line not in old)
            removed = tuple(line for line in old if line not in new)
            found.append(CustomerChange(ban, _count(was), _count(will_be), added, removed))
    return found


def _count(text: str) -> Count:
    lines = [line for line in text.split("\n") if line]
    ranges = [line for line in lines if line.startswith("  ")]
    off = sum(1 for line in ranges if line.endswith(_OFF))
    return Count(len(lines) - len(ranges), len(ranges) - off, off)


def _named(text: str) -> Iterator[str]:
    trunk = ""
    for line in text.split("\n"):
        if line.startswith("  "):
            yield f"{trunk}: {line.strip()}"
        elif line:
            trunk = line.partition(" ")[0]
            yield line
