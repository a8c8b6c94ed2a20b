"""The virtual environment `.venv` with the locked libraries of the program, its sandbox and its tests.

The locked packages of a group are exported and installed with their hashes: the lock itself names the index that it was
made with, an export does not, so that each machine uses its own (docs/adr/0001-provider-and-engine-pins.md). uv is in
`get_uv`, packages of the system are in `debian_packages`, the engine is in `pulumi_engine`.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from get_uv import LOCK, install_uv, uv_environment
from steps import BootstrapError, digest, read_stamp, run, say, show_version, write_stamp

if TYPE_CHECKING:
    from steps import Version

MIN_PYTHON: Version = (3, 11)
SANDBOX_SET, DEV_SET = "sandbox", "dev"  # dependency groups of pyproject.toml; the second includes the first


def check_python() -> None:
    """Refuse a Python version that is not supported."""
    if sys.version_info[:2] < MIN_PYTHON:
        raise BootstrapError(
            f"{sys.executable} is Python {platform.python_version()}, {show_version(MIN_PYTHON)} or newer is "
            "required; install one and start tools/bootstrap.py with it"
        )


def installed(venv: Path) -> set[str]:
    """Names and versions of installed packages, by the folders that every installer writes: `pulumi-3.260.0`."""
    return {folder.stem for folder in venv.glob("lib/python*/site-packages/*.dist-info")}


def venv_is_current(root: Path, wanted: str) -> bool:
    """Whether .venv was created here, with this Python, and has all locked packages of this group."""
    venv = root / ".venv"
    stamp = read_stamp(venv / "warp-edge.json")
    return (
        stamp.get("python") == show_version(sys.version_info[:2])
        # Scripts in a virtual environment carry its absolute path: a moved folder needs a new one.
        and stamp.get("place") == str(root)
        and stamp.get(wanted) == digest([root / LOCK])
        # `pulumi install` and `uv sync` remove packages that the program alone does not need.
        and set(stamp.get("packages", "").split()) <= installed(venv)
        and (venv / "bin" / "python").exists()
    )


def make_venv(root: Path, wanted: str) -> None:
    """Create or complete .venv. Its stamp is written last, so that the next run completes it after a crash."""
    venv, log = root / ".venv", root / ".engine" / "venv.log"
    if venv.is_symlink():
        # --clear would empty the link's target.
        raise BootstrapError(f"{venv} is a link to {venv.resolve()}; remove the link, then run it again")
    python, version = venv / "bin" / "python", show_version(sys.version_info[:2])
    stamp = read_stamp(venv / "warp-edge.json")
    log.unlink(missing_ok=True)
    if stamp.get("place", str(root)) != str(root) or stamp.get("python", version) != version or not venv_works(python):
        if importlib.util.find_spec("ensurepip") is None:
            raise BootstrapError(
                f"Python {version} at {sys.executable} cannot create virtual environments: it has no ensurepip; "
                f"install it (Debian: apt-get install python{version}-venv), then run it again"
            )
        say("Creating .venv, separate from the system's Python (about 5 s).")
        create: list[str | Path] = [sys.executable, "-m", "venv", "--clear", venv]
        run("python3 -m venv", create, cwd=root, log=log, remedy="remove .venv and run it again")
        stamp = {}
    # The larger group includes the smaller one, and is kept once it is installed.
    group = DEV_SET if DEV_SET in stamp else wanted
    say(f"Installing the locked libraries (group {group}) into .venv with uv (a minute, most of it bytecode).")
    uv, export = install_uv(root, venv, log), log.parent / f"requirements-{group}.txt"
    env = uv_environment(python, os.environ)
    remedy = f"check that {LOCK} is unchanged and has packages for Python {version}"
    chosen = ["--quiet", "--python", str(python)]
    lock: list[str | Path] = [uv, "export", "--frozen", "--group", group, "--output-file", export, *chosen]
    sync: list[str | Path] = [uv, "pip", "sync", "--require-hashes", export, *chosen]
    run("uv export", lock, cwd=root, log=log, remedy=remedy, env=env)
    run("uv pip sync", sync, cwd=root, log=log, remedy=remedy, env=env)
    sets = dict.fromkeys([SANDBOX_SET, group], digest([root / LOCK]))
    packages = " ".join(sorted(installed(venv)))
    write_stamp(venv / "warp-edge.json", {**sets, "packages": packages, "python": version, "place": str(root)})


def venv_works(python: Path) -> bool:
    """Whether this environment has the running Python version, and pip."""
    if not python.exists():
        return False
    check = "import sys, pip; print(*sys.version_info[:2], sep='.')"
    result = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.strip() == show_version(sys.version_info[:2])
