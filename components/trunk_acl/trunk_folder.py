"""Which files of the folder are trunk files. Everything in it counts or is refused by name: a file that is passed over
in silence would be the end of its customers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

ENDINGS = (".yaml", ".yml")  # in any case
_PASSED_OVER = (".gitignore", ".gitkeep")  # and *.md

_NO_LINK = "a link, and what it leads to can change without a review; put the file itself here"
_EDITORS = "begins with a dot, as files of editors and systems do; remove it, or name it without the dot"
_PARKED = (
    "neither *.yaml nor *.yml: it would count for nothing; rename it, or move it out of this folder"
    " (a trunk is switched off by `active: false`)"
)


def listed(folder: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """The trunk files of a folder, sorted, and the name of everything that cannot be one, with the reason. Raises
    `OSError`."""
    files, refused = list[Path](), list[tuple[str, str]]()
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if reason := _reason(entry):
            refused.append((entry.name, reason))
        elif entry.name.lower().endswith(ENDINGS):
            files.append(Path(entry.path))
    if not files and not refused:
        refused.append(("", "no trunk file in it; as long as there is no customer, add a file with `[]`"))
    return files, refused


def _reason(entry: os.DirEntry[str]) -> str:
    name, mode = entry.name, entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return _NO_LINK
    if stat.S_ISDIR(mode):
        return "a folder, and folders in this one are not read; put its files here"
    if not stat.S_ISREG(mode):
        return "not a regular file"
    if name in _PASSED_OVER or (name.lower().endswith(".md") and not name.startswith(".")):
        return ""
    if name.startswith("."):
        return _EDITORS
    return "" if name.lower().endswith(ENDINGS) else _PARKED
