"""A document as PDF on A4, the same bytes for the same document: no clock is read.

The file is ASCII as a whole (streams are not compressed, other characters of text are escaped), so that it can be
published as every other file is, as text. The fonts are those that every reader of PDF has (ISO 32000-1, 9.6.2.2) and
have the characters of Windows-1252: of others the letter without its accent is written, or `?`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import cache
from itertools import accumulate, zip_longest
from urllib.parse import urljoin

from fpdf import FPDF, ViewerPreferences

from inventory.formats.prose import Block, Document
from inventory.templates import pieces, printable

# In points.
LEFT, TOP, WIDTH, BOTTOM = 51.0, 42.0, 493.0, 788.0
FOOT = 812.0
PADDING = 4.0
SMALLEST = 5.0
WHOLE_ROWS, WHOLE_LINES = 12, 20  # up to so many a table or a listing stays on one page
MAYBE_BINARY = b"%\xe9\xeb\xf1\xbf"  # fpdf2's second line: "contains binary data" (ISO 32000-1, 7.5.2)
ENCODING = "cp1252"
BLACK, GREY, BLUE, RULE, RAISED = 17, 90, (11, 87, 176), 150, 243


@dataclass(frozen=True)
class Font:
    """One of the standard fonts; `size` in points."""

    family: str
    size: float
    style: str = ""

    @property
    def leading(self) -> float:
        """The height of a line."""
        return self.size * 1.36


TITLE, HEADING, BELOW = Font("Helvetica", 16, "B"), Font("Helvetica", 12, "B"), Font("Helvetica", 10, "B")
TEXT, SMALL, CELL, LISTING = (
    Font("Helvetica", 9.5),
    Font("Helvetica", 7.5),
    Font("Helvetica", 8.5),
    Font("Courier", 7.5),
)


@dataclass(frozen=True)
class Strip:
    """A part of a page that is never divided. `draw`: at a distance from the upper edge; `gap`: above it, but not at
    the top of a page; `joined`: on one page with the next; `again`: what is repeated above it at the top of a page."""

    height: float
    draw: Callable[[float], None]
    gap: float = 0
    joined: bool = False
    again: Strip | None = None


def as_pdf(document: Document, base_url: str = "") -> bytes:
    """`base_url`: of the site, with a slash at the end; without it, links are text."""
    return _Writer(document, base_url).written()


def latin(text: str) -> str:
    """Free text in the characters of Windows-1252."""
    return "".join(map(_latin, printable(text)))


@cache
def _latin(character: str) -> str:
    for written in (character, "".join(c for c in unicodedata.normalize("NFKD", character) if c.isprintable())):
        plain = written if written == character else "".join(c for c in written if not unicodedata.combining(c))
        if plain and plain.encode(ENCODING, "ignore").decode(ENCODING) == plain:
            return plain
    if unicodedata.category(character) == "Pd":  # dashes
        return "-"
    return "" if unicodedata.combining(character) else "?"


class _Writer:
    def __init__(self, document: Document, base_url: str) -> None:
        self.document, self.base_url = document, base_url
        self.pdf = pdf = FPDF(unit="pt", format="A4")
        pdf.set_auto_page_break(False)
        pdf.set_compression(False)
        pdf.core_fonts_encoding = ENCODING
        pdf.set_title(document.title)
        pdf.set_author("WARP")
        pdf.set_producer("fpdf2")
        pdf.set_lang("en")
        pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
        day = document.day
        pdf.set_creation_date(datetime.combine(day, time(), UTC) if day else datetime.fromtimestamp(0, UTC))
        self.widths: dict[tuple[Font, str], float] = {}

    def written(self) -> bytes:
        pages = paginated(list(self.strips()))
        for number, page in enumerate(pages, 1):
            self.pdf.add_page()
            for strip, top in page:
                strip.draw(top)
            self.text(self.document.title, SMALL, LEFT, FOOT, GREY)
            count = f"{number} of {len(pages)}"
            self.text(count, SMALL, LEFT + WIDTH - self.width(count, SMALL), FOOT, GREY)
        for each in self.pdf.pages.values():
            assert isinstance(each.contents, bytearray)
            each.contents = bytearray(re.sub(rb"[\x80-\xff]", lambda byte: b"\\%03o" % byte[0][0], each.contents))
        return bytes(self.pdf.output()).replace(MAYBE_BINARY, b"%text", 1)

    def strips(self) -> Iterator[Strip]:
        document = self.document
        yield from self.heading(document.title, TITLE, 0, 0)
        for line in document.about:
            yield from self.paragraph(line, TEXT, colour=GREY)
        for block, after in zip_longest(document.blocks, document.blocks[1:]):
            level, font, gap = (2, BELOW, 8.0) if block.below else (1, HEADING, 14.0)
            yield from self.heading(block.heading, font, level, gap)
            more = bool(block.rows or block.links or block.listing or (after and after.below))
            if block.text:
                yield from self.paragraph(block.text, TEXT, joined=more)
            if block.rows:
                yield from self.table(block)
            for number, link in enumerate(block.links, 1):
                yield from self.link(*link, joined=bool(block.listing) or number < min(3, len(block.links)))
            if block.listing:
                yield from self.listing(block.listing)
        for number, line in enumerate(document.footer):
            last = number == len(document.footer) - 1
            yield from self.paragraph(line, SMALL, gap=3 if number else 12, joined=not last, colour=GREY)

    def heading(self, text: str, font: Font, level: int, gap: float) -> Iterator[Strip]:
        lines = self.lines(text, font, WIDTH)

        def outlined(top: float) -> None:
            self.pdf.set_xy(LEFT, top)
            self.pdf.start_section(printable(text), level, strict=False)
            self.text(lines[0], font, LEFT, top + font.size, BLACK)

        yield Strip(font.leading + 1, outlined, gap, joined=True)
        yield from (replace(each, joined=True) for each in self.plain(lines[1:], font))

    def paragraph(
        self, text: str, font: Font, *, gap: float = 3, joined: bool = False, colour: int = BLACK
    ) -> Iterator[Strip]:
        found = self.plain(self.lines(text, font, WIDTH), font, colour)
        yield from together([replace(found[0], gap=gap), *found[1:]], joined=joined)

    def plain(self, lines: Sequence[str], font: Font, colour: int = BLACK) -> list[Strip]:
        def drawing(line: str) -> Callable[[float], None]:
            return lambda top: self.text(line, font, LEFT, top + font.size, colour)

        return [Strip(font.leading, drawing(line)) for line in lines]

    def link(self, path: str, about: str, *, joined: bool) -> Iterator[Strip]:
        shown, indent = latin(path.removeprefix("../")), 8.0
        first, *rest = self.lines(f"{shown}: {about}", TEXT, WIDTH - indent)

        def drawn(top: float) -> None:
            base, left = top + TEXT.size, LEFT + indent
            self.text("\u2022", TEXT, LEFT, base, BLACK)
            linked = shown if self.base_url and first.startswith(shown) else ""
            wide = self.width(linked, TEXT)
            if linked:
                self.text(linked, TEXT, left, base, BLUE)
                self.pdf.link(left, top, wide, TEXT.leading, urljoin(f"{self.base_url}formats/", path))
            self.text(first.removeprefix(linked), TEXT, left + wide, base, BLACK)

        found = [Strip(TEXT.leading, drawn, 2), *self.plain(rest, TEXT)]
        yield from together(found, joined=joined)

    def table(self, block: Block) -> Iterator[Strip]:
        font = CELL
        while (least := self.least(block, font)) and sum(least) > WIDTH and font.size > SMALLEST:
            font = replace(font, size=font.size - 0.5)
        widths = self.columns(block, font, least)
        head = self.row(block.head, replace(font, style="B"), widths, head=True)
        yield from together([replace(head[0], gap=5), *head[1:]], joined=True)
        again = head[0] if len(head) == 1 else None
        rows = [self.row(row, font, widths) for row in block.rows]
        for number, row in enumerate(rows):
            whole = len(rows) <= WHOLE_ROWS and number < len(rows) - 1
            yield from (
                replace(each, again=again)
                for each in together(row, joined=whole or number == 0 < len(rows) - 1 or number == len(rows) - 2)
            )

    def least(self, block: Block, font: Font) -> list[float]:
        """Of each column, the width that its longest unbreakable piece needs."""
        return [
            max(self.width(piece, font) for cell in column for word in latin(cell).split() for piece in pieces(word))
            + 2 * PADDING
            + 1
            for column in zip(self.bold_as_wide(block), *block.rows, strict=True)
        ]

    def bold_as_wide(self, block: Block) -> list[str]:
        """The head, whose bold letters are wider, with a letter more for each word."""
        return [" ".join(f"{word}i" for word in cell.split()) for cell in block.head]

    def columns(self, block: Block, font: Font, least: Sequence[float]) -> list[float]:
        """Widths of the columns: the rest of the page is divided by how much more each would fill."""
        least = [each * min(1, WIDTH / sum(least)) for each in least]
        wanted = [
            max(0, max(self.width(latin(cell), font) for cell in column) + 2 * PADDING + 1 - each)
            for column, each in zip(zip(self.bold_as_wide(block), *block.rows, strict=True), least, strict=True)
        ]
        rest = max(0, WIDTH - sum(least))
        if (total := sum(wanted)) > rest:
            return [each + more * rest / total for each, more in zip(least, wanted, strict=True)]
        even = (rest - total) / len(least)
        return [each + more + even for each, more in zip(least, wanted, strict=True)]

    def row(self, cells: Sequence[str], font: Font, widths: Sequence[float], *, head: bool = False) -> list[Strip]:
        lines = [self.lines(cell, font, width - 2 * PADDING) for cell, width in zip(cells, widths, strict=True)]
        lefts = [LEFT, *accumulate(widths[:-1], initial=LEFT)][1:]
        count = max(map(len, lines))

        def drawing(number: int) -> Callable[[float], None]:
            above, below = (2.0 if number == 0 else 0.0), (2.0 if number == count - 1 else 0.0)
            height = font.leading + above + below

            def drawn(top: float) -> None:
                if head:
                    self.pdf.set_fill_color(RAISED)
                    self.pdf.rect(LEFT, top, WIDTH, height, style="F")
                for left, column in zip(lefts, lines, strict=True):
                    if number < len(column):
                        self.text(column[number], font, left + PADDING, top + above + font.size, BLACK)
                if below:
                    self.pdf.set_draw_color(RULE)
                    self.pdf.set_line_width(0.5)
                    self.pdf.line(LEFT, top + height, LEFT + WIDTH, top + height)

            return drawn

        extra = {0: 2.0} | {count - 1: 2.0 if count > 1 else 4.0}
        return [Strip(font.leading + extra.get(number, 0), drawing(number)) for number in range(count)]

    def listing(self, lines: Sequence[str]) -> Iterator[Strip]:
        """Lines that are too long for the page are in smaller letters, and at last wrapped between words."""
        shown = [latin(line) for line in lines]
        longest = max(map(len, shown))
        size = (WIDTH - 2 * PADDING) / (0.6 * max(1, longest))
        font = replace(LISTING, size=min(LISTING.size, size) if size >= 6 else 6.5)
        fits = int((WIDTH - 2 * PADDING) / (0.6 * font.size) + 1e-6)
        wrapped = [part for line in shown for part in folded(line, fits)]
        pad = 3.0

        def drawing(line: str, above: float, height: float) -> Callable[[float], None]:
            def drawn(top: float) -> None:
                self.pdf.set_fill_color(RAISED)
                self.pdf.rect(LEFT, top, WIDTH, height, style="F")
                self.text(line, font, LEFT + PADDING, top + above + font.size, BLACK)

            return drawn

        found = []
        for number, line in enumerate(wrapped):
            above, below = (pad if number == 0 else 0), (pad if number == len(wrapped) - 1 else 0)
            height = font.leading + above + below
            found.append(Strip(height, drawing(line, above, height), gap=0 if number else 4))
        for number, each in enumerate(found):
            inside = number < len(found) - 1
            ends = number < 2 or number >= len(found) - 3
            yield replace(each, joined=inside and (len(found) <= WHOLE_LINES or ends))

    def lines(self, text: str, font: Font, width: float) -> list[str]:
        """Text in lines: broken between words, host names after a point, words longer than an address anywhere."""
        found, line, filled = [], "", 0.0
        blank = self.width(" ", font)
        for word in latin(text).split():
            # The standard fonts have no kerning here: a line is as wide as its pieces.
            sizes = [(piece, self.width(piece, font)) for piece in pieces(word)]
            if line and filled + blank + sum(size for _, size in sizes) > width:
                found.append(line)
                line, filled = "", 0.0
            elif line:
                line, filled = f"{line} ", filled + blank
            for piece, size in sizes:
                if line and filled + size > width:
                    found.append(line)
                    line, filled = "", 0.0
                line, filled = f"{line}{piece}", filled + size
        return [*found, line]

    def width(self, text: str, font: Font) -> float:
        key = font, text
        if key not in self.widths:
            self.use(font)
            self.widths[key] = self.pdf.get_string_width(text)
        return self.widths[key]

    def text(self, text: str, font: Font, x: float, y: float, colour: int | tuple[int, int, int]) -> None:
        if text.strip():
            self.use(font)
            self.pdf.set_text_color(*(colour if isinstance(colour, tuple) else (colour,)))
            self.pdf.text(x, y, latin(text))

    def use(self, font: Font) -> None:
        self.pdf.set_font(font.family, font.style, font.size)


def folded(line: str, fits: int) -> Iterator[str]:
    """A line of a listing in parts of at most `fits` characters, divided at blanks; further parts are indented."""
    while len(line) > fits:
        indented = len(line) - len(line.lstrip(" "))
        at = line.rfind(" ", indented + 1, fits + 1)
        at = at if at > 0 else fits
        yield line[:at]
        line = f"    {line[at:].lstrip(' ')}"
    yield line


def together(strips: Sequence[Strip], *, joined: bool) -> list[Strip]:
    """Strips on one page, and with what follows if `joined`."""
    return [replace(each, joined=True) for each in strips[:-1]] + [replace(strips[-1], joined=joined)]


def paginated(strips: Sequence[Strip]) -> list[list[tuple[Strip, float]]]:
    """Each page's strips, with their distance from the upper edge."""
    pages: list[list[tuple[Strip, float]]] = [[]]
    top = TOP

    def turned(strip: Strip) -> None:
        nonlocal top
        pages.append([])
        top = TOP
        if strip.again:
            pages[-1].append((strip.again, top))
            top += strip.again.height

    for group in _groups(strips):
        height = sum(each.height + each.gap for each in group)
        if pages[-1] and top + height > BOTTOM:
            turned(group[0])
        for strip in group:
            gap = strip.gap if pages[-1] else 0
            if pages[-1] and top + gap + strip.height > BOTTOM:  # a group of more than a page
                turned(strip)
                gap = 0
            pages[-1].append((strip, top + gap))
            top += gap + strip.height
    return pages


def _groups(strips: Sequence[Strip]) -> Iterator[list[Strip]]:
    group: list[Strip] = []
    for strip in strips:
        group.append(strip)
        if not strip.joined:
            yield group
            group = []
    if group:
        yield group
