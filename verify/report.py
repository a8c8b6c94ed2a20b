"""The findings as a table for people and as JSON for machines, described in docs/verify.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from inventory.table import printable
from verify.finding import Finding, Judgement, Subject, Verdict

SCHEMA = 1
COLOUR = {Verdict.BROKEN: "red", Verdict.WARNING: "yellow", Verdict.UNCHECKED: "cyan", Verdict.HOLDS: "green"}

Json = dict[str, Any]


def holds(findings: Sequence[Finding]) -> bool:
    """Whether nothing is broken. Without any finding the promise does not hold."""
    return bool(findings) and not any(each.judgement.verdict is Verdict.BROKEN for each in findings)


def document(findings: Sequence[Finding], domain: str, seconds: float) -> Json:
    """All findings, in the order of the table."""
    return {
        "schema": SCHEMA,
        "domain": domain,
        "holds": holds(findings),
        "seconds": round(seconds, 3),
        "counts": _counts(findings),
        "findings": [_finding(each) for each in _sorted(findings)],
    }


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    verdicts = [each.judgement.verdict for each in findings]
    return {str(verdict): verdicts.count(verdict) for verdict in Verdict}


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Verdict)
    return sorted(findings, key=lambda each: order.index(each.judgement.verdict))


def _finding(each: Finding) -> Json:
    subject, judgement = each.subject, each.judgement
    known: Json = {
        "part": str(subject.part),
        "what": subject.what,
        "where": subject.where,
        "expected": subject.expected,
        "verdict": str(judgement.verdict),
        "found": judgement.found,
    }
    if judgement.remedy:
        known["remedy"] = judgement.remedy
    if judgement.milliseconds is not None:
        known["milliseconds"] = round(judgement.milliseconds, 1)
    return known


def table(findings: Sequence[Finding], domain: str, seconds: float) -> Table:
    """Failures first, each with its remedy; equal findings at several servers share one row."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in _counts(findings).items() if number)
    shown = Table(
        title=Text(printable(f"The promise of {domain}, from outside")),
        title_justify="left",
        caption=Text(f"{counts}; {seconds:.1f} s"),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in ("", "What", "Where", "Expected", "Found"):
        shown.add_column(heading, overflow="fold", no_wrap=not heading)
    shown.add_column("Time", justify="right", no_wrap=True)
    for subject, judgement, where in _rows(_sorted(findings)):
        found = Text(printable(judgement.found))
        if judgement.remedy:
            found.append(f"\n-> {printable(judgement.remedy)}", style="bold")
        shown.add_row(
            Text(str(judgement.verdict), style=COLOUR[judgement.verdict]),
            Text(f"{subject.part} {printable(subject.what)}"),
            Text("\n".join(printable(place) for place in where)),
            Text(printable(subject.expected)),
            found,
            "" if judgement.milliseconds is None else f"{judgement.milliseconds:.0f} ms",
        )
    return shown


def _rows(findings: Sequence[Finding]) -> Iterator[tuple[Subject, Judgement, list[str]]]:
    """Findings that differ only in server and time, in one row with the slowest time."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for each in findings:
        subject, judgement = each.subject, each.judgement
        alike = (subject.part, subject.what, subject.expected, judgement.verdict, judgement.found, judgement.remedy)
        groups.setdefault(alike, []).append(each)
    for group in groups.values():
        slowest = max(group, key=lambda each: each.judgement.milliseconds or 0.0)
        yield slowest.subject, slowest.judgement, [each.subject.where for each in group]
