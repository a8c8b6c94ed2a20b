"""Templates of pages: whatever stands in an inventory is text there."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Template
    from jinja2.bccache import Bucket


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
        bytecode_cache=_kept_beside(file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment.get_template(file.name)


def _kept_beside(file: Path) -> BytecodeCache | None:
    """Compiled templates stay where Python keeps compiled modules, as long as it may write there: compiling one takes
    longer than all else about its page. The cache knows the template's text by its hash; the name of its file has what
    else decides about the code: the release of Jinja and this module, where the options are."""
    import jinja2  # noqa: PLC0415
    from jinja2 import FileSystemBytecodeCache  # noqa: PLC0415

    class Kept(FileSystemBytecodeCache):
        # A folder that is not there, not ours to write, or no folder: then it is compiled each time.
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
