"""One run of the engine as a child process, which always ends by itself.

The engine gets its own process group. A terminal sends Ctrl-C to the whole foreground group; an engine in it would get
a second one from us, which it takes as "at once" (pulumi/pkg/backend/cancellation_scope.go). So every interrupt, from
wherever, reaches only this process and is passed on once, and then we wait: a parent that ends before its engine
leaves a lock, unrecorded resources and plugins behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What the engine does at the first and second interrupt; it ignores a third.
WORDS = (
    "stopping: the engine finishes the operations under way (interrupt again: it ends at once)",
    "the engine ends at once; the next run records the operations that were under way (interrupt again: it is killed)",
    "the engine is killed",
)

# Environment variable that identifies the starter to the engine's processes, to find out whether it still runs
# (sandbox/leftovers.py).
RUNNER = "WARP_EDGE_RUNNER"

STDERR = 2

Handler = Callable[[int, FrameType | None], object] | int | None


class Interrupts:
    """Passes interrupts on to one child process and counts them. Interrupts before its start are kept for it."""

    def __init__(self) -> None:
        self.count = 0
        self._passed = 0
        self._child: subprocess.Popen[str] | None = None

    def come(self, _number: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        self.count += 1
        self._pass_on()

    def to(self, child: subprocess.Popen[str]) -> None:
        """Set the child process that gets the interrupts."""
        self._child = child
        self._pass_on()

    def _pass_on(self) -> None:
        while self._child is not None and self._passed < self.count and self._child.poll() is None:
            self._passed += 1
            # Not `print`, which is not reentrant: the interrupted code may be inside one.
            with contextlib.suppress(OSError):
                os.write(STDERR, f"\n{WORDS[min(self._passed, len(WORDS)) - 1]}\n".encode())
            if self._passed < len(WORDS):
                self._child.send_signal(signal.SIGINT)
            else:
                os.killpg(self._child.pid, signal.SIGKILL)


def run(
    command: Sequence[str], environment: Mapping[str, str], show: Callable[[str], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end. With `show`, standard output and standard error are merged and also copied there line by line.

    Raises `KeyboardInterrupt` after the engine's end if this process was interrupted, `FileNotFoundError` if there is
    no such program.
    """
    with _interrupts() as interrupts:
        child = subprocess.Popen(
            command,
            env={**environment, RUNNER: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if show else subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )
        interrupts.to(child)
        said: list[str] = []
        if show:
            for line in child.stdout or ():
                said.append(line)
                show(line)
        out, err = child.communicate()
    if interrupts.count:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(list(command), child.returncode, "".join(said) + (out or ""), err or "")


@contextmanager
def _interrupts() -> Iterator[Interrupts]:
    """Only the main thread may handle signals; signals that the parent process ignored (nohup, `&`) stay ignored."""
    interrupts, before = Interrupts(), dict[int, Handler]()
    if threading.current_thread() is threading.main_thread():
        for each in INTERRUPTS:
            if signal.getsignal(each) is not signal.SIG_IGN:
                before[each] = signal.signal(each, interrupts.come)
    try:
        yield interrupts
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
