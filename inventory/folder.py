"""Writes a site into a folder, completely or not at all.

The new folder is written beside the old one and replaces it by a rename, so that a crash leaves the old site, the new
one, or briefly none, never a mixture. A folder with other files is refused: the file `MANIFEST` lists what was written
here before.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from refusal import Refusal

MANIFEST = ".inventory-site"
ANOTHER = "choose a new or empty folder with --out"


def replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write exactly these files to the folder. Raises `Refusal` if it has other files, or `OSError`."""
    folder = folder.resolve()
    _refuse_strangers(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    new, old = (folder.with_name(f".{folder.name}.{mark}.{kind}") for kind in ("new", "old"))
    try:
        manifest = "".join(f"{path}\n" for path in sorted(files)).encode()
        for path, content in {**files, MANIFEST: manifest}.items():
            _write(new / path, content)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _refuse_strangers(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise Refusal(f"{folder} is a file", ANOTHER)
    manifest = folder / MANIFEST
    ours = {*manifest.read_text(encoding="utf-8").splitlines(), MANIFEST} if manifest.is_file() else set()
    found = {
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if not each.is_dir() or each.is_symlink()
    }
    if strangers := sorted(found - ours):
        raise Refusal(f"{folder} has {strangers[0]}, which is not a file of a site", ANOTHER)


def _write(file: Path, content: bytes) -> None:
    """Flushed to disk before the rename: otherwise a power failure can leave empty files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
