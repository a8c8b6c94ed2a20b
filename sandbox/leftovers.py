"""Engines and plugins left over from a kill, of the stacks in one folder.

A killed engine cannot end its plugins: the language host, the program, dynamic providers and policy packs run on
forever. If a command of this package is killed, its engine runs on with the update.
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
# Graceful, then cancelled, then killed: the operation in progress may be a slow load balancer.
_SIGNALS: Final = ((signal.SIGINT, 60.0), (signal.SIGINT, 15.0), (signal.SIGKILL, 5.0))


def end(directory: Path, say: Callable[[str], None]) -> None:
    """End all of them. Runs in progress there are left alone."""
    if engines := [pid for pid in _marked(directory) if _deserted(pid)]:
        say("the engine of a killed run is still running: interrupting it")
        marks.end(engines, *_SIGNALS)
    if plugins := list(orphans(directory)):
        say(f"ending {len(plugins)} process{'' if len(plugins) == 1 else 'es'} left over from a killed engine")
        marks.end(plugins, *marks.GENTLY)


def updating(directory: Path) -> int | None:
    """Process id of the engine that is updating a stack in the folder; None: no update is running."""
    engines = (pid for pid in _marked(directory) if marks.name_of(pid) == ENGINE)
    locked = any((directory / "state").rglob("locks/**/*.json"))
    return next(engines, None) if locked else None


def orphans(directory: Path) -> Iterator[int]:
    """Processes whose engine has ended."""
    found = set(_marked(directory))
    for pid in found:
        if not any(marks.name_of(each) == ENGINE for each in _line(pid, found)):
            yield pid


def _marked(directory: Path) -> Iterator[int]:
    yield from marks.marked(MARK, str(directory.resolve()))


def _deserted(pid: int) -> bool:
    """Whether it is an engine whose runner has ended. The command in the folder becomes the engine itself."""
    runner = marks.variable(pid, RUNNER)
    return marks.name_of(pid) == ENGINE and bool(runner) and int(runner) not in (pid, marks.parent(pid))


def _line(pid: int, found: set[int]) -> Iterator[int]:
    """The process and its ancestors, as long as they belong to the same folder."""
    while pid in found:
        yield pid
        pid = marks.parent(pid)
