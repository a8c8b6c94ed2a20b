"""Guides that people are sent: onboarding of a customer, integration of a vendor.

Every list in them is the file of its format, so that what a guide shows is what a device loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

from inventory.address import Status
from inventory.endpoint import Endpoint
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
    firewall,
    footer,
    retired,
    servers,
    shortened,
    ways_in,
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
RENDER = "python -m inventory render"


def customer_guide(selection: Selection) -> Document:
    """Onboarding: from the first packet to the first call."""
    where = servers(selection)
    ways = _ways(selection)
    blocks = [
        Block(
            "Before the first call",
            "Give us the public addresses from which your system sends SIP; behind NAT, the outside ones. By them we"
            " know you: there is no registration and no password. Configure our server by name, because names follow"
            " when an address changes, and open your firewall to the addresses below.",
        ),
        where,
        *firewall(selection),
        _files(selection),
        MEDIA,
        *_other_ways(selection),
        *(_set_ups(selection, ways) if ways else ()),
        Block(
            "Test",
            "Your system sends us OPTIONS requests. Look at the answer itself: 200 OK shows that your packets reach us,"
            " that our answers reach you, and that we know your address. FreeSWITCH's UP, Cisco's active and, without"
            " qualify_2xx_only, Asterisk's Avail show no more than that something answers: they come with our 403 too."
            " Then call a number that you can answer.",
            ("With", "Command", "Right"),
            [
                ("Asterisk", "asterisk -rx 'pjsip set logger on', then its console", "SIP/2.0 200 OK"),
                ("FreeSWITCH", "fs_cli -x 'sofia profile external siptrace on', then its log", "SIP/2.0 200 OK"),
                ("Cisco CUBE", "debug ccsip messages, then terminal monitor", "SIP/2.0 200 OK"),
                *(
                    ("Any system", systems.sipsak(way), "SIP/2.0 200 OK, and then 0")
                    for way in ways[:1]
                    if way.transport in ("UDP", "TCP")
                ),
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
        *shortened([*selection.living, *egress_of(selection)]),
        *retired(selection),
        _whom_to_ask(selection),
    ]
    return Document(
        "Customer guide: connect your telephone system", about(selection), blocks, footer(selection), day(selection)
    )


def _ways(selection: Selection) -> list[Endpoint]:
    """The server of the examples and the one to fall back to, both of one region, and a customer's own if there are."""
    found = ways_in(selection)
    own = [each for each in found if each[1].customer] or found
    return systems.servers([way for region, way in own if region == own[0][0]])


def _other_ways(selection: Selection) -> list[Block]:
    """What else a customer may send by: by the transports that there are, and by name alone."""
    found = {way.transport for _, way in ways_in(selection)}
    domains = dict.fromkeys(each.domain for each in selection.inventories if each.domain)
    rows = [
        *(
            [
                (
                    "TLS",
                    "SIP over TLS, version 1.2 or later. The certificate has the server's name as in the table, and the"
                    " domain's: verify it. You need no certificate: we know you by your address.",
                ),
                ("SRTP", "TLS encrypts the signalling alone. Ask us before you require encrypted media."),
            ]
            if found & {"TLS", "WSS"}
            else []
        ),
        *(
            [("WS, WSS", "SIP over WebSocket (RFC 7118), which browsers speak. The systems below do not call by it.")]
            if found & {"WS", "WSS"}
            else []
        ),
        *(
            [
                (
                    "Domain",
                    f"A system that looks up SRV records (RFC 3263) can have {' or '.join(domains)} as its server,"
                    " without a port. It then finds servers, ports and transports by itself.",
                )
            ]
            if domains and not selection.customer
            else []
        ),
    ]
    return [Block("Other ways to send calls", "", ("What", "How"), rows)] if rows else []


def _region(selection: Selection, way: Endpoint) -> str:
    return next(region for region, each in ways_in(selection) if each == way)


def _files(selection: Selection) -> Block:
    """The rules as files of the site, which has no dedicated addresses: a customer with some gets files of its own."""
    rules = [
        (LISTS[name], device, audience, words)
        for name, device in RULES.items()
        for audience, words in ((Audience.CUSTOMERS, "your calls to us"), (Audience.VENDORS, "our calls to you"))
    ]
    heading, text = "Firewall rules as files", "For your calls to us, and for ours to you."
    if selection.customer:
        own = f"{RENDER} --customer {selection.customer} --for"
        return Block(
            heading,
            f"{text} They have addresses that are yours alone, so they are not on our site: ask us for them. We make"
            " them with these commands.",
            ("For", "Command"),
            [(f"{device}, {words}", f"{own} {to} --format {form.name}") for form, device, to, words in rules],
            below=True,
        )
    links = _at(
        selection,
        *(
            (f"customers/{form.file}" if to is Audience.CUSTOMERS else form.file, f"{device}, {words}")
            for form, device, to, words in rules
        ),
    )
    return Block(heading, f"{text} More formats are on our site.", links=links, below=True)


def _at(selection: Selection, *links: tuple[str, str]) -> list[tuple[str, str]]:
    """Links from the folder `formats`, with the site's URL if that is known: on paper nothing can be followed."""
    base = selection.site and f"{selection.site}formats/"
    return [(urljoin(base, path), about) for path, about in links]


def _set_ups(selection: Selection, ways: list[Endpoint]) -> Iterator[Block]:
    callers = Selection(selection.inventories, Audience.VENDORS, site=selection.site)
    if len(regions := list(dict.fromkeys(region for region, _ in ways_in(selection)))) > 1:
        yield Block(
            "Which region",
            f"We have servers in {', '.join(regions)}. The examples have those of {_region(selection, ways[0])}; for"
            " another region, put its servers from the table above in their place. Our calls to you come from the"
            " addresses of all regions.",
        )
    yield Block("Asterisk", "The trunk, and the list of addresses from which our calls to you come.")
    yield _listed(systems.asterisk_trunk(ways), "The trunk")
    yield from _list(LISTS["asterisk"], callers, "Our calls to you")
    yield Block(
        "FreeSWITCH",
        "The gateway, and the list of addresses from which our calls to you come. They come to port 5060. As FreeSWITCH"
        " is delivered (vanilla), the profile internal listens there, and external on 5080: the list belongs to the"
        " profile that listens on 5060, the gateway to either.",
    )
    yield _listed(systems.freeswitch_gateway(ways), "The gateway")
    yield from _list(LISTS["freeswitch"], callers, "Our calls to you")
    yield Block("Cisco CUBE", "The dial peers, and the trusted addresses from which our calls to you come.")
    yield _listed(systems.cube_dial_peers(ways), "The dial peers")
    yield from _list(LISTS["cube"], callers, "Our calls to you")
    yield Block(
        "FreePBX, 3CX and other systems with forms",
        "A SIP trunk without registration. What the fields are called differs from version to version.",
        ("Field", "Value"),
        systems.form(ways, tuple(dict.fromkeys(each.address for each in egress_of(selection)))),
    )


def vendor_guide(selection: Selection) -> Document:
    """Integration: what to let in, and how it stays right."""
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
            f"{_notice(selection)} Subscribe to the feed, or let a program fetch your device's file once an hour: send"
            " the ETag of the last answer as If-None-Match, load the file if it is new, and keep the last one if it"
            " cannot be read.",
            links=_at(
                selection,
                ("../feed.xml", "Atom feed: an entry for every change, with its date and what to do"),
                ("../index.html", "the page with all addresses, and what changed"),
                ("../ip-ranges.json", "all ranges, for programs; syncToken changes when anything does"),
            ),
        ),
        Block("Worked lists", f"Each file says in its first lines how it is loaded. {COPY}"),
        *(block for name, heading in WORKED.items() for block in _list(LISTS[name], selection, heading)),
        Block(
            "What a test call looks like",
            "An INVITE from any address of the list, from any source port, to your SIP port. We use no registration and"
            f" no password: answer it as you answer a call of ours. Ask us for one, and for what this guide does not"
            f" have, before the first call: {_desk(selection)}. If it does not arrive, look on your side:",
            ("Field", "Value"),
            [
                ("Source address", ", ".join(dict.fromkeys(address.address for address in selection.living))),
                ("Source port", "any: it is that of a NAT"),
                ("Destination port", ", ".join(map(str, ports))),
                ("Transport", _transports(selection)),
                ("Codecs, DTMF", "as the SDP of the INVITE offers; ask which"),
                ("Number format, and caller in From and P-Asserted-Identity", "not the same for every vendor: ask"),
            ],
            [_capture(selection, ports)],
        ),
        MEDIA,
        *shortened(selection.living),
        *retired(selection),
        _whom_to_ask(selection),
    ]
    return Document("Vendor guide: take our calls", about(selection), blocks, footer(selection), day(selection))


def _notice(selection: Selection) -> str:
    """What is promised, in the region with the least; of one without a promise, that there is none."""
    days = {each.notice_days or 0 for each in selection.inventories}
    less = " Where one had less, it is below, with the reason." if shortened(selection.living) else ""
    if days == {0}:
        return f"A new address is announced before its first call.{less}"
    if len(days) == 1:
        return f"A new address is announced at least {min(days)} days before its first call.{less}"
    words = (
        f"{each.region} {f'at least {each.notice_days} days' if each.notice_days else 'without a promised time'}"
        for each in selection.inventories
    )
    return f"A new address is announced before its first call: {', '.join(words)}.{less}"


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
    if selection.customer:  # whose files are not on the site
        yield Block(heading, listing=text.splitlines(), below=True)
        return
    links = [(form.file, "this list as a file")]
    if form.one_family and not form.ipv4_only and Selection(selection.inventories, selection.audience, 4).other_family:
        links.append((file_of(form.file, 6), "the same for IPv6"))
    if form.name == "kamailio":
        links.append((LISTS["kamailio-sql"].file, "its rows, if your peers are in a database"))
    yield Block(heading, listing=text.splitlines(), links=_at(selection, *links), below=True)


def _desk(selection: Selection) -> str:
    found = dict.fromkeys(str(each.contact) for each in selection.inventories if each.contact)
    return "; ".join(found) or "the person at WARP who sent you this guide"


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
