"""The virtual environment `.venv`: the program's pinned libraries, with or without those of its tests.

Leaves packages of the system to `debian_packages` and the engine to `pulumi_engine`.
"""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from steps import BootstrapError, digest, read_stamp, run, say, show_version, write_stamp

if TYPE_CHECKING:
    from steps import Version

MIN_PYTHON: Version = (3, 11)
SANDBOX_SET, DEV_SET = "requirements-sandbox.txt", "requirements-dev.txt"


def check_python() -> None:
    """Refuse a Python that the program does not run on."""
    if sys.version_info[:2] < MIN_PYTHON:
        raise BootstrapError(
            f"{sys.executable} is Python {platform.python_version()}, {show_version(MIN_PYTHON)} or newer is "
            "needed; install one and start tools/bootstrap.py with it"
        )


def requirement_files(path: Path) -> list[Path]:
    """A requirements file and all it includes with `-r`, included ones first."""
    files: list[Path] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            files += requirement_files(path.parent / line[3:].strip())
    return [*files, path]


def venv_is_current(root: Path, wanted: str) -> bool:
    """Whether .venv was made here, with this Python, and holds this set of requirements."""
    stamp = read_stamp(root / ".venv" / "warp-edge.json")
    return (
        stamp.get("python") == show_version(sys.version_info[:2])
        # Scripts in a virtual environment carry its absolute path: a moved folder needs a new one.
        and stamp.get("place") == str(root)
        and stamp.get(wanted) == digest(requirement_files(root / wanted))
        and (root / ".venv" / "bin" / "python").exists()
    )


def make_venv(root: Path, wanted: str) -> None:
    """Create or complete .venv. Its stamp is written last: whatever a crash leaves is completed by the next run."""
    venv, log = root / ".venv", root / ".engine" / "venv.log"
    if venv.is_symlink():
        # What it points to is somebody else's, and --clear would empty it.
        raise BootstrapError(f"{venv} is a link to {venv.resolve()}; remove the link, then run it again")
    python, version = venv / "bin" / "python", show_version(sys.version_info[:2])
    stamp = read_stamp(venv / "warp-edge.json")
    log.unlink(missing_ok=True)
    if stamp.get("place", str(root)) != str(root) or stamp.get("python", version) != version or not venv_works(python):
        if importlib.util.find_spec("ensurepip") is None:
            raise BootstrapError(
                f"Python {version} at {sys.executable} cannot make virtual environments: it has no ensurepip; "
                f"install it (Debian: apt-get install python{version}-venv), then run it again"
            )
        say("Creating .venv: the program's libraries stay out of the system's Python (about 5 s).")
        create: list[str | Path] = [sys.executable, "-m", "venv", "--clear", venv]
        run("python3 -m venv", create, cwd=root, log=log, remedy="remove .venv and run it again")
        stamp = {}
    say(f"Installing {wanted} into .venv: pinned libraries, Pulumi's SDK first (1 min cold, 40 s from pip's cache).")
    install: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "-r",
        wanted,
    ]
    run("pip install", install, cwd=root, log=log, remedy=f"see that {wanted} has packages for Python {version}")
    # The larger set includes the smaller one.
    sets = [SANDBOX_SET, DEV_SET] if wanted == DEV_SET else [SANDBOX_SET]
    digests = {name: digest(requirement_files(root / name)) for name in sets}
    write_stamp(venv / "warp-edge.json", {**stamp, **digests, "python": version, "place": str(root)})


def venv_works(python: Path) -> bool:
    """Whether this environment has the Python that runs here, and a pip."""
    if not python.exists():
        return False
    check = "import sys, pip; print(*sys.version_info[:2], sep='.')"
    result = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.strip() == show_version(sys.version_info[:2])
