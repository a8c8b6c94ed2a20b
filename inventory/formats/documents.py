"""The vendor's and the customer's sheet, as Markdown and as printable HTML.

A sheet is built once, as headings, paragraphs, tables and listings, and formatted last. The short texts in the stack's
outputs are in `inventory/sheet_texts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inventory import sheet_texts
from inventory.address import Address, Direction, Status
from inventory.endpoint import Endpoint
from inventory.formats.flows import opened
from inventory.formats.selection import Audience, Format, Selection
from inventory.reading import PublishedInventory
from inventory.templates import template

SHEET = Path(__file__).parent / "sheet.html"


@dataclass(frozen=True)
class Block:
    """A heading and its content; empty parts are omitted."""

    heading: str
    text: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    listing: Sequence[str] = ()


@dataclass(frozen=True)
class Sheet:
    """One document."""

    title: str
    blocks: Sequence[Block]
    footer: Sequence[str]


def vendor_sheet(selection: Selection) -> Sheet:
    """Everything a vendor needs to accept our calls."""
    living = selection.living
    ports = ", ".join(str(port) for port in sorted({port for address in living for port in address.ports}))
    protocols = "/".join(p for p in ("UDP", "TCP") if any(p in address.protocols for address in living))
    domains = ", ".join(dict.fromkeys(each.domain for each in selection.inventories if each.domain))
    blocks = [
        Block(
            "Whitelist ALL of these addresses",
            f"WARP{f' ({domains})' if domains else ''}, wholesale termination. Please accept inbound SIP"
            f" ({protocols} {ports}) from all of them: any may be the source of an INVITE, from any source port.",
            ("Address", "Region", "Status", "Remark"),
            [(a.address, a.region, str(a.status), sheet_texts.when(a)) for a in living],
        ),
        Block("As an ACL", listing=[f"allow from {address.cidr}" for address in living]),
        *_shortened(living),
        *_retired(selection),
    ]
    return Sheet("Vendor sheet: addresses of our calls", blocks, _footer(selection))


def customer_sheet(selection: Selection) -> Sheet:
    """What a customer needs to send us calls and to take ours."""
    announced = [address for address in selection.living if address.coming]
    ways = [endpoints_of(inventory) for inventory in selection.inventories]
    ingress = [address for address in selection.living if address.direction is Direction.INBOUND]
    egress = [
        address
        for inventory in selection.inventories
        for address in inventory.addresses
        if address.direction is Direction.OUTBOUND and address.published
    ]
    blocks = [
        Block(
            "Where to send calls",
            f"Codecs: {', '.join(sheet_texts.CODECS)}. DTMF: {sheet_texts.DTMF}."
            f" Authentication: {sheet_texts.AUTHENTICATION}.",
            ("Region", "Role", "Server", "Address", "Transport"),
            [
                (inventory.region, way.role, way.server, sheet_texts.socket(way), way.transport)
                for inventory, found in zip(selection.inventories, ways, strict=True)
                for way in found
            ],
        ),
        Block(
            "Your firewall, outbound",
            head=("To", "Protocol", "Ports", "Region", "Status"),
            rows=[
                (
                    a.address,
                    "/".join(opened(a)),
                    ", ".join(str(port) for port in a.ports),
                    a.region,
                    str(a.status),
                )
                for a in ingress
            ],
        ),
        Block(
            "Your firewall, inbound",
            "Our calls to you come from these addresses.",
            ("From", "Protocol", "Region", "Status", "Remark"),
            [(a.cidr, "/".join(a.protocols), a.region, str(a.status), sheet_texts.when(a)) for a in egress],
        ),
    ]
    if announced:
        blocks.append(Block("Announced", listing=[sheet_texts.coming(address) for address in announced]))
    blocks += [*_shortened([*ingress, *egress]), *_retired(selection)]
    return Sheet("Customer sheet: how to reach us", blocks, _footer(selection))


def endpoints_of(inventory: PublishedInventory) -> list[Endpoint]:
    """The published endpoints; derived from addresses for an older inventory without endpoints."""
    if inventory.endpoints:
        return list(inventory.endpoints)
    return [
        Endpoint("SIP", address.address, address.address, address.ports[0], protocol)
        for address in inventory.addresses
        if address.direction is Direction.INBOUND and address.status is Status.ACTIVE
        for protocol in address.protocols
    ]


def _shortened(addresses: Sequence[Address]) -> list[Block]:
    rows = [
        (a.address, f"{a.announced_on} to {a.active_on}", a.notice_reason)
        for a in addresses
        if a.notice_reason is not None
    ]
    text = "These addresses come with less notice than we promise."
    return [Block("Shortened notice", text, ("Address", "Notice", "Reason"), rows)] if rows else []


def _retired(selection: Selection) -> list[Block]:
    gone = [address for address in selection.everything if not address.published]
    rows = [(a.address, str(a.retired_on or ""), ", ".join(a.replaced_by)) for a in gone]
    text = "No longer ours: please remove them."
    return [Block("Retired", text, ("Address", "Since", "Replaced by"), rows)] if rows else []


def _footer(selection: Selection) -> list[str]:
    return [
        f"{inventory.region}: {inventory.digest}"
        + (f"; new addresses are announced {inventory.notice_days} days ahead" if inventory.notice_days else "")
        for inventory in selection.inventories
    ]


MARKDOWN = str.maketrans({character: f"\\{character}" for character in r"\`*_[]<>|&~#!"})


def markdown(text: str) -> str:
    """Free text escaped for Markdown (CommonMark, "Backslash escapes"), on one line."""
    one_line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return one_line.translate(MARKDOWN)


def as_markdown(sheet: Sheet) -> str:
    """CommonMark with tables."""
    text = [f"# {markdown(sheet.title)}"]
    for block in sheet.blocks:
        text.append(f"## {markdown(block.heading)}")
        if block.text:
            text.append(markdown(block.text))
        if block.rows:
            table = [block.head, ["---"] * len(block.head), *[[markdown(cell) for cell in row] for row in block.rows]]
            text.append("\n".join(f"| {' | '.join(row)} |" for row in table))
        if block.listing:
            text.append("\n".join(f"    {' '.join(line.split())}" for line in block.listing))
    text += [markdown(line) for line in sheet.footer]
    return "\n\n".join(text) + "\n"


def as_html(sheet: Sheet) -> str:
    """A self-contained page; a browser's "print to PDF" gives A4 pages."""
    return template(SHEET).render(sheet=sheet) + "\n"


VENDORS, CUSTOMERS = (Audience.VENDORS,), (Audience.CUSTOMERS,)
PRINT = "the same to print, or to save as PDF"
DOCUMENTS = (
    Format(
        "vendor-sheet",
        "vendor-sheet.md",
        "Markdown: what to whitelist",
        lambda s: as_markdown(vendor_sheet(s)),
        VENDORS,
    ),
    Format("vendor-sheet-html", "vendor-sheet.html", PRINT, lambda s: as_html(vendor_sheet(s)), VENDORS),
    Format(
        "customer-sheet",
        "customer-sheet.md",
        "Markdown: where to call, what to open",
        lambda s: as_markdown(customer_sheet(s)),
        CUSTOMERS,
    ),
    Format("customer-sheet-html", "customer-sheet.html", PRINT, lambda s: as_html(customer_sheet(s)), CUSTOMERS),
)
