"""The files of a site. The list is fixed, with or without PDF: a stack declares them before any address is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from inventory.formats import FORMATS, Audience, Family
from inventory.formats.selection import file_of

INDEX, RANGES, GOOGLE_RANGES, FEED = "index.html", "ip-ranges.json", "goog.json", "feed.xml"
SCHEMA = "formats/inventory.schema.json"

_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".pdf": "application/pdf",
}
PLAIN_TEXT: Final = "text/plain; charset=utf-8"  # also for configurations: browsers display it


@dataclass(frozen=True)
class Form:
    """A format of `inventory/formats`, written for one audience into one file; `family` if it takes only one."""

    format: str
    audience: Audience
    path: str
    family: Family | None = None


def _forms() -> Iterator[Form]:
    for each in FORMATS.values():
        families: tuple[Family | None, ...] = (4, 6) if each.one_family else (None,)
        for family in families[:1] if each.ipv4_only else families:
            file = file_of(each.file, family or 4)
            yield Form(each.name, each.audiences[0], f"formats/{file}", family)
            if each.customers_too:
                yield Form(each.name, Audience.CUSTOMERS, f"formats/customers/{file}", family)


FORMS: Final = tuple(_forms())
PDFS: Final = tuple(form.path for form in FORMS if form.path.endswith(".pdf"))
FILES: Final = (INDEX, RANGES, GOOGLE_RANGES, FEED, SCHEMA, *(form.path for form in FORMS if form.path not in PDFS))


def content_type(path: str) -> str:
    """The content type of a file."""
    return "application/atom+xml" if path == FEED else _CONTENT_TYPES.get(PurePosixPath(path).suffix, PLAIN_TEXT)
