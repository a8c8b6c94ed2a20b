"""The files of a site. The list is fixed: a stack declares them before any address is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from inventory.formats.selection import Audience

INDEX, RANGES, FEED = "index.html", "ip-ranges.json", "feed.xml"
SCHEMA = "formats/inventory.schema.json"

_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
}
PLAIN_TEXT: Final = "text/plain; charset=utf-8"  # also for configurations: browsers display it


@dataclass(frozen=True)
class Form:
    """A format of `inventory/formats`, written for one audience into one file."""

    format: str
    audience: Audience
    path: str


_VENDORS = {
    "addresses": "addresses.txt",
    "cidrs": "cidrs.txt",
    "vendor-sheet": "vendor-sheet.md",
    "vendor-sheet-html": "vendor-sheet.html",
    "nftables": "nftables.nft",
    "iptables": "iptables.rules",
    "cisco-acl": "cisco-acl.txt",
    "cube": "cube.txt",
    "kamailio": "kamailio-address.list",
    "kamailio-sql": "kamailio-address.sql",
    "asterisk": "asterisk-pjsip.conf",
    "freeswitch": "freeswitch-acl.conf.xml",
    "aws-prefix-list": "aws-prefix-list.json",
    "gcp-firewall": "gcp-firewall.json",
    "terraform": "terraform.tf",
}
# A customer opens a firewall to us; SIP servers' lists are about whom calls come from.
_CUSTOMERS = {
    "addresses": "customers/addresses.txt",
    "cidrs": "customers/cidrs.txt",
    "customer-sheet": "customer-sheet.md",
    "customer-sheet-html": "customer-sheet.html",
    "nftables": "customers/nftables.nft",
    "iptables": "customers/iptables.rules",
    "cisco-acl": "customers/cisco-acl.txt",
}
_EVERYBODY = {"json": "inventory.json", "csv": "inventory.csv"}

FORMS: Final = tuple(
    Form(name, audience, f"formats/{file}")
    for audience, files in (
        (Audience.VENDORS, _VENDORS),
        (Audience.CUSTOMERS, _CUSTOMERS),
        (Audience.EVERYBODY, _EVERYBODY),
    )
    for name, file in files.items()
)
FILES: Final = (INDEX, RANGES, FEED, SCHEMA, *(form.path for form in FORMS))


def content_type(path: str) -> str:
    """The content type of a file."""
    return "application/atom+xml" if path == FEED else _CONTENT_TYPES.get(PurePosixPath(path).suffix, PLAIN_TEXT)
