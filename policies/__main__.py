"""The policy pack, as the engine starts it. Its constructor blocks until the engine is done."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine starts this folder as a program; imports are relative to the repository's root.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from pulumi_policy import EnforcementLevel, PolicyPack  # noqa: E402

from policies.pack import NAME, policies  # noqa: E402

if __name__ == "__main__":
    PolicyPack(NAME, policies(), EnforcementLevel.MANDATORY)
