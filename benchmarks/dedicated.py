"""Dedicated customers: a preview and an update without changes, against a bare program of the same size.

10, 100 and 500 customers, each with an address and a LoadBalancer. The bare program declares addresses and Services
with the same inputs, as many as the total number of resources of ours, components, files and records included. Time,
processor time of engine and program (less affected by load), and the memory of the largest process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import Result, alternately, compared
from engine.cli import Cli
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import ROOT, Workspace

BARE = Path(__file__).parent / "bare_resources"
CUSTOMERS = (10, 100, 500)
RUNS = 3
FIRST_PORT = 15_000
# Creating the customers is not measured, so the engine need not write its state at every step.
UNSAVED = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
COMMANDS = {
    "preview": ("preview", "--expect-no-changes"),
    "up": ("up", "--yes", "--skip-preview", "--expect-no-changes"),
}


def run() -> Iterator[Result]:
    """Yield results; uses two temporary sandboxes."""
    with sandbox_aside("warp-edge-bench-") as (ours, folder), sandbox_aside("warp-edge-bench-") as (theirs, other):
        for sandbox in (ours, theirs):
            sandbox.quota("STATIC_ADDRESSES", 4 * max(CUSTOMERS))
        yield from _against(ours, folder, theirs, other)


def _against(ours: Sandbox, folder: Path, theirs: Sandbox, other: Path) -> Iterator[Result]:
    config = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())["config"]
    edge = Workspace(folder / "edge", "sandbox", ours.env())
    edge.prepare(config)
    bare = Workspace(other / "bare", "bare", theirs.env(), program=BARE)
    bare.prepare({})
    before: dict[str, Result] = {}
    for customers in CUSTOMERS:
        edge.configure(_with_customers(config, customers))
        _up(edge)
        resources = len(edge.cli.preview().steps)
        bare.configure(_bare(config, (resources - 2) // 2))  # the stack and the cluster's provider count too
        _up(bare)
        for name, command in COMMANDS.items():
            turns = alternately(edge, bare, command, RUNS)
            what = f"{name}, no change, {customers} dedicated customers / bare program with as many resources"
            for field, shown in (("seconds", ""), ("processor", ": processor time"), ("memory", ": MiB")):
                result = compared(what + shown, resources, *([getattr(s, field) for s in side] for side in turns))
                yield result
                _growth(result, before)


def _growth(now: Result, before: dict[str, Result]) -> None:
    """On standard error: cost of each additional resource, ours and the reference's."""
    kind = now.name.partition(" dedicated")[0].partition(",")[0] + now.name.partition("resources")[2]
    if last := before.get(kind):
        more = now.size - last.size
        ours, theirs = (now.median - last.median) / more, (now.reference_median - last.reference_median) / more
        print(f"{kind}, {last.size} to {now.size}: {1000 * ours:.1f} / {1000 * theirs:.1f} (1/1000)", file=sys.stderr)
    before[kind] = now


def _up(workspace: Workspace) -> None:
    quick = Cli(workspace.project, workspace.stack, workspace.environment | UNSAVED)
    quick.text("up", "--stack", workspace.stack, "--yes", "--skip-preview")


def _with_customers(config: dict[str, Any], count: int) -> dict[str, Any]:
    customers = {
        f"customer-{number}": {"ban": f"{200_000 + number}", "targetPort": FIRST_PORT + 4 * number}
        for number in range(count)
    }
    quotas = {"staticAddresses": 4 * max(CUSTOMERS), "forwardingRules": 4 * max(CUSTOMERS)}
    return config | {"warp-edge:dedicated": customers, "warp-edge:quotas": quotas}


def _bare(config: dict[str, Any], pairs: int) -> dict[str, Any]:
    return {
        "gcp:project": config["gcp:project"],
        "gcp:region": config["gcp:region"],
        "gcp:addPulumiAttributionLabel": False,
        "gcp:skipRegionValidation": True,
        "bare-resources:pairs": pairs,
        "bare-resources:region": config["gcp:region"],
    }
