"""Processor time of the processes that are this program, in a preview without changes of the live edge's size.

The program's process and that of its dynamic providers, each against the process of a program that only imports
`pulumi`. User and system time, as each process counts it, which depends little on load; engine, language host and the
sandbox's providers are not included.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import yaml

from benchmarks.measuring import Result
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.workspace import ROOT, Workspace

HERE = Path(__file__).parent
RECORDER = HERE / "process_times"
PROGRAM, PROVIDER = "pulumi-language-python-exec", "pulumi.dynamic"  # found in the command lines of the two
RUNS = 5


def run() -> Iterator[Result]:
    """Yield results; uses a temporary sandbox."""
    with sandbox_aside("warp-edge-bench-") as (sandbox, folder):
        yield from _processes(sandbox, folder)


def _processes(sandbox: Sandbox, folder: Path) -> Iterator[Result]:
    bare = Workspace(folder / "bare", "bare", sandbox.env(), program=HERE / "bare")
    bare.prepare({})
    edge = Workspace(folder / "edge", "sandbox", sandbox.env())
    edge.prepare(yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())["config"])
    for each in (bare, edge):
        each.cli.text("up", "--stack", each.stack, "--yes", "--skip-preview")
        seconds(each)  # warm-up: compiled files are cached afterwards
    turns = [(seconds(bare), seconds(edge)) for _ in range(RUNS)]
    resources = len(edge.cli.preview().steps)
    reference = median(theirs[PROGRAM] for theirs, _ in turns)
    for name, of in (("the program", PROGRAM), ("its dynamic providers", PROVIDER)):
        ours = median(mine[of] for _, mine in turns)
        yield Result(
            f"preview, no change, live edge: processor time of the process of {name} / a program that imports pulumi",
            round(ours / reference, 2),
            round(ours, 3),
            round(reference, 3),
            resources,
        )


def seconds(workspace: Workspace) -> dict[str, float]:
    """For one preview: processor time of the program's process, and of the dynamic providers' if one ran."""
    with tempfile.NamedTemporaryFile("r", prefix="warp-edge-bench-") as file:
        record = {
            "PYTHONPATH": str(RECORDER),
            "WARP_EDGE_PROCESS_TIMES": file.name,
            # Compiled modules are kept, as on users' machines: the first preview has written them.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        done = workspace.cli.run("preview", "--stack", workspace.stack, "--expect-no-changes", extra=record)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}")
        found = [json.loads(line) for line in file]
    return {
        which: sum(taken for taken, command in found if any(word.endswith(which) for word in command))
        for which in (PROGRAM, PROVIDER)
    }
