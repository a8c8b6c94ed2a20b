"""Runs checks concurrently, with a limit and a timeout: checks that are unfinished at the end are reported as such."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

from verify.finding import Finding, Judgement, Subject, Verdict
from verify.records import NO_ANSWER

AT_ONCE = 32
Progress = Callable[[int, int], None]
Look = Callable[[], Awaitable[Judgement]]


class Checks:
    """All checks and their results. `progress` is called with the number of finished checks, and of all so far."""

    def __init__(self, progress: Progress = lambda *_: None) -> None:
        self._progress = progress
        self._numbers = count()
        self._subjects: dict[int, Subject] = {}
        self._judgements: dict[int, Judgement] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def check(self, subject: Subject, look: Look) -> Judgement:
        """Run one check. An unexpected error does not affect other checks."""
        number = next(self._numbers)
        self._subjects[number] = subject
        self._report()
        async with self._free:
            try:
                judgement = await look()
            except Exception as error:
                judgement = Judgement(
                    Verdict.BROKEN,
                    f"its answer could not be judged: {type(error).__name__}",
                    "inspect the answer manually, and report this as a bug",
                )
        self._settle(number, judgement)
        return judgement

    def settled(self, subject: Subject, judgement: Judgement) -> None:
        """Add a finding that needs no query."""
        number = next(self._numbers)
        self._subjects[number] = subject
        self._settle(number, judgement)

    def _settle(self, number: int, judgement: Judgement) -> None:
        self._judgements[number] = judgement
        self._report()

    def findings(self) -> list[Finding]:
        """In the order in which the checks were started."""
        late = Judgement(Verdict.BROKEN, NO_ANSWER, "check that it can be reached from here, or raise --timeout")
        return [Finding(subject, self._judgements.get(number, late)) for number, subject in self._subjects.items()]

    def _report(self) -> None:
        self._progress(len(self._judgements), len(self._subjects))


async def within(seconds: float, work: Awaitable[None]) -> None:
    """Await it until the timeout, then cancel it."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        task.result()
        return
    task.cancel()
    # Cancelled checks get one turn of the event loop to close their sockets; they are not awaited.
    await asyncio.wait({task}, timeout=0.2)
