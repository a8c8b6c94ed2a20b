"""Templates of HTML documents: all values of an inventory are escaped as text."""

from __future__ import annotations

import hashlib
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Template
    from jinja2.bccache import Bucket
    from markupsafe import Markup


def printable(text: str) -> str:
    """Control and bidirectional characters replaced by spaces."""
    return "".join(each if each.isprintable() else " " for each in text)


# An address, a range, a socket or a date.
_FIGURE = re.compile(r"(?=.*\d)(?=.*[.:-])[0-9a-f.:/\[\]-]+[,;]?", re.IGNORECASE)
# One inside of a word: `address=192.0.2.1`.
_ADDRESS = re.compile(r"(\d+(?:\.\d+){2,}|(?<![0-9a-z])[0-9a-f]*(?::[0-9a-f]*){2,})", re.IGNORECASE)
LONGEST_UNBROKEN = 8  # `G.729`, which is no host name
LONGEST_FIGURE = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535,")


def pieces(word: str) -> list[str]:
    """A word's parts, between which a line may end: an address or a date is never broken, a host name only after a
    point, a word longer than any address anywhere, if there is no point or hyphen to end a line after."""
    if len(word) > LONGEST_FIGURE:
        parts = re.split(r"(?<=[.-])(?=\w)", word)
        return [piece for part in parts for piece in ([part] if len(part) <= LONGEST_UNBROKEN * 3 else part)]
    return [word] if _FIGURE.fullmatch(word) else _points(word)


def _points(word: str) -> list[str]:
    """Its parts after each point before a letter: never inside of an address or a number."""
    return [word] if len(word) <= LONGEST_UNBROKEN else re.split(r"(?<=\.)(?=[^\W\d])", word)


def unbroken(text: str) -> Markup:
    """Text whose addresses and dates are never broken at a line's end (class `figure`), whatever surrounds them, while
    host names may be after a point, and words longer than any address (class `long`) anywhere. Escaped, and printable.
    """
    from markupsafe import Markup, escape  # noqa: PLC0415

    def figure(word: str) -> Markup:
        return Markup('<span class="figure">{}</span>').format(word)

    def shown(word: str) -> Markup:
        if len(word) > LONGEST_FIGURE:
            return Markup('<span class="long">{}</span>').format(word)
        if _FIGURE.fullmatch(word):
            return figure(word)
        # Every second part is an address.
        parts = enumerate(_ADDRESS.split(word))
        return Markup("").join(
            figure(part) if place % 2 else Markup("<wbr>").join(map(escape, _points(part))) for place, part in parts
        )

    return Markup(" ").join(shown(word) for word in printable(text).split(" "))


@cache
def template(file: Path) -> Template:
    """A template that escapes values and refuses undefined ones."""
    # Imported here, because it is not needed for a deployment.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(file.parent),
        bytecode_cache=_kept_beside(file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable, "unbroken": unbroken}
    return environment.get_template(file.name)


def _kept_beside(file: Path) -> BytecodeCache | None:
    """Compiled templates are cached beside Python's compiled modules, if that folder is writable: compiling one takes
    longer than everything else about its document. The cache checks the hash of the template's text; the file's name
    has what else affects the code: the release of Jinja, and this module with its options."""
    import jinja2  # noqa: PLC0415
    from jinja2 import FileSystemBytecodeCache  # noqa: PLC0415

    class Kept(FileSystemBytecodeCache):
        # If the folder does not exist or is not writable, the template is compiled each time.
        def load_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().load_bytecode(bucket)

        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().dump_bytecode(bucket)

    if sys.dont_write_bytecode:
        return None
    options = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return Kept(str(file.parent / "__pycache__"), f"jinja-{jinja2.__version__}-{options}-%s.cache")
