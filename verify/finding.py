"""What was looked at, what should have been there, what was, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from inventory.table import printable

# What others say is told in a line: enough to recognise it, not enough to bury the rest.
LONGEST = 300


class Part(StrEnum):
    """What can be asked for alone (`--only`)."""

    DNS = "dns"
    SIP = "sip"
    TLS = "tls"


class Verdict(StrEnum):
    """In the order of the report."""

    BROKEN = "broken"
    WARNING = "warning"
    UNCHECKED = "unchecked"
    HOLDS = "holds"


@dataclass(frozen=True)
class Subject:
    """One thing to look at: `what`, asked `where` (a server), and what should be found there."""

    part: Part
    what: str
    where: str
    expected: str


@dataclass(frozen=True)
class Judgement:
    """What was found, in words for people; `remedy` where it is not what it should be. `milliseconds`: to answer."""

    verdict: Verdict
    found: str
    remedy: str = ""
    milliseconds: float | None = None


@dataclass(frozen=True)
class Finding:
    """A subject and what became of it."""

    subject: Subject
    judgement: Judgement


def one_line(text: str) -> str:
    """What somebody else wrote, as one short line that no terminal obeys."""
    clean = printable(text)
    return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}..."


def judged(found: str, problems: Iterable[tuple[Verdict, str, str]], milliseconds: float | None = None) -> Judgement:
    """A judgement from what is wrong: (how bad, what, remedy) each; the worst decides, and all of it is told."""
    listed = list(problems)
    if not listed:
        return Judgement(Verdict.HOLDS, found, milliseconds=milliseconds)
    order = list(Verdict)
    worst = min((verdict for verdict, _, _ in listed), key=order.index)
    told = "; ".join([found, *(what for _, what, _ in listed)] if found else [what for _, what, _ in listed])
    remedies = dict.fromkeys(remedy for _, _, remedy in listed if remedy)
    return Judgement(worst, told, "; ".join(remedies), milliseconds)
