"""Measure two operations alternately and compare their medians."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

from engine.cli import EngineError
from sandbox.workspace import Workspace


@dataclass(frozen=True)
class Result:
    """One line of `make bench`. Medians in seconds; `size` is the amount of work, in the unit given in `name`."""

    name: str
    ratio: float
    median: float
    reference_median: float
    size: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Spent:
    """Resources used by one command: seconds, processor seconds, and MiB of its largest process."""

    seconds: float
    processor: float
    memory: float


def spent(workspace: Workspace, command: tuple[str, ...]) -> Spent:
    """Of the engine and all processes that it waited for (`wait4`); for memory, the largest. The sandbox's providers
    are not among them. Raises `EngineError` where the command fails."""
    began = time.perf_counter()
    engine = subprocess.Popen(
        [str(workspace.wrapper), "--non-interactive", *command, "--stack", workspace.stack], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(engine.pid, 0)
    seconds = time.perf_counter() - began
    engine.returncode = os.waitstatus_to_exitcode(status)
    if engine.returncode:
        raise EngineError(f"pulumi {command[0]}", f"exit status {engine.returncode}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def alternately(
    ours: Workspace, theirs: Workspace, command: tuple[str, ...], runs: int
) -> tuple[list[Spent], list[Spent]]:
    """What the command took on either side, after one warm-up run of each."""
    spent(ours, command)
    spent(theirs, command)
    turns = [(spent(theirs, command), spent(ours, command)) for _ in range(runs)]
    return [mine for _, mine in turns], [reference for reference, _ in turns]


def compared(name: str, size: int, ours: list[float], theirs: list[float]) -> Result:
    """Medians of what was measured alternately."""
    mine, reference = median(ours), median(theirs)
    return Result(name, round(mine / reference, 3), round(mine, 3), round(reference, 3), size)


def side_by_side(
    name: str, size: int, work: Callable[[], object], reference: Callable[[], object], runs: int
) -> Result:
    """`work` and `reference` alternately, `runs` times each, after one warm-up run of each."""
    work()
    reference()
    taken: list[float] = []
    referenced: list[float] = []
    for _ in range(runs):
        referenced.append(_seconds(reference))
        taken.append(_seconds(work))
    return compared(name, size, taken, referenced)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
