"""Checks that `uv.lock` matches pyproject.toml, and what is exported from it matches `uv.lock`.

    python3 tools/python_lock.py            check; does not query the package index
    python3 tools/python_lock.py --write    write all (`make lock`); queries the package index

requirements.txt is for tools other than uv: pip, scanners, images. kamailio/reloader/requirements.txt is what the
reloader's image installs. Both are exported, never edited.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from get_uv import LOCK
from steps import BootstrapError, say

ROOT = Path(__file__).resolve().parent.parent
EXPORT = "requirements.txt"
# File to what of the lock is in it: the program's libraries, or one group alone.
EXPORTS: Mapping[str, tuple[str, ...]] = {
    EXPORT: (),
    "kamailio/reloader/requirements.txt": ("--only-group", "reloader"),
}
HEADER = "# Exported from uv.lock, never edited: change pyproject.toml, then `make lock`.\n"
REMEDY = "run `make lock` and commit the result"
# The lock is always made with the index that it names: a mirror configured on one machine cannot be reached elsewhere.
# Nor may other settings of uv, or an active environment, change the result.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("UV_") and name != "VIRTUAL_ENV"}


def uv(root: Path, *words: str) -> str:
    """uv's output; its error in one line if it fails."""
    command = root / ".venv" / "bin" / "uv"
    if not command.exists():
        raise BootstrapError(f"{command} does not exist; run `make setup-dev`")
    env = {**CLEAN, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run([str(command), *words], cwd=root, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        first = next((line for line in said if line.startswith("error: ")), said[-1] if said else "no word")
        raise BootstrapError(f"`uv {words[0]}` ended with {done.returncode}: {first.removeprefix('error: ')}")
    return str(done.stdout)


def index_of(lock: str) -> str:
    """The index that a lock was made with. uv considers any other index a change, even one with the same files."""
    found = set(re.findall(r'^source = \{ registry = "([^"]+)" \}$', lock, re.MULTILINE))
    if len(found) != 1:
        raise BootstrapError(f"{LOCK} was made with {len(found)} package indexes; restore it from the repository")
    return str(found.pop())


def exported(root: Path, file: str = EXPORT) -> str:
    """The libraries of that file with their hashes, in pip's format, without index and host."""
    words = ("--frozen", "--offline", "--quiet", "--no-header", "--no-config", *EXPORTS[file])
    return HEADER + uv(root, "export", *words)


def lock(root: Path, *words: str) -> str:
    """Lock the requirements of pyproject.toml; with `--check` only compare."""
    index = index_of((root / LOCK).read_text(encoding="utf-8"))
    return uv(root, "lock", "--no-config", "--default-index", index, *words)


def problems(root: Path) -> list[str]:
    """Differences, each with its remedy; without queries to an index."""
    try:
        lock(root, "--check", "--offline")
    except BootstrapError as problem:
        return [f"{LOCK} does not match pyproject.toml; {REMEDY} ({problem})"]
    found = []
    for file in EXPORTS:
        has, wants = (root / file).read_text(encoding="utf-8"), exported(root, file)
        differs = difflib.unified_diff(has.splitlines(), wants.splitlines(), n=0, lineterm="")
        first = next((line for line in differs if line[0] in "+-" and not line.startswith(("+++", "---"))), None)
        if first:
            found.append(f"{file} does not match {LOCK}; {REMEDY} (first difference: {first})")
    return found


def write(root: Path) -> None:
    """Update lock and exports."""
    lock(root)
    for file in EXPORTS:
        (root / file).write_text(exported(root, file), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: no differences; 1: differences, one per line."""
    if set(arguments) - {"--write"}:
        say(__doc__ or "")
        return 2
    try:
        if arguments:
            write(ROOT)
        found = problems(ROOT)
    except BootstrapError as problem:
        found = [str(problem)]
    for each in found:
        say(f"python_lock: {each}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
