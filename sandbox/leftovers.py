"""Engines and plugins that a kill left behind, of the stacks in one folder.

An engine that is killed cannot end its plugins: the language host, the program, dynamic providers and policy packs go
on for ever. A runner of ours that is killed leaves the engine itself, which goes on with its update.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.run import RUNNER
from local_cloud import marks

MARK: Final = "WARP_EDGE_SANDBOX"
ENGINE: Final = "pulumi"
# The engine's own ways to end, then ours: what is under way may be a load balancer that takes its time.
_SIGNALS: Final = ((signal.SIGINT, 60.0), (signal.SIGINT, 15.0), (signal.SIGKILL, 5.0))


def end(directory: Path, say: Callable[[str], None]) -> None:
    """End all of them. What somebody runs there right now is left alone."""
    if engines := [pid for pid in _marked(directory) if _deserted(pid)]:
        say("an engine of a run that was killed still works: it is asked to end")
        marks.end(engines, *_SIGNALS)
    if plugins := list(orphans(directory)):
        say(f"ending {len(plugins)} process{'' if len(plugins) == 1 else 'es'} that a killed engine left behind")
        marks.end(plugins, *marks.GENTLY)


def updating(directory: Path) -> int | None:
    """The engine that updates a stack in the folder right now; None: no update runs."""
    engines = (pid for pid in _marked(directory) if marks.name_of(pid) == ENGINE)
    locked = any((directory / "state").rglob("locks/**/*.json"))
    return next(engines, None) if locked else None


def orphans(directory: Path) -> Iterator[int]:
    """Processes of an engine that lives no more."""
    found = set(_marked(directory))
    for pid in found:
        if not any(marks.name_of(each) == ENGINE for each in _line(pid, found)):
            yield pid


def _marked(directory: Path) -> Iterator[int]:
    yield from marks.marked(MARK, str(directory.resolve()))


def _deserted(pid: int) -> bool:
    """An engine that a process of ours started, which is gone. The command in the folder becomes the engine itself."""
    runner = marks.variable(pid, RUNNER)
    return marks.name_of(pid) == ENGINE and bool(runner) and int(runner) not in (pid, marks.parent(pid))


def _line(pid: int, found: set[int]) -> Iterator[int]:
    """It and its ancestors, as far as they are of the same folder."""
    while pid in found:
        yield pid
        pid = marks.parent(pid)
