"""docs/walk-through.md, command by command, in a copy of the project as whoever cloned it would have it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.aside import FIRST, LAST
from tests.stacks import ROOT

PAGE = ROOT / "docs" / "walk-through.md"
BLOCK = re.compile(r"^```(diff|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
REFUSED = "make: ***"


class Copy:
    """A copy of the project. Its sandbox has addresses of its own; all else is as `make up` has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tracked = _run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], ROOT).stdout
        for name in filter(None, tracked.split("\0")):
            if (ROOT / name).is_file():  # one that is deleted and not committed is listed as well
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        if (ROOT / ".engine").exists():
            shutil.copytree(ROOT / ".engine", folder / ".engine", symlinks=True)

    def start(self) -> None:
        """Set up as `make up` does, and start the cloud where no other sandbox is."""
        self.say("make setup")
        octet = FIRST + secrets.randbelow(LAST - FIRST)
        self.say(f".venv/bin/python -m sandbox start --network 127.{octet}.0.0/16 --dns-port 0")

    def say(self, command: str) -> str:
        """What a command prints that must succeed."""
        done = self.run(command)
        assert not done.returncode, f"$ {command}\n{done.stdout}"
        return done.stdout

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return _run(["bash", "-c", command], self.folder)

    def edit(self, diff: str) -> None:
        """Change the settings as the page says; lines that stay or go must be there, once."""
        if "ADDRESS" in diff:
            listed = json.loads(self.say("make --silent outputs"))["ipInventory"]["addresses"]
            diff = diff.replace("ADDRESS", next(a["address"] for a in listed if a["name"] == "warp-nat-ip-1"))
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        file = self.folder / "Pulumi.sandbox.yaml"
        settings = file.read_text(encoding="utf-8")
        assert settings.count(before) == 1, f"not there once:\n{before}"
        file.write_text(settings.replace(before, after), encoding="utf-8")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # What this run of make or of a virtual environment has set is not what a shell has.
    ours = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH"}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    copy = Copy(tmp_path / "warp-edge")
    try:
        copy.start()
        yield copy
    finally:
        copy.run("make clean")


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block with the lines that the page says it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield command, [line for line in lines if line]


def missing(lines: list[str], output: str) -> list[str]:
    """The lines that are not in the output, each after the one before it."""
    printed = iter(output.splitlines())
    patterns = {line: re.compile(".*".join(map(re.escape, line.split(ANYTHING)))) for line in lines}
    return [line for line in lines if not any(patterns[line].fullmatch(each.rstrip()) for each in printed)]


def test_the_walk_through_is_what_happens(copy: Copy) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    for kind, text in blocks:
        if kind == "diff":
            copy.edit(text)
            continue
        for command, lines in commands(text):
            done = copy.run(command)
            unsaid = missing(lines, done.stdout)
            assert not unsaid, f"$ {command}\n{done.stdout}\nnot in it: {unsaid}"
            refused = any(line.startswith(REFUSED) for line in lines)
            assert bool(done.returncode) is refused, f"$ {command} ended with {done.returncode}\n{done.stdout}"
