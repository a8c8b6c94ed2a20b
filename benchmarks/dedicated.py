"""Dedicated customers: a preview and an update without changes, against a program that only declares as much.

10, 100 and 500 customers, each with an address and a LoadBalancer; the bare program has as many resources in all. Time,
and the memory of the largest process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.measuring import Result
from engine_cli import EngineError
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import ROOT, Workspace

BARE = Path(__file__).parent / "bare_resources"
CUSTOMERS = (10, 100, 500)
RUNS = 3
FIRST_PORT = 15_000
COMMANDS = {
    "preview": ("preview", "--expect-no-changes"),
    "up": ("up", "--yes", "--skip-preview", "--expect-no-changes"),
}


@dataclass(frozen=True)
class Spent:
    """What one command took: seconds, and MiB of its largest process."""

    seconds: float
    memory: float


def run() -> Iterator[Result]:
    """Results as they come; two sandboxes of its own, gone afterwards."""
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
    before: dict[str, tuple[int, float]] = {}
    for customers in CUSTOMERS:
        edge.configure(_with_customers(config, customers))
        _up(edge)
        resources = len(edge.cli.preview().steps)
        bare.configure(_bare(config, (resources - 2) // 2))  # the stack and the cluster's provider count too
        _up(bare)
        for name, command in COMMANDS.items():
            mine, reference = _by_turns(edge, bare, command)
            what = f"{name}, no change, {customers} dedicated customers / bare program with as many resources"
            result = _result(what, resources, [s.seconds for s in mine], [s.seconds for s in reference])
            yield result
            yield _result(
                f"{what}: MiB of the largest process",
                resources,
                [s.memory for s in mine],
                [s.memory for s in reference],
            )
            if name in before:
                size, seconds = before[name]
                each = (result.median - seconds) / (resources - size)
                print(f"{name}, from {size} to {resources} resources: {1000 * each:.1f} ms each", file=sys.stderr)
            before[name] = resources, result.median


def _by_turns(edge: Workspace, bare: Workspace, command: tuple[str, ...]) -> tuple[list[Spent], list[Spent]]:
    """One run of each that does not count, then each in turn."""
    _spent(edge, command)
    _spent(bare, command)
    turns = [(_spent(bare, command), _spent(edge, command)) for _ in range(RUNS)]
    return [mine for _, mine in turns], [reference for reference, _ in turns]


def _spent(workspace: Workspace, command: tuple[str, ...]) -> Spent:
    """`wait4` tells the memory of the largest of all processes that the command waited for."""
    began = time.perf_counter()
    engine = subprocess.Popen(
        [str(workspace.wrapper), "--non-interactive", *command, "--stack", workspace.stack], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(engine.pid, 0)
    seconds = time.perf_counter() - began
    engine.returncode = os.waitstatus_to_exitcode(status)
    if engine.returncode:
        raise EngineError(f"pulumi {command[0]}", f"exit status {engine.returncode}")
    return Spent(seconds, usage.ru_maxrss / 1024)


def _result(name: str, size: int, ours: list[float], theirs: list[float]) -> Result:
    mine, reference = median(ours), median(theirs)
    return Result(name, round(mine / reference, 3), round(mine, 3), round(reference, 3), size)


def _up(workspace: Workspace) -> None:
    workspace.cli.text("up", "--stack", workspace.stack, "--yes", "--skip-preview")


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
