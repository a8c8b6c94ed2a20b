"""`python -m inventory render`: the published inventory as a table, and a plain word for everything else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.stacks import ROOT

ADDRESS: dict[str, Any] = {
    "purpose": "Vendor egress 1",
    "name": "warp-nat-ip-1",
    "address": "34.57.46.26",
    "kind": "NAT",
    "direction": "outbound",
    "protocol": "UDP/TCP",
    "ports": [5060, 5061],
    "region": "us-central1",
    "status": "active",
}
RETIRED = ADDRESS | {"name": "old", "address": "34.58.165.135", "status": "retired", "replacedBy": ["34.57.46.26"]}
INVENTORY: dict[str, Any] = {
    "schema": 1,
    "region": "us-central1",
    "addresses": [ADDRESS, RETIRED],
    "digest": "sha256:0",
}


def render(given: object, *options: str) -> subprocess.CompletedProcess[str]:
    text = given if isinstance(given, str) else json.dumps(given)
    command = [sys.executable, "-m", "inventory", "render", *options]
    return subprocess.run(command, input=text, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_table_has_a_row_for_every_address() -> None:
    done = render(INVENTORY)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "us-central1" in lines[0]
    (living,) = [line for line in lines if "warp-nat-ip-1" in line]
    for cell in ("Vendor egress 1", "34.57.46.26", "UDP/TCP 5060", "active"):
        assert cell in living
    (retired,) = [line for line in lines if "34.58.165.135" in line]
    assert "retired" in retired
    assert "sha256:0" in done.stdout


def test_json_comes_out_as_it_went_in() -> None:
    assert json.loads(render(INVENTORY, "--format", "json").stdout) == INVENTORY


def test_brackets_in_a_purpose_are_text_and_not_style() -> None:
    done = render(INVENTORY | {"addresses": [ADDRESS | {"purpose": "Vendor [eu] [/x]"}]})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Vendor [eu] [/x]" in done.stdout


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        '"schema"',
        "[" * 100_000,
        {"schema": 1},
        INVENTORY | {"schema": 2},
        INVENTORY | {"addresses": None},
        INVENTORY | {"addresses": "abc"},
        INVENTORY | {"addresses": [5]},
        INVENTORY | {"region": 5},
        INVENTORY | {"addresses": [ADDRESS | {"status": "unheard of"}]},
        INVENTORY | {"addresses": [ADDRESS | {"status": ["active"]}]},
        INVENTORY | {"addresses": [ADDRESS | {"ports": 5060}]},
        INVENTORY | {"addresses": [ADDRESS | {"address": 5}]},
        INVENTORY | {"addresses": [ADDRESS | {"replacedBy": [5]}]},
    ],
    ids=lambda given: json.dumps(given)[-60:],
)
def test_anything_else_is_refused_in_one_sentence(given: object) -> None:
    done = render(given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "standard input is no ipInventory of schema 1\n"
        "  -> pulumi stack output ipInventory --json | python -m inventory render\n"
    )
