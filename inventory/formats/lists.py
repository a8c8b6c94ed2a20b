"""Plain lists, for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import io
import json

from inventory.address import Address
from inventory.formats.selection import FOR_ANYBODY, Audience, Format, Selection, lines

COLUMNS = (
    "region",
    "direction",
    "status",
    "address",
    "cidr",
    "protocol",
    "ports",
    "purpose",
    "name",
    "announcedOn",
    "activeOn",
    "drainedOn",
    "retiredOn",
    "noticeOverride",
    "replacedBy",
)


def addresses(selection: Selection) -> str:
    """One address per line."""
    return lines(*dict.fromkeys(address.address for address in selection.living))


def cidrs(selection: Selection) -> str:
    """One range of one address per line."""
    return lines(*dict.fromkeys(address.cidr for address in selection.living))


def as_json(selection: Selection) -> str:
    """The unchanged inventory, with fields that this version does not know; several as a list."""
    one, *more = (each.raw for each in selection.inventories)
    return lines(json.dumps([one, *more] if more else one, indent=2))


def as_csv(selection: Selection) -> str:
    """RFC 4180 with a header; every address, retired ones included."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _row(address)] for address in selection.everything)
    return text.getvalue()


def _row(address: Address) -> list[object]:
    return [
        address.region,
        address.direction,
        address.status,
        address.address,
        address.cidr,
        "/".join(address.protocols),
        " ".join(str(port) for port in address.ports),
        address.purpose,
        address.name,
        address.announced_on,
        address.active_on,
        address.drained_on,
        address.retired_on,
        address.notice_reason,
        " ".join(address.replaced_by),
    ]


def _cell(value: object) -> str:
    """Text that a spreadsheet would run as a formula gets a leading quote (OWASP, "CSV Injection")."""
    text = "" if value is None else "".join(c if c.isprintable() else " " for c in str(value))
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") and text else text


LISTS = (
    Format("addresses", "addresses.txt", "one address a line", addresses, FOR_ANYBODY, customers_too=True),
    Format("cidrs", "cidrs.txt", "one range a line, /32 or /128", cidrs, FOR_ANYBODY, customers_too=True),
    Format(
        "json", "inventory.json", "the inventory itself; docs/ip-inventory.schema.json", as_json, (Audience.EVERYBODY,)
    ),
    Format("csv", "inventory.csv", "a spreadsheet: every address with its dates", as_csv, FOR_ANYBODY[::-1]),
)
