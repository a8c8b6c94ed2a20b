"""`--keep` and `--keep-failed`: folders of tests' stacks and clouds stay, and the run's end says how to look at them.

The hooks are in `tests/conftest.py`.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from sandbox import Sandbox
from sandbox import aside as without_keeping
from tests.stacks import ROOT


@dataclass
class _Block:
    """A cloud of one or more tests, and what has failed while it ran."""

    failed: list[str] = field(default_factory=list)
    stacks: list[Path] = field(default_factory=list)


which: Literal["none", "failed", "all"] = "none"
told: list[str] = []
_live: list[_Block] = []


def add_options(parser: pytest.Parser) -> None:
    """For `pytest_addoption`."""
    group = parser.getgroup("warp-edge")
    group.addoption("--keep", action="store_true", help="keep the folders of all tests' stacks and clouds")
    group.addoption("--keep-failed", action="store_true", help="keep those of failed tests")


def configure(config: pytest.Config) -> None:
    """For `pytest_configure`, before pytest chooses its own temporary folder: it removes old ones by itself."""
    global which
    which = "all" if config.getoption("keep") else "failed" if config.getoption("keep_failed") else "none"
    if which != "none" and not config.option.basetemp:
        config.option.basetemp = tempfile.mkdtemp(prefix="warp-edge-kept-")


def note_failure(name: str) -> None:
    """A test has failed: of what runs now, anything may be what it was about."""
    for block in _live:
        block.failed.append(name)


def note_stack(folder: Path) -> None:
    """A stack on the newest cloud has its folder here, the command `pulumi` in it."""
    if _live:
        _live[-1].stacks.append(folder)


@contextmanager
def sandbox_aside() -> Iterator[tuple[Sandbox, Path]]:
    """The same as `sandbox.aside.sandbox_aside`; with one of the options its folder may stay."""
    block = _Block()
    _live.append(block)

    def keep() -> bool:
        return which == "all" or (which == "failed" and bool(block.failed))

    try:
        with without_keeping.sandbox_aside(keep=keep) as (sandbox, folder):
            try:
                yield sandbox, folder
            except BaseException:
                # Where the block is in the test itself, it ends before pytest calls the test failed.
                block.failed.append(os.environ.get("PYTEST_CURRENT_TEST", "an exception").partition(" ")[0])
                raise
            finally:
                if keep():
                    told.append(_how_to_look(folder, sandbox, block))
    finally:
        _live.remove(block)


def _how_to_look(folder: Path, sandbox: Sandbox, block: _Block) -> str:
    cloud = shlex.join([sys.executable, "-m", "sandbox", "--dir", str(sandbox.directory)])
    stacks = dict.fromkeys([*block.stacks, *(each.parent for each in sorted(folder.glob("*/pulumi")))])
    return "\n".join(
        [
            f"{folder}{' after ' + ', '.join(dict.fromkeys(block.failed)) if block.failed else ''}",
            f"  (cd {shlex.quote(str(ROOT))}; {cloud} resources; {cloud} log)",
            *(f"  {shlex.quote(str(each / 'pulumi'))} stack" for each in stacks if (each / "pulumi").exists()),
        ]
    )
