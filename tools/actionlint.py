"""Lint the workflows in `.github/workflows/` with actionlint, built once into `.engine/` from a pinned Go module.

    python3 tools/actionlint.py            all workflows; exit status 1 when it finds anything
    python3 tools/actionlint.py FILE...    these

The pin is `tools/actionlint` (go.mod, go.sum). Building takes half a minute and needs only Go and a
module proxy. actionlint would also call shellcheck and pyflakes if they are installed; they are off, so that results
are the same on every machine. Standard library only, like the rest of tools/.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pulumi_engine import go_problem
from steps import BootstrapError, digest, only_one, parse_version, read_stamp, run, say, write_stamp

ROOT = Path(__file__).resolve().parent.parent
MODULE = "tools/actionlint"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
# No tools that only some machines have.
ALONE = ("-shellcheck=", "-pyflakes=", "-no-color")


def workflows(root: Path) -> list[Path]:
    """All workflow files that GitHub would run."""
    folder = root / ".github" / "workflows"
    return sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])


def pins(root: Path) -> str:
    """The files that determine the build."""
    return digest([root / MODULE / name for name in ("go.mod", "go.sum")], *os.uname()[::4])


def build(root: Path) -> Path:
    """The executable, rebuilt if the pins have changed since the last build."""
    folder = root / ".engine" / "actionlint"
    executable, stamp, log = folder / "actionlint", folder / "stamp.json", root / ".engine" / "actionlint.log"
    if executable.exists() and read_stamp(stamp).get("pins") == pins(root):
        return executable
    with only_one(root / ".engine" / "actionlint.lock"):
        if not executable.exists() or read_stamp(stamp).get("pins") != pins(root):
            go = find_go(root)
            say("Building actionlint from its pinned Go module into .engine (once, half a minute).")
            stamp.unlink(missing_ok=True)
            log.unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            run(
                "actionlint",
                [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o", executable, PACKAGE],
                cwd=root / MODULE,
                log=log,
                remedy="check that tools/ is unchanged and that the module proxy in `go env` answers",
                env={"GOFLAGS": "", "GOWORK": "off", "GOOS": "", "GOARCH": "", "CGO_ENABLED": "0"},
            )
            write_stamp(stamp, {"pins": pins(root)})
    return executable


def find_go(root: Path) -> str:
    """A Go that can build it."""
    found = re.search(r"^go (\S+)$", (root / MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    needed = parse_version(found.group(1)) if found else None
    if needed is None:
        raise BootstrapError(f"{MODULE}/go.mod has no line `go VERSION`; restore it from the repository")
    remedy = f"install Go {'.'.join(map(str, needed))} or newer and put it on PATH"
    go = shutil.which("go")
    if go is None:
        raise BootstrapError(f"the workflow linter is a Go program and there is no `go` on PATH; {remedy}")
    env = {**os.environ, "GOWORK": "off"}
    version, toolchain = (
        subprocess.run([go, *words], capture_output=True, text=True, check=False, cwd="/", env=env).stdout
        for words in (["version"], ["env", "GOTOOLCHAIN"])
    )
    if problem := go_problem(needed, parse_version(version), toolchain.strip()):
        raise BootstrapError(f"actionlint cannot be built with {go}: {problem}; {remedy}")
    return go


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no findings; 1: findings, or the linter cannot be built."""
    files = [Path(each) for each in (sys.argv[1:] if arguments is None else arguments)] or workflows(ROOT)
    if not files:
        say("actionlint: no workflows in .github/workflows")
        return 1
    try:
        executable = build(ROOT)
    except BootstrapError as problem:
        say(f"actionlint: {problem}")
        return 1
    return 1 if subprocess.run([executable, *ALONE, *files], check=False, cwd=ROOT).returncode else 0


if __name__ == "__main__":
    sys.exit(main())
