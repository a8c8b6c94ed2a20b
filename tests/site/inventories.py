"""Inventories for the browser: every state of an address, and as much of everything as a page must bear."""

from __future__ import annotations

import json
from typing import Any

from inventory.reading import read
from inventory.site.render import render
from tests.unit.published import EUROPE, LIVE

EVERYTHING = (LIVE, EUROPE)


def rendered(*inventories: dict[str, Any]) -> dict[str, bytes]:
    """The files of their site."""
    return render(read(json.dumps(list(inventories))))
