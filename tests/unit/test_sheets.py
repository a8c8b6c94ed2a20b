"""Sheets for people, read by readers of HTML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import html5lib
import pytest
from markdown_it import MarkdownIt

from tests.unit.published import EUROPE, HOSTILE, LIVE, NAT, RETIRED, TCP, UDP, hostile, signed
from tests.unit.test_formats import render

# --- Sheets. ---


def html_page(text: str) -> Any:
    """By the parser of the HTML standard, which in strict mode forgives nothing."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def cells(page: Any) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]


def markdown_page(text: str) -> Any:
    """The page that CommonMark (with tables) makes of it."""
    return html_page(f"<!DOCTYPE html><title>t</title>{MarkdownIt('commonmark').enable('table').render(text)}")


SHEETS: dict[str, Callable[[str], Any]] = {"sheet": markdown_page, "sheet-html": html_page}


@pytest.mark.parametrize("form", SHEETS)
def test_the_vendors_sheet_matches_the_published_text(form: str) -> None:
    page = SHEETS[form](render(f"vendor-{form}", LIVE))
    words = " ".join("".join(page.itertext()).split())
    for reported in (
        "Whitelist ALL of these addresses",
        "inbound SIP (UDP/TCP 5060)",
        "WARP (ringer.tel), wholesale termination",
        "may be the source of an INVITE",
        *(f"allow from {address}/32" for address in NAT),
    ):
        assert reported in words
    assert [row[0] for row in cells(page)] == ["Address", *NAT, "Address", RETIRED[0]]
    assert UDP not in words


@pytest.mark.parametrize("form", SHEETS)
def test_the_customers_sheet_matches_the_published_text(form: str) -> None:
    page = SHEETS[form](render(f"customer-{form}", LIVE))
    words = " ".join("".join(page.itertext()).split())
    for reported in ("G.711 ulaw, G.711 alaw, G.729", "RFC 2833", "source IP, no credentials"):
        assert reported in words
    rows = cells(page)
    assert ["us-central1", "primary", "sip.ringer.tel", f"{UDP}:5060", "UDP"] in rows
    assert ["us-central1", "secondary", "sip-tcp.ringer.tel", f"{TCP}:5060", "TCP"] in rows
    assert ["us-central1", "tls", "sip-tcp.ringer.tel", f"{TCP}:5061", "TLS"] in rows
    assert [UDP, "UDP/TCP", "5060", "us-central1", "active", ""] in rows
    assert [TCP, "TCP", "5060, 5061, 8080, 8443", "us-central1", "active", ""] in rows
    assert [row[0] for row in rows if row[0].endswith("/32")] == [f"{address}/32" for address in NAT]
    assert [row for row in rows if row[0] == RETIRED[1]] == [[RETIRED[1], "", UDP]]


@pytest.mark.parametrize("form", SHEETS)
def test_sheets_of_several_regions_show_what_comes_and_goes(form: str) -> None:
    vendors = SHEETS[form](render(f"vendor-{form}", LIVE, EUROPE))
    rows = {row[0]: row[1:] for row in cells(vendors)}
    assert rows["198.51.100.3"] == [
        "europe-west4",
        "draining",
        "since 2026-02-01: accept it until it is retired",
    ]
    assert ["198.51.100.1", "2026-01-01 to 2026-01-08", "the carrier asked for it"] in cells(vendors)
    assert "will be used from 2026-01-08, accept it now" in "".join(vendors.itertext())
    customers = "".join(SHEETS[form](render(f"customer-{form}", LIVE, EUROPE)).itertext())
    rows = {row[0]: row for row in cells(SHEETS[form](render(f"customer-{form}", LIVE, EUROPE)))}
    assert rows["192.0.2.2"][1:3] == ["UDP/TCP", "5060"]
    assert rows["192.0.2.2"][-1] == "will answer from 2026-02-01, open your firewall to it now"
    assert "sip.eu.ringer.tel" in customers
    assert "sip.ringer.tel" in customers


@pytest.mark.parametrize("form", SHEETS)
def test_a_customer_learns_that_an_address_to_which_it_sends_is_leaving(form: str) -> None:
    gone = {"status": "draining", "drainedOn": "2026-02-01"}
    document = signed(EUROPE | {"addresses": [{**EUROPE["addresses"][0], **gone}, *EUROPE["addresses"][1:]]})
    (row,) = [
        row for row in cells(SHEETS[form](render(f"customer-{form}", document))) if row[:2] == ["192.0.2.1", "UDP/TCP"]
    ]
    assert row[-2:] == [
        "draining",
        "since 2026-02-01: send no new calls to it, keep your firewall open to it until it is retired",
    ]


@pytest.mark.parametrize("form", SHEETS)
def test_each_server_has_the_region_of_its_address(form: str) -> None:
    """The inventory of a stack of several regions."""
    both = LIVE | {
        "region": "us-central1, europe-west4",
        "addresses": [*LIVE["addresses"], *EUROPE["addresses"]],
        "endpoints": [*LIVE["endpoints"], *EUROPE["endpoints"]],
    }
    rows = cells(SHEETS[form](render(f"customer-{form}", signed(both))))
    assert [row[0] for row in rows if row[2].endswith("ringer.tel")] == ["us-central1"] * 3 + ["europe-west4"]


def structure(page: Any) -> list[str]:
    """The elements, without those that say where a line may break."""
    breaks = [element for element in page.iter() if element.tag in ("span", "wbr")]
    assert {tuple(each.attrib.items()) for each in breaks} <= {(), (("class", "figure"),), (("class", "long"),)}
    return [element.tag for element in page.iter() if element not in breaks]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("sheet", ["vendor", "customer"])
@pytest.mark.parametrize("form", SHEETS)
def test_free_text_stays_text_in_a_sheet(form: str, sheet: str, text: str) -> None:
    page = SHEETS[form](render(f"{sheet}-{form}", hostile(text)))
    plain = SHEETS[form](render(f"{sheet}-{form}", EUROPE))
    assert structure(page) == structure(plain)
    assert [e.get("href") for e in page.iter("link")] == (["data:,"] if form == "sheet-html" else [])
    assert not [e for e in page.iter() if e.tag != "link" and {"href", "src", "onerror"} & set(e.attrib)]
    region = [row for row in cells(page) if row[0].startswith("198.51.100.2")]
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    assert any(" ".join(cell.split()) == shown for row in region for cell in row)


def test_a_page_needs_nothing_from_elsewhere_and_prints_on_a4() -> None:
    text = render("vendor-sheet-html", LIVE)
    # Without an icon, a browser asks the server for one.
    text = text.replace('<link rel="icon" href="data:,">', "", 1)
    assert not re.findall(r"https?:|url\(|@import|<script|<link|<img", text)
    assert "@page { size: A4;" in text
    assert html_page(text).get("lang") == "en"


def test_an_inventory_of_before_still_gives_sheets() -> None:
    old = {key: value for key, value in LIVE.items() if key not in ("domain", "noticeDays", "endpoints")}
    assert "WARP, wholesale termination" in render("vendor-sheet", old)
    assert ["us-central1", "SIP", UDP, f"{UDP}:5060", "UDP"] in cells(html_page(render("customer-sheet-html", old)))
