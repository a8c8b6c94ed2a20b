"""The page: what to whitelist now, and upcoming changes, for vendors and customers, region by region.

It makes no requests to other servers, which its CSP enforces. The script only copies: without it the page is complete,
except for the copy buttons.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from inventory import sheet_texts
from inventory.address import Address, Direction
from inventory.endpoint import Endpoint
from inventory.formats import FORMATS
from inventory.formats.selection import Audience
from inventory.formats.sheets import endpoints_of
from inventory.json_values import Json
from inventory.reading import PublishedInventory, last_change
from inventory.site import files
from inventory.site.events import events
from inventory.templates import template

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """An address with its remarks."""

    address: Address
    carries: str
    note: str
    day: date | None = None


@dataclass(frozen=True)
class Region:
    """One inventory."""

    name: str
    egress: Sequence[Row]
    endpoints: Sequence[Endpoint]
    ingress: Sequence[Row]
    notice_days: int | None
    digest: str


@dataclass(frozen=True)
class Download:
    """A file of the site; `missing`: why it does not exist."""

    path: str
    name: str
    about: str
    missing: str | None


def page(
    inventories: Sequence[PublishedInventory],
    ranges: Json,
    forms: Sequence[files.Form],
    missing: Mapping[str, str],
    base_url: str,
) -> str:
    """The complete document. `missing`: path of a format to the reason why it could not be written; `base_url`: of the
    site, for paper, which has no address line."""
    regions = [_region(each) for each in inventories]
    rows = [row for region in regions for row in (*region.egress, *region.ingress)]
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    text: str = template(HERE / files.INDEX).render(
        style=style,
        style_hash=_csp_hash(style),
        script=script,
        script_hash=_csp_hash(script),
        domains=list(dict.fromkeys(each.domain for each in inventories if each.domain)),
        regions=regions,
        coming=sorted((row for row in rows if row.address.coming), key=_soonest),
        leaving=[row for row in rows if row.address.leaving],
        retired=[
            _row(address) for inventory in inventories for address in inventory.addresses if not address.published
        ],
        egress=[row.address.address for region in regions for row in region.egress],
        sheets=sheet_texts,
        changed=last_change(inventories),
        contacts=list(dict.fromkeys(each.contact for each in inventories if each.contact)),
        printed=[each for each in ("vendor", "customer") if f"formats/{each}-guide.html" not in missing],
        # Announcements are changes too: the feed links every event to its place here.
        changes=sorted(events(inventories), key=lambda event: event.updated, reverse=True),
        base_url=base_url,
        pdf=any(form.path in files.PDFS for form in forms),
        downloads={audience: _downloads(audience, forms, missing) for audience in Audience},
        files=files,
        token=ranges["syncToken"],
        created=ranges["createDate"][: len("2026-01-31")],
    )
    return f"{text}\n"


def _region(inventory: PublishedInventory) -> Region:
    known = [each for each in inventory.addresses if each.published]
    return Region(
        inventory.region,
        [_row(address) for address in known if address.direction is Direction.OUTBOUND],
        endpoints_of(inventory),
        [_row(address) for address in known if address.direction is Direction.INBOUND],
        inventory.notice_days,
        inventory.digest,
    )


def _row(address: Address) -> Row:
    return Row(address, sheet_texts.carries(address), _note(address), address.day)


def _note(address: Address) -> str:
    """What to know and to do, beside the status."""
    # The status stands beside it already.
    remark = sheet_texts.when(address).removeprefix(address.status).lstrip(": ")
    return remark or (f"since {address.day}" if address.day else "")


def _soonest(row: Row) -> tuple[date, str, str]:
    return row.day or date.max, row.address.region, row.address.address


def _downloads(audience: Audience, forms: Sequence[files.Form], missing: Mapping[str, str]) -> list[Download]:
    return [
        Download(form.path, _name(form), FORMATS[form.format].about.replace("`", ""), missing.get(form.path))
        for form in forms
        if form.audience is audience
    ]


def _name(form: files.Form) -> str:
    return f"{form.format}, IPv6" if form.family == 6 else form.format


def _csp_hash(text: str) -> str:
    """A source expression of CSP level 2, section 4.2.5, for the exact text between the tags."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
