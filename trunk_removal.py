"""What an update takes out of the trunk files, and how much of that needs a confirmation in the settings.

A file that was moved, misnamed or emptied looks like a notice of every customer in it. What is switched off in the
files (`active: false`, `auth: DIGEST`) still stands in them: that is meant, and is never held back; nor is one entry.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

OFF = " off"  # as `trunk_text.py` marks it
_SHOWN = 10  # customers named in a message; the confirmation names all


@dataclass(frozen=True)
class Removal:
    """What is taken out.

    `entries`: those that let calls in and whose range no entry of the same customer covers any more; `total`: all
    that let calls in before. `bans`: whose they are, sorted; `entirely`: those of them that have nothing left. A
    customer has nothing left when its BAN is gone, or when it had several such entries and has no range at all now.
    """

    entries: int
    total: int
    bans: tuple[str, ...]
    entirely: tuple[str, ...]


@dataclass(frozen=True)
class Confirmed:
    """A removal that the settings confirm: how many entries, and of which customers (`Removal.bans`, sorted)."""

    entries: int
    bans: tuple[str, ...]


@dataclass(frozen=True)
class Allowed:
    """What one update may take out unconfirmed: so many customers entirely, and so many per cent of all entries (one
    entry at least)."""

    customers: int = 0
    percent: int = 10
    confirmed: Confirmed | None = None


def removal(before: Mapping[str, str], after: Mapping[str, str]) -> Removal:
    """From BAN -> text of its trunks (`trunk_text.py`) to the same afterwards."""
    total, entries = 0, 0
    bans, entirely = list[str](), list[str]()
    for ban in sorted(before):
        live = _ranges(before[ban], live=True)
        total += len(live)
        if before[ban] == after.get(ban):
            continue
        left = _ranges(after.get(ban, ""), live=False)
        gone = _uncovered(live, left)
        nothing_left = ban not in after or (len(live) > 1 and not left)
        entries += gone
        if gone or nothing_left:
            bans.append(ban)
        if nothing_left:
            entirely.append(ban)
    return Removal(entries, total, tuple(bans), tuple(entirely))


def is_confirmed(found: Removal, allowed: Allowed) -> bool:
    """Whether the settings confirm this one: no more entries, and no other customers, than they name.

    Fewer is enough, because the state and the rows may differ: an entry deleted by hand is in the one and not in the
    other, and one confirmation has to serve the preview and the update.
    """
    meant = allowed.confirmed
    return meant is not None and found.entries <= meant.entries and set(found.bans) <= set(meant.bans)


def unconfirmed(found: Removal, allowed: Allowed) -> tuple[str, str] | None:
    """What is wrong, and the remedy, of a removal of more than is `allowed`, unless it is confirmed."""
    free = max(1, found.total * allowed.percent // 100)
    if (found.entries <= free and len(found.entirely) <= allowed.customers) or is_confirmed(found, allowed):
        return None
    other = allowed.confirmed
    instead = f"; confirmed: {other.entries} entries of BAN {_some(other.bans)}" if other else ""
    entirely = f"; entirely removed: BAN {_some(found.entirely)}" if found.entirely else ""
    count = f"{found.entries} of {found.total} entries" if found.entries else "customers without active entries"
    customers = f"{allowed.customers} customers" if allowed.customers else "no customer"
    quoted = ", ".join(f'"{ban}"' for ban in found.bans)
    return (
        f"trunk files: {count} would be removed, of BAN {_some(found.bans)}{entirely}; without confirmation at"
        f" most {free} {'entry' if free == 1 else 'entries'}, and {customers} entirely{instead}. No row was changed",
        "put back what is missing in the files; or, if this is meant, set trunkAcl.removals.confirmed:"
        f" {{entries: {found.entries}, bans: [{quoted}]}}",
    )


def _ranges(text: str, *, live: bool) -> list[str]:
    """The ranges of a customer's text. `live`: only those that calls may come from."""
    found, counts = list[str](), True
    for line in text.split("\n"):
        if not line.startswith("  "):
            counts = not live or not (line.endswith(OFF) or line.split(" ", 2)[1:2] == ["DIGEST"])
        elif counts and not (live and line.endswith(OFF)):
            found.append(line[2:].removesuffix(OFF))
    return found


def _uncovered(ranges: Sequence[str], left: Collection[str]) -> int:
    """How many of `ranges` are not wholly inside `left`, which may have cut or joined them."""
    kept = set(left)
    missing = [ip_network(each) for each in ranges if each not in kept]
    if not missing or not kept:
        return len(missing)
    networks = [ip_network(each) for each in kept]
    whole: list[IPv4Network | IPv6Network] = [
        *collapse_addresses(each for each in networks if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in networks if isinstance(each, IPv6Network)),
    ]
    firsts = [(each.version, int(each.network_address)) for each in whole]  # sorted, and none inside another

    def covered(each: IPv4Network | IPv6Network) -> bool:
        place = bisect_right(firsts, (each.version, int(each.network_address))) - 1
        return place >= 0 and whole[place].version == each.version and each.broadcast_address in whole[place]

    return sum(1 for each in missing if not covered(each))


def _some(bans: Sequence[str]) -> str:
    more = f" and {len(bans) - _SHOWN} more" if len(bans) > _SHOWN else ""
    return f"{', '.join(bans[:_SHOWN])}{more}"
