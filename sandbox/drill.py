"""`make drill ROUNDS=N SEED=S`: kill updates at random points and check that the next one finishes them.

Every round has its own cloud. Round i kills at the point drawn from seed S + i, so `ROUNDS=1 SEED=<its seed>` repeats
it (which write is in progress at that moment depends on the machine). Exit status 1 if a round needed more than one
run, moved an address or left anything behind.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from command_line import run
from sandbox.drill_round import Outcome, Phase, Point, Victim, one_round
from sandbox.stack import ended

WRITES = 62  # to the cloud, in an update of an empty stack; random values are not among them
PHASES: dict[Phase, int] = {"up": 5, "recovery": 2, "down": 2, "disk": 1}  # weight of each, in tenths
# Who gets which signal: a runner passes SIGINT and SIGTERM on, an engine ends gracefully.
STRIKES: tuple[tuple[Victim, int], ...] = (
    ("all", signal.SIGKILL),
    ("engine", signal.SIGKILL),
    ("engine", signal.SIGINT),
    ("engine", signal.SIGTERM),
    ("group", signal.SIGKILL),
    ("runner", signal.SIGKILL),
    ("runner", signal.SIGINT),
    ("runner", signal.SIGTERM),
    ("cloud", signal.SIGKILL),
)


@dataclass(frozen=True)
class Played:
    """A round and its outcome."""

    seed: int
    point: Point
    outcome: Outcome


def draw(seed: int) -> Point:
    """The point drawn from a seed."""
    dice = random.Random(seed)  # noqa: S311 (repeatable by seed)
    phase = dice.choices(list(PHASES), list(PHASES.values()))[0]
    if phase == "disk":
        return Point("disk", megabytes=round(dice.uniform(0.3, 25), 1))
    victim, number = dice.choice(STRIKES)
    if phase == "recovery":
        return Point(phase, victim, number, writes=dice.randint(1, WRITES), seconds=round(dice.uniform(0.3, 20), 1))
    if phase == "up" and dice.random() < 0.3:
        return Point(phase, victim, number, seconds=round(dice.uniform(0.2, 15), 1))
    return Point(phase, victim, number, writes=dice.randint(1, WRITES))


def play(rounds: int, seed: int, console: Console) -> Iterator[Played]:
    """Play rounds in order; prints one line when each is over."""
    for each in range(seed, seed + rounds):
        point, began = draw(each), time.monotonic()
        with one_round() as one:
            outcome = one.play(point)
        word = "[green]ok[/]" if outcome.holds else "[red]failed[/]"
        took = f"{_runs(outcome)} ({time.monotonic() - began:.0f} s)"
        console.print(f"{word} seed {each}  {escape(str(point))}: {took}", highlight=False, soft_wrap=True)
        for line in (*outcome.moved, *outcome.orphans, *outcome.output.splitlines()) if not outcome.holds else ():
            console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        sys.stdout.flush()
        yield Played(each, point, outcome)


def _runs(outcome: Outcome) -> str:
    return {0: "never", 1: "one run"}.get(outcome.runs, f"{outcome.runs} runs")


def table(played: Iterable[Played]) -> Table:
    """Convergence by phase; every figure is a number of rounds."""
    groups: dict[str, list[Outcome]] = {}
    for each in played:
        groups.setdefault(each.point.phase, []).append(each.outcome)
    groups["all"] = [outcome for group in list(groups.values()) for outcome in group]
    shown = Table("phase", "rounds", "one run", "more runs", "never", "address moved", "orphans")
    for name, outcomes in groups.items():
        counts = (
            len(outcomes),
            sum(each.runs == 1 for each in outcomes),
            sum(each.runs > 1 for each in outcomes),
            sum(each.runs == 0 for each in outcomes),
            sum(bool(each.moved) for each in outcomes),
            sum(bool(each.orphans) for each in outcomes),
        )
        shown.add_row(name, *map(str, counts))
    return shown


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.drill", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=10, help="number of rounds (%(default)s); each takes about a minute"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round (%(default)s)")
    chosen = parser.parse_args()
    console = Console(highlight=False)

    def work() -> int:
        played: list[Played] = []
        try:
            for each in play(chosen.rounds, chosen.seed, console):
                played.append(each)
        finally:  # also when the drill is interrupted
            console.print(table(played))
        return 0 if all(each.outcome.holds for each in played) else 1

    return ended(work, "the unfinished round was removed")


if __name__ == "__main__":
    sys.exit(run(main))
