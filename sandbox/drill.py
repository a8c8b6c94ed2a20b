"""`make drill ROUNDS=N SEED=S`: kill updates at random points and see whether the next one finishes them.

Every round is a cloud of its own. Round i strikes at the point that seed S + i draws, so `ROUNDS=1 SEED=<its seed>`
plays one again (which write is under way at that moment is the machine's own choice). Exit status 1 when a round needed
more than one run, moved an address or left anything behind.
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

WRITES = 62  # of an update from nothing: random values are not the cloud's
PHASES: dict[Phase, int] = {"up": 5, "recovery": 2, "down": 2, "disk": 1}  # how often each, in ten
# Whoever can be struck by what: a runner that gets SIGINT or SIGTERM passes it on, an engine ends by itself.
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
    """A round and what came of it."""

    seed: int
    point: Point
    outcome: Outcome


def draw(seed: int) -> Point:
    """The point that a seed stands for."""
    dice = random.Random(seed)  # noqa: S311 (a seed is what it is about)
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
    """One after another, each told in a line when it is over."""
    for each in range(seed, seed + rounds):
        point, began = draw(each), time.monotonic()
        with one_round() as one:
            outcome = one.play(point)
        word = "[green]holds[/]" if outcome.holds else "[red]wrong[/]"
        took = f"{_runs(outcome)} ({time.monotonic() - began:.0f} s)"
        console.print(f"{word} seed {each}  {escape(str(point))}: {took}", highlight=False, soft_wrap=True)
        for line in (*outcome.moved, *outcome.orphans, *outcome.said.splitlines()) if not outcome.holds else ():
            console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        sys.stdout.flush()
        yield Played(each, point, outcome)


def _runs(outcome: Outcome) -> str:
    return {0: "never", 1: "one run"}.get(outcome.runs, f"{outcome.runs} runs")


def table(played: Iterable[Played]) -> Table:
    """Convergence by what was struck; every figure is a number of rounds."""
    groups: dict[str, list[Outcome]] = {}
    for each in played:
        groups.setdefault(each.point.phase, []).append(each.outcome)
    groups["all"] = [outcome for group in list(groups.values()) for outcome in group]
    shown = Table("struck", "rounds", "one run", "more runs", "never", "address moved", "something orphaned")
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
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.drill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many (%(default)s); each takes about a minute")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (%(default)s)")
    chosen = parser.parse_args()
    console = Console(highlight=False)

    def work() -> int:
        played: list[Played] = []
        try:
            for each in play(chosen.rounds, chosen.seed, console):
                played.append(each)
        finally:  # also of a drill that is interrupted
            console.print(table(played))
        return 0 if all(each.outcome.holds for each in played) else 1

    return ended(work, "nothing is left of a round that was not finished")


if __name__ == "__main__":
    sys.exit(run(main))
