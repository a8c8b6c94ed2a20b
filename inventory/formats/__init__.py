"""Every text format of the inventory, by name.

A format is a pure function from a `Selection` to text; one module per kind of reader. Free text (purposes, names,
regions) gets into a configuration only through `remark`: a purpose must not become a rule.
"""

from __future__ import annotations

from inventory.formats.cisco import CISCO
from inventory.formats.clouds import CLOUDS
from inventory.formats.documents import DOCUMENTS
from inventory.formats.firewalls import FIREWALLS
from inventory.formats.lists import LISTS
from inventory.formats.routers import ROUTERS
from inventory.formats.selection import Audience, Family, Format, NothingToListError, Selection, merged, visible_to
from inventory.formats.voice import VOICE

__all__ = ["FORMATS", "Audience", "Family", "Format", "NothingToListError", "Selection", "merged", "visible_to"]

FORMATS: dict[str, Format] = {
    each.name: each for each in (*LISTS, *DOCUMENTS, *FIREWALLS, *CISCO, *ROUTERS, *VOICE, *CLOUDS)
}
