"""The Atom feed of changes (RFC 4287)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from inventory.reading import PublishedInventory
from inventory.site.events import NAMESPACE, events
from inventory.site.files import FEED, INDEX
from inventory.site.ranges import UNKNOWN_DAY, addresses, created_on
from inventory.templates import printable

ATOM = "http://www.w3.org/2005/Atom"
TITLE = "Changes of WARP IP addresses"


def feed(inventories: Sequence[PublishedInventory], base_url: str) -> bytes:
    """`base_url` ends with a slash; if empty, links are relative to the feed. Ids do not depend on it."""
    root = Element("feed", xmlns=ATOM)
    _text(root, "title", TITLE)
    _text(root, "id", f"urn:uuid:{NAMESPACE}")
    _text(root, "updated", _time(created_on(inventories)))
    _text(SubElement(root, "author"), "name", "WARP")
    SubElement(root, "link", rel="self", type="application/atom+xml", href=f"{base_url}{FEED}")
    SubElement(root, "link", rel="alternate", type="text/html", href=f"{base_url}{INDEX}")
    first = min((day for each in addresses(inventories) for day in each.reached.values()), default=None)
    for event in events(inventories):
        # An entry must have a date (RFC 4287, section 4.1.2). One without has the first that is known of any address,
        # because that does not change with what happens later. If there is none, it is on the page alone.
        day = event.updated if event.updated != UNKNOWN_DAY else first
        if day is None:
            continue
        entry = SubElement(root, "entry")
        _text(entry, "title", event.title)
        _text(entry, "id", event.id)
        _text(entry, "updated", _time(day))
        if event.day:
            _text(entry, "published", _time(event.day))
        SubElement(entry, "category", term=str(event.status))
        SubElement(entry, "link", rel="alternate", type="text/html", href=f"{base_url}{INDEX}#{event.anchor}")
        _text(entry, "content", event.text)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _text(parent: Element, tag: str, text: str) -> None:
    """Printable, because XML cannot carry control characters."""
    SubElement(parent, tag).text = printable(text)


def _time(day: date) -> str:
    """RFC 3339."""
    return f"{day.isoformat()}T00:00:00Z"
