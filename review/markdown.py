"""A report as Markdown for a pull request or an issue.

Untrusted text is shown as data only (`review.foreign`). The page is bounded: a comment has at most 65,536 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from engine.tokens import ADDRESS, RECORD_SET, TRUNK_ACL
from review.audience import Audience
from review.foreign import code
from review.parts import (
    acl_table,
    address_tables,
    error_lines,
    figure_tables,
    policy_lines,
    record_lines,
    resource_lines,
    section,
    sheet_lines,
    warning_lines,
)
from review.report import Report
from review.resources import Operation, ResourceChange

# Properties of a record set that its line under DNS shows.
ANSWERS = re.compile(r"rrdatas|ttl|routingPolicy($|\.(geos|primaryBackup\.(primary|backupGeos)))")
PAGE = 60_000  # below GitHub's 65,536, which are counted in other units

_CUT = "\n\n**The report exceeds the limit of a comment and is cut here. Run the preview for the complete report.**\n"
_AGAIN = (
    "The refresh above ended before everything was compared. A second refresh, without the program, compares the"
    " rest:\n"
)


def markdown(report: Report, marker: str = "") -> str:
    """The page. `marker`: its first line, the caller's own text, which identifies a comment."""
    page = "\n".join([*([marker] if marker else []), *_page(report)]).rstrip() + "\n"
    return bounded(page)


def twice(failed: Report, again: Report, marker: str = "") -> str:
    """A refresh that failed with the program, and one without it, each with half of the page's limit."""
    return "\n".join((bounded(markdown(failed, marker), PAGE // 2), _AGAIN, bounded(markdown(again), PAGE // 2)))


def bounded(page: str, longest: int = PAGE) -> str:
    """A page that fits into a comment, cut at a line end only: half a code span would not be a code span."""
    return page if len(page) <= longest else page[:longest].rpartition("\n")[0] + _CUT


def verdict(report: Report) -> str:
    """The line with the verdict."""
    if report.failed and report.drift:
        return "**The refresh failed: check manually.**"
    if report.failed:
        violations = report.policies.violations if report.policies and not report.partial else ()
        refused = any(each.level == "mandatory" for each in violations)
        return f"**{'A policy refuses this' if refused else 'The preview failed'}: it cannot be deployed.**"
    if report.drift:
        return _drift(report)
    if not report.visible:
        return "**No change visible outside.**"
    return f"**{_visible_to(report) or 'This may be visible outside.'}** It needs an extra approval."


def _drift(report: Report) -> str:
    if not report.visible:
        return "**No drift.**"
    if not report.resources:
        return "**Whether the cloud matches the state could not be determined.**"
    seen = _visible_to(report) or ("Possibly visible outside." if report.seen_by else "Not visible outside.")
    return f"**The cloud does not match the state. {seen}**"


def _visible_to(report: Report) -> str:
    """The known audience, as a sentence; empty: not known, or not visible outside."""
    known = (Audience.VENDORS, Audience.CUSTOMERS)
    who = [audience for audience in known if audience in report.seen_by or Audience.BOTH in report.seen_by]
    names = " and ".join(audience.name.lower() for audience in who)
    others = ", possibly to others" if Audience.ANYBODY in report.seen_by else ""
    return f"Visible to {names}{others}." if names else ""


def _page(report: Report) -> Iterator[str]:
    yield f"## {'Drift' if report.drift else 'Preview'} of stack {code(report.stack)}"
    yield ""
    yield verdict(report)
    if report.partial:
        yield "It ended early: the report below is incomplete."
    yield from section("Errors", report.errors, error_lines)
    yield from section("Could not be determined", report.unsure, lambda line: [f"- {line}"])
    yield from address_tables(report.addresses)
    for sheet in report.sheets:
        yield from sheet_lines(sheet)
    resource = partial(resource_lines, happened=report.drift)
    severe = [each for each in report.resources if each.operation in (Operation.REPLACE, Operation.DELETE)]
    yield from section("REPLACED OR DELETED" if not report.drift else "Gone from the cloud", severe, resource)
    yield from section("DNS", report.records, record_lines)
    if report.acl:
        yield from acl_table(report.acl)
    others = [each for each in report.resources if each not in severe and not _shown_above(each, report)]
    for audience in Audience:
        yield from section(
            f"Other changes: {audience.inline}" if not report.drift else audience.value,
            [each for each in others if each.seen_by is audience],
            resource,
        )
    yield from figure_tables(report.figures)
    if not report.drift:
        yield from policy_lines(report.policies, told=not report.omitted)
    yield from section("Warnings", report.warnings, warning_lines)
    yield from section("Left out", report.omitted, lambda line: [f"- {line}"])


def _shown_above(change: ResourceChange, report: Report) -> bool:
    """Whether another section shows it completely."""
    if change.type == RECORD_SET:
        return all(ANSWERS.match(each.property) for each in change.effects)
    if change.type == ADDRESS:
        names = {f"Address {each.name}" for each in report.addresses}
        return change.operation is Operation.CREATE and change.name in names
    return change.type == TRUNK_ACL and report.acl is not None and not change.effects
