"""A preview without changes, as run for every pull request, against an empty program on the same engine.

First with the live edge's size, then with 10, 100 and 300 egress slots, to measure growth.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import Result, side_by_side
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import ROOT, Workspace

BARE = Path(__file__).parent / "bare"
SLOTS = (10, 100, 300)
RUNS = 7
RUNS_WHEN_LARGE = 3


def run() -> Iterator[Result]:
    """Yield results; uses a temporary sandbox."""
    with sandbox_aside("warp-edge-bench-") as (sandbox, folder):
        sandbox.quota("STATIC_ADDRESSES", 2 * max(SLOTS))
        yield from _previews(sandbox, folder)


def _previews(sandbox: Sandbox, folder: Path) -> Iterator[Result]:
    bare = Workspace(folder / "bare", "bare", sandbox.env(), program=BARE)
    bare.prepare({})
    _up(bare)
    config = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())["config"]
    edge = Workspace(folder / "edge", "sandbox", sandbox.env())
    edge.prepare(config)
    _up(edge)
    yield _against(bare, edge, "preview, no change, live edge / empty program", RUNS)
    before: tuple[int, float] | None = None
    for slots in SLOTS:
        edge.configure(_with_slots(config, slots))
        _up(edge)
        result = _against(bare, edge, f"preview, no change, {slots} egress slots / empty program", RUNS_WHEN_LARGE)
        yield result
        if before:
            each = (result.median - before[1]) / (result.size - before[0])
            print(f"from {before[0]} to {result.size} resources: {1000 * each:.1f} ms each", file=sys.stderr)
        before = result.size, result.median


def _against(bare: Workspace, edge: Workspace, name: str, runs: int) -> Result:
    resources = len(edge.cli.preview().steps)
    return side_by_side(name, resources, lambda: _preview(edge), lambda: _preview(bare), runs)


def _preview(workspace: Workspace) -> None:
    workspace.cli.text("preview", "--stack", workspace.stack, "--expect-no-changes")


def _up(workspace: Workspace) -> None:
    workspace.cli.text("up", "--stack", workspace.stack, "--yes", "--skip-preview")


def _with_slots(config: dict[str, Any], count: int) -> dict[str, Any]:
    """Adds slots and keeps existing ones: an active slot cannot be removed."""
    more = copy.deepcopy(config)
    slots = more["warp-edge:egress"]["slots"]
    for number in range(len(slots) + 1, count + 1):
        slots[f"warp-nat-ip-{number}"] = {"state": "active"}
    return more
