"""Sheets and guides as PDF, read by pypdf: the document's words, whole addresses, and the same bytes each time."""

from __future__ import annotations

import io
import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from pypdf import PdfReader

from inventory.address import Direction
from inventory.formats import FORMATS, Audience, Selection, guides, sheets
from inventory.formats.pdf import BOTTOM, FOOT, LEFT, TOP, WIDTH, as_pdf, folded, latin
from inventory.formats.prose import Block, Document, as_html
from inventory.reading import read
from tests.unit.published import CROWD, EUROPE, HOSTILE, LIVE, NAT, Json, hostile, signed
from tests.unit.state_goldens import FOLDER
from tests.unit.test_formats import render
from tests.unit.test_sheets import html_page

MAKERS = {
    "vendor-sheet-pdf": (sheets.vendor_sheet, Audience.VENDORS),
    "customer-sheet-pdf": (sheets.customer_sheet, Audience.CUSTOMERS),
    "vendor-guide-pdf": (guides.vendor_guide, Audience.VENDORS),
    "customer-guide-pdf": (guides.customer_guide, Audience.CUSTOMERS),
}
CONTACT = {"email": "noc@example.com", "phone": "+1 555 010 0100", "url": "https://noc.example.com/"}
BASE = "https://ips.example.com/"
PAPER = (595.28, 841.89)  # A4, in points
KINDS = 20


def document(name: str, *inventories: Json) -> Document:
    maker, audience = MAKERS[name]
    return maker(Selection(tuple(read(json.dumps(list(inventories)))), audience))


@dataclass(frozen=True)
class Shown:
    """One piece of text on a page, `x` and `y` from the paper's lower left corner."""

    text: str
    x: float
    y: float
    size: float
    mono: bool


def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf), strict=True)


def shown(page: Any) -> list[Shown]:
    """What a page shows, without its foot."""
    found = []

    def visit(text: str, _cm: Any, tm: list[float], font: Any, size: float) -> None:
        if text.strip() and abs(tm[5] - (PAPER[1] - FOOT)) > 1:
            found.append(Shown(text.strip(), tm[4], tm[5], size, "Courier" in str(font["/BaseFont"])))

    page.extract_text(visitor_text=visit)
    return found


def words(pdf: bytes) -> Counter[str]:
    return Counter(word for page in reader(pdf).pages for each in shown(page) for word in each.text.split())


@cache
def crowd(name: str) -> list[list[Shown]]:
    """The pages of a hundred and more addresses."""
    return [shown(page) for page in reader(as_pdf(document(name, CROWD, EUROPE), BASE)).pages]


# --- What it says. ---


@pytest.mark.parametrize("name", MAKERS)
def test_it_has_the_words_of_the_document_and_no_others(name: str) -> None:
    made = document(name, signed(LIVE | {"contact": CONTACT}), EUROPE)
    inline = re.sub(r"</?(a|span|wbr)\b[^>]*>", "", as_html(made))
    expected = Counter(" ".join(html_page(inline).find("body").itertext()).split())
    bullets = Counter({"\u2022": sum(len(block.links) for block in made.blocks)})
    assert words(as_pdf(made)) == expected + bullets


@pytest.mark.parametrize("name", MAKERS)
def test_every_address_is_whole_on_one_line(name: str) -> None:
    inventories = read(json.dumps([CROWD, EUROPE]))
    seen = {
        re.sub(r"[,;\])]|(/\d+)$", "", word).lstrip("[(")
        for page in crowd(name)
        for each in page
        for word in each.text.split()
    }
    wanted = Direction.OUTBOUND if name.startswith("vendor") else Direction.INBOUND
    addresses = {
        each.address
        for inventory in inventories
        for each in inventory.addresses
        if each.published and each.direction is wanted
    }
    assert len(addresses) > (100 if wanted is Direction.OUTBOUND else 2)
    assert addresses - seen == set()


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_leaves_the_paper_and_nothing_is_smaller_than_can_be_read(name: str) -> None:
    for page in crowd(name):
        for each in page:
            assert each.size >= 5
            assert each.x >= LEFT
            assert PAPER[1] - BOTTOM - 3 < each.y < PAPER[1] - TOP
            if each.mono:
                assert each.x + 0.6 * each.size * len(each.text) <= LEFT + WIDTH, each


def test_a_wide_table_has_columns_that_do_not_touch() -> None:
    """Texts of a row begin after the one before ends; Helvetica's letters are at least 0.2 em wide."""
    for page in crowd("customer-sheet-pdf"):
        rows: dict[float, list[Shown]] = {}
        for each in page:
            rows.setdefault(each.y, []).append(each)
        for row in rows.values():
            for left, right in pairwise(row):
                figures = sum(character.isdigit() for character in left.text)
                assert left.x + left.size * (0.2 * len(left.text) + 0.356 * figures) < right.x


def test_addresses_in_many_columns_are_smaller_and_not_broken() -> None:
    rows = [
        [f"2001:db8:ffff:eeee:dddd:cccc:{row}:{column}" for column in range(1000, 1004)] for row in range(1000, 1003)
    ]
    pdf = as_pdf(Document("Wide", [], [Block("Wide", "", ["Address"] * 4, rows)], []))
    (page,) = reader(pdf).pages
    found = [each for each in shown(page) if each.text.startswith("2001:")]
    assert [each.text for each in found] == [address for row in rows for address in row]
    assert {5 <= each.size < 8.5 for each in found} == {True}
    for left, right in pairwise(found):
        assert left.y != right.y or left.x + 0.45 * left.size * len(left.text) < right.x


def test_free_text_has_the_letters_of_western_languages_and_something_readable_of_others() -> None:
    assert latin("ünï São Paulo, “quoted” – 5 €") == "ünï São Paulo, “quoted” – 5 €"
    assert latin("Praha: Dvořák") == "Praha: Dvorák"
    assert latin("a\u0301 e\u0301\u2010x ﬁne Ⅷ ½") == "a e-x fine VIII ½"
    assert latin("東京 💥") == "?? ?"
    assert latin("a\u202eb\nc\u0000d") == "a b c d"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("name", MAKERS)
def test_free_text_stays_text(name: str, text: str) -> None:
    harmless, harmful = (as_pdf(document(name, each), BASE) for each in (EUROPE, hostile(text)))
    assert harmful.isascii()
    assert targets(harmful) == targets(harmless)
    assert len(reader(harmful).outline) == len(reader(harmless).outline)
    for word in (b"/JavaScript", b"/Launch", b"/EmbeddedFile"):
        assert word not in harmful.replace(b"(", b"").replace(latin(text).encode("ascii", "ignore"), b"")
    wanted = "".join(latin(text).split())
    if name == "vendor-sheet-pdf" and len(wanted) < 100:
        assert wanted in "".join(each.text for page in reader(harmful).pages for each in shown(page)).replace(" ", "")


def test_a_placeholder_of_the_library_is_text() -> None:
    made = Document("Title", ["{nb} of {nb}", "**bold** --x-- (a\\b)"], [], [])
    assert words(as_pdf(made)) == Counter(["Title", "{nb}", "of", "{nb}", "**bold**", "--x--", "(a\\b)"])


# --- Its form. ---


def test_the_same_document_gives_the_same_bytes_at_any_time_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    made = document("customer-guide-pdf", LIVE, EUROPE)
    found: set[bytes] = set()
    for zone in ("UTC", "Asia/Kolkata"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.add(as_pdf(made, BASE))
    monkeypatch.undo()
    time.tzset()
    (pdf,) = found
    assert pdf.isascii(), "it is published as text"
    assert re.findall(rb"D:\d{14}", pdf) == [b"D:20260201000000"], "no other date than the document's"


def test_it_says_what_it_is_of_when_and_whose() -> None:
    found = reader(as_pdf(document("vendor-guide-pdf", LIVE, EUROPE)))
    known = found.metadata
    assert known
    assert (known.title, known.author) == ("Vendor guide: take our calls", "WARP")
    assert known.creation_date
    assert known.creation_date.date().isoformat() == "2026-02-01", "the last change of an address"
    assert str(found.root_object["/Lang"]) == "en"
    undated = reader(as_pdf(document("vendor-guide-pdf", LIVE))).metadata
    assert undated
    assert undated.creation_date
    assert undated.creation_date.year == 1970, "no clock is read"


@pytest.mark.parametrize("name", ["vendor-sheet-pdf", "customer-sheet-pdf"])
def test_the_sheet_of_production_is_one_page(name: str) -> None:
    production = json.loads((FOLDER / "prod.json").read_text())["outputs"]["ipInventory"]
    found = reader(as_pdf(document(name, signed(production | {"contact": CONTACT}))))
    assert len(found.pages) == 1
    assert found.pages[0].mediabox[2:] == pytest.approx(PAPER, abs=0.01)
    assert found.pages[0].extract_text().rstrip().endswith("1 of 1")


@pytest.mark.parametrize("name", ["vendor-guide-pdf", "customer-guide-pdf"])
def test_pages_are_numbered(name: str) -> None:
    pages = reader(as_pdf(document(name, LIVE, EUROPE))).pages
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert page.extract_text().rstrip().endswith(f"{number} of {len(pages)}")


def targets(pdf: bytes) -> list[str]:
    return [
        annotation.get_object()["/A"]["/URI"] for page in reader(pdf).pages for annotation in page.get("/Annots", [])
    ]


@pytest.mark.parametrize("name", ["vendor-guide-pdf", "customer-guide-pdf"])
def test_links_lead_to_the_site_if_it_is_known(name: str) -> None:
    made = document(name, LIVE, EUROPE)
    paths = [path for block in made.blocks for path, _ in block.links]
    expected = [BASE + (path.removeprefix("../") if path.startswith("../") else f"formats/{path}") for path in paths]
    assert len(expected) > 5
    assert targets(as_pdf(made, BASE)) == expected
    assert targets(as_pdf(made)) == [], "a link that leads nowhere is none"


def headings(pdf: bytes) -> list[tuple[str, int, float]]:
    """Title, page, and distance from the paper's lower edge, in the order of the outline."""
    found = reader(pdf)

    def flat(entries: Any) -> Any:
        for entry in entries:
            yield from flat(entry) if isinstance(entry, list) else [entry]

    return [
        (str(each.title), found.get_destination_page_number(each) or 0, float(each.top)) for each in flat(found.outline)
    ]


def test_no_heading_stands_alone_at_the_foot_of_a_page() -> None:
    """Blocks of every kind and of many lengths, so that the foot of a page falls everywhere."""
    cells, lines = [("198.51.100.1", "x " * 60)], ["allow from 198.51.100.1/32"]
    blocks = []
    for count in range(1, KINDS):
        blocks += [
            Block("Table", "", ("Address", "Remark"), cells * (count % 17 + 1)),
            Block("Text-and-table", "word " * 30, ("Address", "Remark"), cells * (count % 5 + 1)),
            Block("Text", "word " * (7 * count)),
            Block("Above", "word " * 20),
            Block("Below", listing=lines * (count * 3), links=[("a", "b")], below=True),
        ]
    pdf = as_pdf(Document("All", [], blocks, []))
    found = headings(pdf)
    assert [title for title, _, _ in found] == ["All", *(block.heading for block in blocks)]
    pages = [shown(page) for page in reader(pdf).pages]
    assert len(pages) > 15
    titles = {title for title, _, _ in found}
    for title, page, top in found:
        below = [each for each in pages[page] if each.y < top - 20 and each.text not in titles]
        assert len({each.y for each in below}) >= 2 or title == "Text", (title, page)
        assert below, (title, page)


def test_the_head_of_a_table_is_repeated_on_each_page() -> None:
    for page in crowd("vendor-sheet-pdf")[:3]:
        assert [each.text for each in page].count("Remark") == 1


def test_a_long_line_of_a_listing_is_wrapped_between_words() -> None:
    line = "  tcpdump " + " or ".join(f"host 198.51.100.{n}" for n in range(100))
    parts = list(folded(line, 100))
    assert max(map(len, parts)) <= 100
    assert " ".join(part.strip() for part in parts) == line.strip()
    assert next(folded("x" * 250, 100)) == "x" * 100, "no word fits"


# --- Where it is. ---


@pytest.mark.parametrize("name", MAKERS)
def test_the_format_is_that_document(name: str) -> None:
    assert render(name, LIVE, EUROPE).encode() == as_pdf(document(name, LIVE, EUROPE))
    assert FORMATS[name].file == f"{name.removesuffix('-pdf')}.pdf"
    assert set(NAT) <= {word.rstrip(",").removesuffix("/32") for word in words(render(name, LIVE).encode())}
