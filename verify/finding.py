"""What was checked, what was expected, what was found, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from inventory.table import printable

# Text of others is shown as one line: enough to recognise it, not enough to hide the rest.
LONGEST = 300


class Part(StrEnum):
    """Parts that `--only` selects."""

    DNS = "dns"
    SIP = "sip"
    TLS = "tls"


class Verdict(StrEnum):
    """In the report's order."""

    BROKEN = "broken"
    WARNING = "warning"
    UNCHECKED = "unchecked"
    HOLDS = "holds"


@dataclass(frozen=True)
class Subject:
    """What to check: `what`, `where` (a server), and what is expected."""

    part: Part
    what: str
    where: str
    expected: str


@dataclass(frozen=True)
class Judgement:
    """What was found, as text; `remedy` if it is not as expected. `milliseconds`: response time."""

    verdict: Verdict
    found: str
    remedy: str = ""
    milliseconds: float | None = None


@dataclass(frozen=True)
class Finding:
    """A subject and its judgement."""

    subject: Subject
    judgement: Judgement


def one_line(text: str) -> str:
    """Text of others as one short line without control characters."""
    clean = printable(text)
    return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}..."


def judged(found: str, problems: Iterable[tuple[Verdict, str, str]], milliseconds: float | None = None) -> Judgement:
    """A judgement from problems, each (verdict, what, remedy); the worst verdict counts, and all are reported."""
    listed = list(problems)
    if not listed:
        return Judgement(Verdict.HOLDS, found, milliseconds=milliseconds)
    order = list(Verdict)
    worst = min((verdict for verdict, _, _ in listed), key=order.index)
    shown = "; ".join([found, *(what for _, what, _ in listed)] if found else [what for _, what, _ in listed])
    remedies = dict.fromkeys(remedy for _, _, remedy in listed if remedy)
    return Judgement(worst, shown, "; ".join(remedies), milliseconds)
