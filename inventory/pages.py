"""Templates of pages: whatever stands in an inventory is text there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def printable(text: str) -> str:
    """Without control characters, and without those that turn text around: spaces in their place."""
    return "".join(each if each.isprintable() else " " for each in text)


@cache
def template(file: Path) -> Template:
    """A page's template; it escapes what it is given, and refuses what it is not given."""
    # Here, because the program that deploys needs none of it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(file.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment.get_template(file.name)
