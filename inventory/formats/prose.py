"""A document for people: headings, paragraphs, tables and listings, built once and formatted last, as Markdown and as
printable HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from inventory.templates import template

SHEET = Path(__file__).parent / "sheet.html"


@dataclass(frozen=True)
class Block:
    """A heading and its content; empty parts are omitted. `below`: a part of the block before it. `links`: path from
    this document, and what is there."""

    heading: str
    text: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    listing: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    below: bool = False


@dataclass(frozen=True)
class Document:
    """`about`: lines below the title: of when it is, and whom to ask; `day`: its date, if there is one."""

    title: str
    about: Sequence[str]
    blocks: Sequence[Block]
    footer: Sequence[str]
    day: date | None = None


MARKDOWN = str.maketrans({character: f"\\{character}" for character in r"\`*_[]<>|&~#!"})


def markdown(text: str) -> str:
    """Free text escaped for Markdown (CommonMark, "Backslash escapes"), on one line."""
    one_line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return one_line.translate(MARKDOWN)


def as_markdown(document: Document) -> str:
    """CommonMark with tables."""
    text = [f"# {markdown(document.title)}", *map(markdown, document.about)]
    for block in document.blocks:
        text.append(f"{'###' if block.below else '##'} {markdown(block.heading)}")
        if block.text:
            text.append(markdown(block.text))
        if block.rows:
            table = [block.head, ["---"] * len(block.head), *[[markdown(cell) for cell in row] for row in block.rows]]
            text.append("\n".join(f"| {' | '.join(row)} |" for row in table))
        if block.links:
            text.append("\n".join(f"- [{markdown(path)}]({path}) {markdown(about)}" for path, about in block.links))
        if block.listing:
            text.append("\n".join(f"    {' '.join(line.split())}" for line in block.listing))
    text += [markdown(line) for line in document.footer]
    return "\n\n".join(text) + "\n"


def as_html(document: Document) -> str:
    """A self-contained page; a browser's "print to PDF" gives A4 pages."""
    return template(SHEET).render(sheet=document) + "\n"
