"""Renders the site: path to bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from inventory.formats import FORMATS, NothingToListError, merged, visible_to
from inventory.reading import PublishedInventory, json_schema
from inventory.site import base_with_slash, files
from inventory.site.feed import feed
from inventory.site.page import page
from inventory.site.ranges import google_ranges, ip_ranges


def render(found: Sequence[PublishedInventory], base_url: str = "", *, pdf: bool = False) -> dict[str, bytes]:
    """Every file of `files.FILES`, and with `pdf` of `files.PDFS`, of these inventories (as `inventory.reading.read`
    gives them).

    Raises `NothingToListError` if two regions have the same living address. A format that cannot be written for these
    addresses is one line with the reason, which a program cannot mistake for an (empty) list.
    """
    # Public: dedicated addresses are shown to their customers only.
    inventories = merged(visible_to(None, _ordered(found)))
    base_url = base_with_slash(base_url)
    formats: dict[str, str] = {}
    missing: dict[str, str] = {}
    forms = [form for form in files.FORMS if pdf or form.path not in files.PDFS]
    for form in forms:
        try:
            formats[form.path] = FORMATS[form.format].select(inventories, form.audience, form.family, base_url)
        except NothingToListError as error:
            missing[form.path] = str(error)
    ranges = ip_ranges(inventories)
    texts = {
        files.INDEX: page(inventories, ranges, forms, missing, base_url),
        files.RANGES: _json(ranges),
        files.GOOGLE_RANGES: _json(google_ranges(inventories)),
        files.SCHEMA: _json(json_schema()),
        **formats,
        **{path: f"not available: {why}\n" for path, why in missing.items()},
    }
    return {files.FEED: feed(inventories, base_url)} | {path: text.encode() for path, text in texts.items()}


def _ordered(found: Sequence[PublishedInventory]) -> list[PublishedInventory]:
    """Regions sorted by name, and keys sorted: the engine sorts a stack's outputs."""
    canonical = sorted((each.region, json.dumps(each.raw, sort_keys=True)) for each in found)
    return [PublishedInventory.of(json.loads(text)) for _, text in canonical]


def _json(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"
