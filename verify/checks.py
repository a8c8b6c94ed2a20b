"""Runs checks at once, within a bound on how many and for how long: what is unfinished at the end is told as such."""

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
    """Every check that was begun and what came of it. `tell` gets how many are done, of how many so far."""

    def __init__(self, tell: Progress = lambda *_: None) -> None:
        self._tell = tell
        self._numbers = count()
        self._subjects: dict[int, Subject] = {}
        self._judgements: dict[int, Judgement] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def check(self, subject: Subject, look: Look) -> Judgement:
        """Look at one thing. One surprise does not take the answers of all others away."""
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
                    "look at the answer by hand, and report this",
                )
        self._settle(number, judgement)
        return judgement

    def settled(self, subject: Subject, judgement: Judgement) -> None:
        """A finding that needed no asking."""
        number = next(self._numbers)
        self._subjects[number] = subject
        self._settle(number, judgement)

    def _settle(self, number: int, judgement: Judgement) -> None:
        self._judgements[number] = judgement
        self._report()

    def findings(self) -> list[Finding]:
        """In the order in which they were begun."""
        late = Judgement(Verdict.BROKEN, NO_ANSWER, "see that it can be reached from here, or raise --timeout")
        return [Finding(subject, self._judgements.get(number, late)) for number, subject in self._subjects.items()]

    def _report(self) -> None:
        self._tell(len(self._judgements), len(self._subjects))


async def within(seconds: float, work: Awaitable[None]) -> None:
    """Await it until the time is over: then it is given up, whatever it is doing."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        task.result()
        return
    task.cancel()
    # What is being given up gets one breath to close its sockets; it is not waited for.
    await asyncio.wait({task}, timeout=0.2)
