"""Build Pebble, Let's Encrypt's ACME server for tests, once into `.engine/` from a pinned Go module.

    python3 tools/pebble.py    prints the path of the executable

The pin is `tools/pebble` (go.mod, go.sum). Building takes half a minute of one core the first time and needs only Go
and a module proxy. Standard library only, like the rest of tools/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from go_tool import GoTool
from steps import BootstrapError, say

ROOT = Path(__file__).resolve().parent.parent
PEBBLE = GoTool("pebble", "tools/pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble", "the ACME server of the tests")


def main() -> int:
    """0 and the path; 1 with one line: it cannot be built."""
    try:
        print(PEBBLE.build(ROOT))
    except BootstrapError as problem:
        say(f"pebble: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
