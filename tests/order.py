"""In which order files of tests run, for suites that run two files at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest


def longest_first(items: list[pytest.Item], folder: Path, names: Sequence[str]) -> None:
    """Put the files that take longest first, `test_NAME.py` of `folder`: one half would wait for a long one that is
    begun last. A new file is among the short ones. xdist keeps this order with `--no-loadscope-reorder`; by itself it
    goes by how many tests a file has."""
    places = {folder / f"test_{name}.py": place for place, name in enumerate(names)}
    assert all(file.exists() for file in places), "a file was renamed: say so where the longest are listed"
    items.sort(key=lambda item: places.get(item.path, len(places)))
