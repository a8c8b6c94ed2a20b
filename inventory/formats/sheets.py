"""The vendor's and the customer's sheet: one page each. The guides have their tables.

The short texts in the stack's outputs are in `inventory/sheet_texts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from inventory import sheet_texts
from inventory.address import Address, Direction, Status
from inventory.endpoint import Endpoint
from inventory.formats.prose import Block, Document
from inventory.formats.selection import Selection
from inventory.reading import PublishedInventory, last_change

MEDIA = Block(
    "Media (RTP)",
    "These addresses are for signalling. Media, RTP over UDP, uses the addresses and ports that the SDP of each call"
    " names. They may be others: do not restrict media to this list.",
)


def vendor_sheet(selection: Selection) -> Document:
    """Everything a vendor needs to accept our calls."""
    blocks = [
        whitelist(selection),
        Block("As an ACL", listing=[f"allow from {address.cidr}" for address in selection.living]),
        MEDIA,
        *shortened(selection.living),
        *retired(selection),
    ]
    return Document("Vendor sheet: addresses of our calls", about(selection), blocks, footer(selection), day(selection))


def customer_sheet(selection: Selection) -> Document:
    """What a customer needs to send us calls and to take ours."""
    blocks = [
        servers(selection),
        *firewall(selection),
        MEDIA,
        *shortened([*selection.living, *egress_of(selection)]),
        *retired(selection),
    ]
    return Document("Customer sheet: how to reach us", about(selection), blocks, footer(selection), day(selection))


def day(selection: Selection) -> date | None:
    """Of when it is."""
    return last_change(selection.inventories)


def about(selection: Selection) -> list[str]:
    """Of when it is, and whom to ask."""
    issued = day(selection)
    found = dict.fromkeys(str(each.contact) for each in selection.inventories if each.contact)
    return [
        f"Issued {issued}, the day of the last change of an address."
        if issued
        else "Initial issue, before the first dated change of an address.",
        *([f"Questions and faults: {'; '.join(found)}"] if found else []),
        *([f"All addresses, and every change of them: {selection.site}index.html"] if selection.site else []),
    ]


def whitelist(selection: Selection) -> Block:
    """What a vendor lets in."""
    living = selection.living
    ports = ", ".join(str(port) for port in sorted({port for address in living for port in address.ports}))
    protocols = "/".join(p for p in ("UDP", "TCP") if any(p in address.opened for address in living))
    domains = ", ".join(dict.fromkeys(each.domain for each in selection.inventories if each.domain))
    return Block(
        "Whitelist ALL of these addresses",
        f"WARP{f' ({domains})' if domains else ''}, wholesale termination. Please accept inbound SIP"
        f" ({protocols} {ports}) from all of them: any may be the source of an INVITE, from any source port.",
        ("Address", "Region", "Status", "Remark"),
        [(a.address, a.region, str(a.status), _remark(a)) for a in living],
    )


def servers(selection: Selection) -> Block:
    """Where a customer sends calls."""
    return Block(
        "Where to send calls",
        f"Codecs: {', '.join(sheet_texts.CODECS)}. DTMF: {sheet_texts.DTMF}."
        f" Authentication: {sheet_texts.AUTHENTICATION}.",
        ("Region", "Role", "Server", "Address", "Transport"),
        [(region, way.role, way.server, sheet_texts.socket(way), way.transport) for region, way in ways_in(selection)],
    )


def ways_in(selection: Selection) -> list[tuple[str, Endpoint]]:
    """Every endpoint with its region, the customer's own first. An inventory of several regions has it by address."""
    found = [
        (next((a.region for a in inventory.addresses if a.address == way.address), inventory.region), way)
        for inventory in selection.inventories
        for way in endpoints_of(inventory)
    ]
    return sorted(found, key=lambda each: each[1].customer is None)


def firewall(selection: Selection) -> list[Block]:
    """What a customer's firewall lets out and in."""
    ingress = [address for address in selection.living if address.direction is Direction.INBOUND]
    return [
        Block(
            "Your firewall, outbound",
            "",
            ("To", "Protocol", "Ports", "Region", "Status", "Remark"),
            [
                (
                    a.address,
                    "/".join(a.opened),
                    ", ".join(str(port) for port in a.ports),
                    a.region,
                    str(a.status),
                    _remark(a),
                )
                for a in ingress
            ],
        ),
        Block(
            "Your firewall, inbound",
            "Our calls to you come from these addresses.",
            ("From", "Protocol", "Region", "Status", "Remark"),
            [(a.cidr, "/".join(a.opened), a.region, str(a.status), _remark(a)) for a in egress_of(selection)],
        ),
    ]


def _remark(address: Address) -> str:
    """Beside the status."""
    return sheet_texts.when(address).removeprefix(address.status).lstrip(": ")


def egress_of(selection: Selection) -> list[Address]:
    """Where our calls come from, for customers too."""
    return [
        address
        for inventory in selection.inventories
        for address in inventory.addresses
        if address.direction is Direction.OUTBOUND and address.published
    ]


def endpoints_of(inventory: PublishedInventory) -> list[Endpoint]:
    """The published endpoints; derived from addresses for an older inventory without endpoints."""
    if inventory.endpoints:
        return list(inventory.endpoints)
    return [
        Endpoint("SIP", address.address, address.address, address.ports[0], protocol, address.customer)
        for address in inventory.addresses
        if address.direction is Direction.INBOUND and address.status is Status.ACTIVE
        for protocol in address.protocols
    ]


def shortened(addresses: Sequence[Address]) -> list[Block]:
    """Addresses that come with less notice than promised; no block without any."""
    rows = [
        (a.address, f"{a.announced_on} to {a.active_on}", a.notice_reason)
        for a in addresses
        if a.notice_reason is not None
    ]
    text = "These addresses come with less notice than we promise."
    return [Block("Shortened notice", text, ("Address", "Notice", "Reason"), rows)] if rows else []


def retired(selection: Selection) -> list[Block]:
    """What is to be removed; no block without any."""
    gone = [address for address in selection.everything if not address.published]
    rows = [(a.address, str(a.retired_on or ""), ", ".join(a.replaced_by)) for a in gone]
    text = "No longer ours: please remove them."
    return [Block("Retired", text, ("Address", "Since", "Replaced by"), rows)] if rows else []


def footer(selection: Selection) -> list[str]:
    """Which inventories it is made from."""
    return [
        f"{inventory.region}: {inventory.digest}"
        + (f"; new addresses are announced {inventory.notice_days} days ahead" if inventory.notice_days else "")
        for inventory in selection.inventories
    ]
