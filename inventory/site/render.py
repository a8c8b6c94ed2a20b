"""The whole site, path to bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from inventory.formats import FORMATS, NothingToListError, merged, told_to
from inventory.reading import PublishedInventory, json_schema
from inventory.site import files
from inventory.site.feed import feed
from inventory.site.page import page
from inventory.site.ranges import ip_ranges


def render(found: Sequence[PublishedInventory], base_url: str = "") -> dict[str, bytes]:
    """Every file of `files.FILES`, of these inventories (as `inventory.reading.read` gives them).

    Raises `NothingToListError` when two regions claim one living address. A format that cannot be written for these
    addresses is one line that says why: no program takes that for a list, as it would take an empty one.
    """
    # Anybody reads it: what one customer has for itself is told to that customer.
    inventories = merged(told_to(None, _ordered(found)))
    base_url = base_url and f"{base_url.rstrip('/')}/"
    formats: dict[str, str] = {}
    missing: dict[str, str] = {}
    for form in files.FORMS:
        try:
            formats[form.path] = FORMATS[form.format].select(inventories, form.audience)
        except NothingToListError as error:
            missing[form.path] = str(error)
    ranges = ip_ranges(inventories)
    texts = {
        files.INDEX: page(inventories, ranges, missing),
        files.RANGES: _json(ranges),
        files.SCHEMA: _json(json_schema()),
        **formats,
        **{path: f"not available: {why}\n" for path, why in missing.items()},
    }
    return {files.FEED: feed(inventories, base_url)} | {path: text.encode() for path, text in texts.items()}


def _ordered(found: Sequence[PublishedInventory]) -> list[PublishedInventory]:
    """Regions in the order of their names, and keys in theirs: the engine sorts what a stack's outputs hold."""
    canonical = sorted((each.region, json.dumps(each.raw, sort_keys=True)) for each in found)
    return [PublishedInventory.of(json.loads(text)) for _, text in canonical]


def _json(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"
