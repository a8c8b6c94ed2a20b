"""`uv.lock` and what is written from it: is each as the file before it wants it?

    python3 tools/python_lock.py            uv.lock is what pyproject.toml asks for, requirements.txt what uv.lock has
    python3 tools/python_lock.py --write    make them so (`make lock`); asks the package index, the check does not

requirements.txt is for those without uv: pip, a scanner, an image. It is exported, never edited.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from get_uv import LOCK
from steps import BootstrapError, say

ROOT = Path(__file__).resolve().parent.parent
EXPORT = "requirements.txt"
HEADER = "# Exported from uv.lock, never edited: change pyproject.toml, then `make lock`.\n"
REMEDY = "run `make lock` and commit what it writes"
# The lock is always made with the index that it names: a mirror that one machine has been configured with is out of
# reach elsewhere. Nor may other settings of uv, or an environment that happens to be active, change what is written.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("UV_") and name != "VIRTUAL_ENV"}


def uv(root: Path, *words: str) -> str:
    """What uv prints; its complaint in one line where it ends otherwise."""
    command = root / ".venv" / "bin" / "uv"
    if not command.exists():
        raise BootstrapError(f"{command} is not there; run `make setup-dev`")
    env = {**CLEAN, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run([str(command), *words], cwd=root, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        first = next((line for line in said if line.startswith("error: ")), said[-1] if said else "no word")
        raise BootstrapError(f"`uv {words[0]}` ended with {done.returncode}: {first.removeprefix('error: ')}")
    return str(done.stdout)


def index_of(lock: str) -> str:
    """The one index that a lock was made with. uv takes any other for a change, even one that has the same files."""
    found = set(re.findall(r'^source = \{ registry = "([^"]+)" \}$', lock, re.MULTILINE))
    if len(found) != 1:
        raise BootstrapError(f"{LOCK} was made with {len(found)} package indexes; take it from the repository again")
    return str(found.pop())


def exported(root: Path) -> str:
    """The program's libraries with their hashes, as pip reads them: no index, no host, no group."""
    return HEADER + uv(root, "export", "--frozen", "--offline", "--quiet", "--no-header", "--no-config")


def lock(root: Path, *words: str) -> str:
    """Lock what pyproject.toml asks for, or with `--check` see whether that is so."""
    index = index_of((root / LOCK).read_text(encoding="utf-8"))
    return uv(root, "lock", "--no-config", "--default-index", index, *words)


def problems(root: Path) -> list[str]:
    """What does not agree, each with its remedy; nothing is asked of any index."""
    try:
        lock(root, "--check", "--offline")
    except BootstrapError as problem:
        return [f"{LOCK} is not what pyproject.toml asks for; {REMEDY} ({problem})"]
    has, wants = (root / EXPORT).read_text(encoding="utf-8"), exported(root)
    differs = difflib.unified_diff(has.splitlines(), wants.splitlines(), n=0, lineterm="")
    first = next((line for line in differs if line[0] in "+-" and not line.startswith(("+++", "---"))), None)
    return [f"{EXPORT} is not what {LOCK} has; {REMEDY} (first difference: {first})"] if first else []


def write(root: Path) -> None:
    """Lock and export anew."""
    lock(root)
    (root / EXPORT).write_text(exported(root), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """0: all agree; 1: something does not, a line each."""
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
