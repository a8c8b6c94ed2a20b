"""Processes of a preview import what they use: `benchmarks/processes.py` measures it, this says what must stay out."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stacks import ROOT

# What takes long to import and is used by other commands, or by an update that has something to do.
HEAVY = {
    "aiohttp",
    "cryptography",
    "dns",
    "fpdf",
    "google.cloud",
    "jinja2",
    "psycopg",
    "pulumi_gcp",
    "requests",
    "rich",
}
NESTED = "pulumi_kubernetes.core.v1._inputs"
PROGRAM = "import runpy, components.inventory_site; runpy.run_path('__main__.py', run_name='program')"
TRUNKS, GANDI = "import components.trunk_acl.provider", "import components.gandi.provider"


@pytest.mark.parametrize(
    ("code", "out"),
    [
        (PROGRAM, HEAVY | {NESTED, "global_stack", "inventory.site.render"}),
        (TRUNKS, HEAVY | {NESTED, "pydantic", "settings", "yaml.loader"}),
        (GANDI, HEAVY | {NESTED, "pydantic", "settings", "yaml.loader"}),
    ],
    ids=["the program", "the trunk ACL's provider", "Gandi's provider"],
)
def test_what_takes_long_stays_out(code: str, out: set[str]) -> None:
    loaded = in_a_fresh_python(f"import pulumi.dynamic, sys\nbefore = set(sys.modules)\n{code}")
    assert "components" in loaded
    found = {each for each in out if any(module == each or module.startswith(f"{each}.") for module in loaded)}
    assert found == set()


def in_a_fresh_python(code: str) -> set[str]:
    """Modules that are there after `code`, and were not in `before`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}\nprint(*sorted(set(sys.modules) - before))"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
