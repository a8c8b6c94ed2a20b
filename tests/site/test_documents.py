"""Sheets and guides in a real Chromium: on a phone, at a desk, and on paper, as the PDF that people are sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ViewportSize

from inventory.formats import FORMATS
from inventory.formats.prose import Block, Document, as_html
from inventory.reading import read
from tests.site.conftest import Scheme
from tests.site.test_page import DESK, LINES, PHONE, opened
from tests.stacks import ROOT
from tests.unit.published import EUROPE, LIVE, Json, signed

SHEETS = ("vendor-sheet-html", "customer-sheet-html")
DOCUMENTS = (*SHEETS, "vendor-guide", "customer-guide")
FILES = [f"formats/{FORMATS[name].file}" for name in DOCUMENTS]
A4 = ViewportSize(width=658, height=1010)  # 210 x 297 mm without the margins of 18 and 15 mm, at 96 dots an inch
CONTACT = {"email": "noc@example.com", "phone": "+1 555 010 0100", "url": "https://noc.example.com/"}
# In points, from the paper's lower edge: the margin, a heading, and two lines.
FOOT = 15 / 25.4 * 72 + 20 + 20


def rendered(name: str, *inventories: Json) -> str:
    return FORMATS[name].select(tuple(read(json.dumps(list(inventories)))))


@contextmanager
def document(browser: Browser, html: str) -> Iterator[bytes]:
    """As a PDF, with an outline that has the place of each heading."""
    page = browser.new_page()
    try:
        page.set_content(html)
        yield page.pdf(prefer_css_page_size=True, outline=True, tagged=True)
    finally:
        page.close()


def pages(pdf: bytes) -> int:
    """The root of the tree of pages has the highest count."""
    return max(map(int, re.findall(rb"/Type /Pages\n/Count (\d+)", pdf)))


def headings(pdf: bytes) -> list[tuple[str, float]]:
    """Each heading, and how far above the paper's lower edge it begins (ISO 32000-1, 12.3.2.2)."""
    found = re.findall(rb"/Title \((.+)\)\n/Dest \[\d+ 0 R /XYZ \S+ (\S+) 0\]", pdf)
    return [(title.decode(), float(height)) for title, height in found]


@pytest.mark.parametrize("name", SHEETS)
def test_the_sheet_of_production_is_one_page(browser: Browser, name: str) -> None:
    production = json.loads((ROOT / "tests/unit/state_golden/prod.json").read_text())["outputs"]["ipInventory"]
    with document(browser, rendered(name, signed(production | {"contact": CONTACT}))) as pdf:
        assert pages(pdf) == 1


def test_no_heading_stands_alone_at_the_foot_of_a_page(browser: Browser) -> None:
    """Blocks of every kind and of many lengths, so that the foot of a page falls everywhere."""
    cells, lines = [("198.51.100.1", "x " * 60)], ["allow from 198.51.100.1/32"]
    blocks = []
    for count in range(1, 45):
        blocks += [
            Block("Table", "", ("Address", "Remark"), cells * (count % 9 + 1)),
            Block("Text and table", "word " * 30, ("Address", "Remark"), cells * (count % 5 + 1)),
            Block("Text", "word " * (7 * count)),
            Block("Above", "word " * 20),
            Block("Below", listing=lines * (count % 11 + 1), links=[("a", "b")], below=True),
        ]
    with document(browser, as_html(Document("All kinds", [], blocks, []))) as pdf:
        found = headings(pdf)
        assert len(found) == 1 + len(blocks)
        assert pages(pdf) > 15
        assert [each for each in found if each[1] < FOOT] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_heading_of_a_document_stands_alone(browser: Browser, name: str) -> None:
    with document(browser, rendered(name, LIVE, EUROPE)) as pdf:
        assert len(headings(pdf)) > 3
        assert min(height for _, height in headings(pdf)) > FOOT


@pytest.mark.parametrize("file", FILES)
def test_a_printed_document_breaks_no_address_and_no_date(browser: Browser, site: str, crowd: str, file: str) -> None:
    for folder, few in ((site, 8), (crowd, 100)):
        with opened(browser, f"{folder}{file}", viewport=A4) as seen:
            seen.page.emulate_media(media="print")
            if file.endswith("guide.html"):
                # Configurations are copied from the file; their long lines wrap.
                seen.page.evaluate("document.querySelectorAll('pre').forEach((each) => each.remove())")
            figures = seen.page.evaluate(LINES)
            assert len(figures) > few
            assert [figure for figure, lines in figures if lines != 1] == []
            assert seen.overflow() <= 0, "nothing is cut off at the paper's edge"


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone", "desk"])
@pytest.mark.parametrize("file", FILES)
def test_a_document_is_readable_on_every_screen(
    browser: Browser, site: str, viewport: ViewportSize, scheme: Scheme, file: str
) -> None:
    with opened(browser, f"{site}{file}", viewport=viewport, color_scheme=scheme) as seen:
        assert seen.overflow() <= 0
        assert (seen.asked, seen.said) == ([f"{site}{file}"], [])
        style = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
        assert (seen.page.evaluate(style) < 150) == (scheme == "dark")
        results = Axe().run(seen.page)
        assert results.violations_count == 0, results.generate_report()
        assert {"color-contrast", "scrollable-region-focusable", "heading-order"} <= {
            each["id"] for key in ("passes", "inapplicable") for each in results.response[key]
        }


def test_a_printed_page_is_without_what_only_a_screen_has(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}index.html", viewport=A4) as seen:
        seen.page.emulate_media(media="print")
        shown = seen.page.locator("body").inner_text()
        assert "198.51.100.1" in shown
        assert "nftables" not in shown, "a list of files is of no use on paper"
        assert seen.page.locator("button:visible, nav:visible").count() == 0


def test_two_regions_with_everything_are_one_page(browser: Browser) -> None:
    for name in SHEETS:
        with document(browser, rendered(name, LIVE, EUROPE)) as pdf:
            assert pages(pdf) == 1


@pytest.mark.parametrize("file", FILES)
def test_on_a_phone_nothing_of_a_table_is_out_of_sight(browser: Browser, site: str, file: str) -> None:
    with opened(browser, f"{site}{file}", viewport=PHONE) as seen:
        hidden = "[...document.querySelectorAll('.table')].filter((each) => each.scrollWidth > each.clientWidth).length"
        assert seen.page.evaluate(hidden) == 0
        label = "getComputedStyle(document.querySelector('.wide td'), '::before').content"
        assert "attr" not in seen.page.evaluate(label) != "none", "each cell has the name of its column"
