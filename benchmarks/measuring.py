"""Measure two operations alternately and compare their medians."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median


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
    ours, theirs = median(taken), median(referenced)
    return Result(name, round(ours / theirs, 3), round(ours, 3), round(theirs, 3), size)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
