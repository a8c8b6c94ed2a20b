"""Set up the Python environment and the Pulumi engine for the project's commands.

    python3 tools/bootstrap.py              .venv with the program and the sandbox, and an engine
    python3 tools/bootstrap.py --dev        the same, with tests, formatter, type checker, and what the tests need:
                                            Debian packages, PostgreSQL's other versions
    python3 tools/bootstrap.py --print-env  the same, then the lines a shell evaluates to use both

A `pulumi` on PATH that is new enough is used. Otherwise the engine is built once, into `.engine/bin`, from the Go
modules pinned in `tools/engine` and `tools/language-host`: Pulumi's own download site is not needed. A second run finds
its stamps and prints nothing.

Standard library only: it runs before anything is installed. It starts no sandbox, selects no stack and accesses no
cloud. The steps are in the other modules of this folder; this one has the command and their order.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import postgres_versions
from debian_packages import NEEDED_BY_TESTS, advice, install, may_install, missing
from pulumi_engine import build_engine, check_go, choose_engine, engine_is_current, find_pulumi, why_not
from python_environment import DEV_SET, SANDBOX_SET, check_python, make_venv, venv_is_current
from steps import BootstrapError, only_one, say

ROOT = Path(__file__).resolve().parent.parent


def environment(root: Path, engine: Path, path: str) -> dict[str, str]:
    """Variables for a shell. The environment's Python comes first: the language host uses the first one on PATH."""
    first = [str(root / ".venv" / "bin"), str(engine)]
    rest = [entry for entry in path.split(os.pathsep) if entry and entry not in first]
    return {
        "PATH": os.pathsep.join([*first, *rest]),
        "VIRTUAL_ENV": str(root / ".venv"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def set_up(root: Path, *, dev: bool, path: str) -> Path:
    """Bring everything up to date; returns the folder of the engine in use."""
    wanted, own = DEV_SET if dev else SANDBOX_SET, root / ".engine" / "bin"
    found = find_pulumi(path, own, root / ".engine" / "found.json")
    chosen = choose_engine(found)
    packages = missing(NEEDED_BY_TESTS) if dev else []
    if packages and not may_install(os.geteuid(), shutil.which("apt-get", path=path)):
        say(advice(packages))
        packages = []
    servers = dev and not postgres_versions.are_current(root)
    if packages or servers or not venv_is_current(root, wanted) or not (chosen or engine_is_current(root)):
        with only_one(root / ".engine" / "lock"):
            # Checked again: another run may have built it meanwhile.
            if not chosen and not engine_is_current(root):
                check_go(root)  # before minutes of other work
            if packages := missing(packages):
                install(packages, root)
            if not venv_is_current(root, wanted):
                make_venv(root, wanted)
            if servers and not postgres_versions.are_current(root):
                postgres_versions.install(root, path)
            if not chosen and not engine_is_current(root):
                build_engine(root, why_not(found))
    return chosen.path.parent if chosen else own


def interrupt(*_: object) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: with child processes, and one line."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: everything is set up; 1 with one line: it failed; 130: interrupted."""
    purpose = "Set up the Python environment and the Pulumi engine."
    parser = argparse.ArgumentParser(prog="tools/bootstrap.py", description=purpose)
    parser.add_argument(
        "--dev", action="store_true", help="with tests, formatter, type checker and the tests' Debian packages"
    )
    parser.add_argument("--print-env", action="store_true", help="print `export` lines for a shell to evaluate")
    parser.add_argument("--verbose", action="store_true", help="print what is used even if there was nothing to do")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        check_python()
        path = os.environ.get("PATH", "")
        engine = set_up(ROOT, dev=options.dev, path=path)
    except BootstrapError as problem:
        say(f"bootstrap: {problem}")
        return 1
    except OSError as problem:
        place, cause = problem.filename or "the system", problem.strerror or problem
        say(f"bootstrap: {place}: {cause}; check permissions and free space, then run it again")
        return 1
    except KeyboardInterrupt:
        say("bootstrap: interrupted; the next run continues from here")
        return 130
    if options.verbose:
        say(f"Python: {ROOT / '.venv'}; engine: {engine}")
    if options.print_env:
        for name, value in environment(ROOT, engine, path).items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
