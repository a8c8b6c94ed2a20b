"""Finds processes by a mark in their environment, which children inherit: also after their parent was killed, and
without a PID file."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def marked(name: str, value: str, *, below: bool = False) -> Iterator[int]:
    """Every running process, other than this one, with this variable in its environment; `below`: also with a path
    below `value`."""
    mark = f"{name}={value}".encode()
    for entry in _PROC.glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            found = mark in variables or (below and any(each.startswith(mark + b"/") for each in variables))
            if found and pid != os.getpid() and not dead(pid):
                yield pid


def variable(pid: int, name: str) -> str:
    """A variable of a process's initial environment; empty if there is none, or no such process."""
    with contextlib.suppress(OSError):
        for pair in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            key, _, value = pair.partition(b"=")
            if key == name.encode():
                return value.decode(errors="replace")
    return ""


def name_of(pid: int) -> str:
    """The program's name, at most 15 characters (proc(5), comm)."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return ""


def parent(pid: int) -> int:
    """Its parent's process id; 0 if there is no such process."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def holds(pid: int, file: Path) -> bool:
    """Whether it has this file open, by this path, which may have been deleted."""
    with contextlib.suppress(OSError):
        for each in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(each.readlink()).removesuffix(" (deleted)") == str(file):
                    return True
    return False


def dead(pid: int) -> bool:
    """Ended, perhaps a zombie (proc(5), field 3 of stat)."""
    fields = _stat(pid)
    return not fields or fields[0] in "ZX"


def end(pids: Iterable[int], *signals: tuple[int, float]) -> bool:
    """Send each signal in turn and wait its seconds, until all have ended. Whether they have."""
    left = set(pids)
    for number, seconds in signals:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if within(seconds, partial(_all_dead, left)):
            return True
        left = {pid for pid in left if not dead(pid)}
    return not left


def within(seconds: float, met: Callable[[], bool]) -> bool:
    """Whether the condition was met in time."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _all_dead(pids: Iterable[int]) -> bool:
    return all(map(dead, pids))


def _stat(pid: int) -> list[str]:
    """Fields 3 and following of /proc/PID/stat; the name before them may contain any characters."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


GENTLY: Final = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
