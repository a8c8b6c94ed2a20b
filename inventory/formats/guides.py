"""Guides that people are sent: onboarding of a customer, integration of a vendor.

Every list in them is the file of its format, so that what a guide shows is what a device loads.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.address import Status
from inventory.formats import telephone_systems as systems
from inventory.formats.cisco import CISCO
from inventory.formats.firewalls import FIREWALLS
from inventory.formats.prose import Block, Document
from inventory.formats.routers import ROUTERS
from inventory.formats.selection import Audience, Format, NothingToListError, Selection, file_of
from inventory.formats.sheets import (
    MEDIA,
    about,
    day,
    egress_of,
    endpoints_of,
    firewall,
    footer,
    servers,
    whitelist,
)
from inventory.formats.voice import VOICE

LISTS = {each.name: each for each in (*FIREWALLS, *CISCO, *ROUTERS, *VOICE)}
# What a vendor's device may be, with its heading: five of different kinds.
WORKED = {
    "nftables": "Linux: nftables",
    "cisco-acl": "Cisco IOS: access list",
    "mikrotik": "MikroTik RouterOS: address lists",
    "kamailio": "Kamailio: module permissions",
    "asterisk": "Asterisk and FreePBX: pjsip",
}
# A customer's firewall, with its name.
RULES = {"nftables": "Linux nftables", "cisco-acl": "Cisco IOS", "mikrotik": "MikroTik RouterOS"}
WHAT_TO_DO = {
    Status.ANNOUNCED: ("Reserved. Calls come from its date on.", "Whitelist it now."),
    Status.ACTIVE: ("Calls come from it.", "Keep it."),
    Status.DRAINING: ("No new calls come from it; calls in progress may end.", "Keep it until it is retired."),
    Status.RETIRED: ("No longer ours: somebody else may have it.", "Remove it."),
}
COPY = "Load the file from our site, which is linked above each list: lines that are copied from paper may be broken."


def customer_guide(selection: Selection) -> Document:
    """Onboarding: from the first packet to the first call."""
    where = servers(selection)
    first = next((way for each in selection.inventories for way in endpoints_of(each)), None)
    blocks = [
        Block(
            "Before the first call",
            "Give us the public addresses from which your system sends SIP; behind NAT, the outside ones. By them we"
            " know you: there is no registration and no password. Configure our server by name, because names follow"
            " when an address changes, and open your firewall to the addresses below.",
        ),
        where,
        *firewall(selection),
        Block(
            "Firewall rules as files",
            "For your calls to us, and for ours to you. More formats are on our site.",
            links=[
                (path, f"{device}, {direction}")
                for name, device in RULES.items()
                for path, direction in (
                    (f"customers/{LISTS[name].file}", "your calls to us"),
                    (LISTS[name].file, "our calls to you"),
                )
            ],
            below=True,
        ),
        MEDIA,
        *(_set_ups(selection) if first else ()),
        Block(
            "Test",
            "From the system whose address you gave us, send an OPTIONS request. Any answer but those below shows that"
            " your packets reach us, that our answers reach you, and that we know your address. Then call a number"
            " that you can answer.",
            ("With", "Command", "Right"),
            [
                ("Asterisk", "asterisk -rx 'pjsip show contacts'", "Avail"),
                ("FreeSWITCH", "fs_cli -x 'sofia status gateway warp'", "Status UP"),
                ("Cisco CUBE", "show dial-peer voice summary", "keepalive: active"),
                *([("Any system", f"sipsak -v -s sip:{systems.host(first)}:{first.port}", "a reply")] if first else ()),
            ],
        ),
        Block(
            "What answers mean",
            "",
            ("Answer", "Meaning", "What to do"),
            [
                (
                    "400 Bad Contact",
                    "An INVITE without a valid Contact header field.",
                    "Correct it in your system (RFC 3261, section 8.1.1.8).",
                ),
                (
                    "403 Forbidden",
                    "We do not accept the call. If every request gets it, its source address is not one that we have"
                    " for you: often the outside address of a NAT, or a new line.",
                    "Do not retry. Send us the address, or compare it with what you gave us.",
                ),
                (
                    "503 with Retry-After, or 403 Limit Exceeded",
                    "Too many calls at once, or per second, for your trunk.",
                    "Wait for as many seconds as Retry-After says, or for calls to end. Ask us for a higher limit.",
                ),
                (
                    "503 without Retry-After",
                    "We cannot tell at this moment whose calls are whose. It is not your configuration.",
                    "Try the second server, or again after a minute. Tell us if it lasts.",
                ),
                (
                    "No answer",
                    "Your request or our answer is lost: a firewall, a wrong address or port. Or, after many requests"
                    " that got 403, we have stopped answering.",
                    "Check your firewall, out and in. Then tell us the time and your source address.",
                ),
            ],
        ),
        _whom_to_ask(selection),
    ]
    return Document(
        "Customer guide: connect your telephone system", about(selection), blocks, footer(selection), day(selection)
    )


def _set_ups(selection: Selection) -> Iterator[Block]:
    ways = tuple(way for each in selection.inventories for way in endpoints_of(each))
    way = ways[0]
    callers = Selection(selection.inventories, Audience.VENDORS)
    yield Block("Asterisk", "The trunk, and the list of addresses from which our calls to you come.")
    yield _listed(systems.asterisk_trunk(way), "The trunk")
    yield from _list(LISTS["asterisk"], callers, "Our calls to you")
    yield Block("FreeSWITCH", "The gateway, and the list of addresses from which our calls to you come.")
    yield _listed(systems.freeswitch_gateway(way), "The gateway")
    yield from _list(LISTS["freeswitch"], callers, "Our calls to you")
    yield Block("Cisco CUBE", "The dial peer, and the trusted addresses from which our calls to you come.")
    yield _listed(systems.cube_dial_peer(way), "The dial peer")
    yield from _list(LISTS["cube"], callers, "Our calls to you")
    yield Block(
        "FreePBX, 3CX and other systems with forms",
        "A SIP trunk without registration. What the fields are called differs from version to version.",
        ("Field", "Value"),
        systems.form(ways, tuple(dict.fromkeys(each.address for each in egress_of(selection)))),
    )


def vendor_guide(selection: Selection) -> Document:
    """Integration: what to let in, and how it stays right."""
    notice = min((each.notice_days for each in selection.inventories if each.notice_days), default=None)
    ports = sorted({port for address in selection.living for port in address.ports})
    blocks = [
        whitelist(selection),
        Block(
            "Keep the list right",
            "A list that is loaded once is wrong after our next change. A retired address that stays in it lets in"
            " somebody else's calls.",
            ("Status", "Meaning", "What to do"),
            [(str(status), *words) for status, words in WHAT_TO_DO.items()],
        ),
        Block(
            "How changes are announced",
            (f"A new address is announced at least {notice} days before its first call. " if notice else "")
            + "Subscribe to the feed, or let a program fetch your device's file once an hour: send the ETag of the last"
            " answer as If-None-Match, load the file if it is new, and keep the last one if it cannot be read.",
            links=[
                ("../feed.xml", "Atom feed: an entry for every change, with its date and what to do"),
                ("../index.html", "the page with all addresses, and what changed"),
                ("../ip-ranges.json", "all ranges, for programs; syncToken changes when anything does"),
            ],
        ),
        Block("Worked lists", f"Each file says in its first lines how it is loaded. {COPY}"),
        *(block for name, heading in WORKED.items() for block in _list(LISTS[name], selection, heading)),
        Block(
            "What a test call looks like",
            "An INVITE from any address of the list, from any source port, to your SIP port. We use no registration and"
            " no password: answer it as you answer a call of ours. If it does not arrive, look on your side:",
            ("Field", "Value"),
            [
                ("Source address", ", ".join(dict.fromkeys(address.address for address in selection.living))),
                ("Source port", "any: it is that of a NAT"),
                ("Destination port", ", ".join(map(str, ports))),
                ("Transport", _transports(selection)),
            ],
            [_capture(selection, ports)],
        ),
        MEDIA,
        _whom_to_ask(selection),
    ]
    return Document("Vendor guide: take our calls", about(selection), blocks, footer(selection), day(selection))


def _transports(selection: Selection) -> str:
    found = [p for p in ("UDP", "TCP") if any(p in address.opened for address in selection.living)]
    return "UDP; TCP for requests that are too large for it" if len(found) == 2 else found[0]


def _capture(selection: Selection, ports: list[int]) -> str:
    """A capture of our packets (pcap-filter(7))."""
    hosts = " or ".join(f"host {address}" for address in dict.fromkeys(each.address for each in selection.living))
    port = " or ".join(f"port {port}" for port in ports)
    return f"tcpdump -n -i any '({port}) and ({hosts})'"


def _listed(text: str, heading: str) -> Block:
    return Block(heading, listing=text.splitlines(), below=True)


def _list(form: Format, selection: Selection, heading: str) -> Iterator[Block]:
    """The file of a format, with links to it and, if it has one family, to that of the other; nothing without
    addresses."""
    try:
        text = form.select(selection.inventories, selection.audience)
    except NothingToListError:
        return
    links = [(form.file, "this list as a file")]
    if form.one_family and not form.ipv4_only and Selection(selection.inventories, selection.audience, 4).other_family:
        links.append((file_of(form.file, 6), "the same for IPv6"))
    yield Block(heading, listing=text.splitlines(), links=links, below=True)


def _whom_to_ask(selection: Selection) -> Block:
    found = [each.contact for each in selection.inventories if each.contact]
    rows = dict.fromkeys(
        (name, value)
        for each in found
        for name, value in (("E-mail", each.email), ("Telephone", each.phone), ("Web", each.url))
        if value
    )
    text = "For a call that failed: its time with the time zone, both numbers, the Call-ID, and your source address."
    return Block(
        "Whom to ask",
        text if rows else f"The person at WARP who sent you this guide. {text}",
        ("By", "At"),
        list(rows),
    )
