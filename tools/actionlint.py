"""Lint the workflows in `.github/workflows/` with actionlint, built once into `.engine/` from a pinned Go module.

    python3 tools/actionlint.py            all workflows; exit status 1 when it finds anything
    python3 tools/actionlint.py FILE...    these

The pin is `tools/actionlint` (go.mod, go.sum). Building takes half a minute and needs only Go and a
module proxy. actionlint would also call shellcheck and pyflakes if they are installed; they are off, so that results
are the same on every machine. Standard library only, like the rest of tools/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from go_tool import GoTool
from steps import BootstrapError, say

ROOT = Path(__file__).resolve().parent.parent
LINTER = GoTool("actionlint", "tools/actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "the workflow linter")
# No tools that only some machines have.
ALONE = ("-shellcheck=", "-pyflakes=", "-no-color")


def workflows(root: Path) -> list[Path]:
    """All workflow files that GitHub would run."""
    folder = root / ".github" / "workflows"
    return sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no findings; 1: findings, or the linter cannot be built."""
    files = [Path(each) for each in (sys.argv[1:] if arguments is None else arguments)] or workflows(ROOT)
    if not files:
        say("actionlint: no workflows in .github/workflows")
        return 1
    try:
        executable = LINTER.build(ROOT)
    except BootstrapError as problem:
        say(f"actionlint: {problem}")
        return 1
    return 1 if subprocess.run([executable, *ALONE, *files], check=False, cwd=ROOT).returncode else 0


if __name__ == "__main__":
    sys.exit(main())
