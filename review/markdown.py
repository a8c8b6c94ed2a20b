"""A report as Markdown for a pull request or an issue.

What is foreign on it is data and nothing else (`review.foreign`). The page is bounded: a comment takes 65,536
characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from engine.tokens import ADDRESS, RECORD_SET, TRUNK_ACL, logical_name
from inventory.address import Address, Status
from policies.rules.secrets import NAMES
from review.acl import AclChange
from review.addresses import AddressChange
from review.audience import Audience
from review.causes import Message
from review.foreign import AT_UPDATE, code, error_text, message_text
from review.preview import Policies, Violation
from review.records import RecordChange
from review.report import Figure, Report, Sheet
from review.resources import Effected, Operation, ResourceChange
from secret_text import SECRET
from trunk_text import Count

T = TypeVar("T")

ROWS = 50  # of one list
# Of a record set: what its line under DNS tells.
ANSWERS = re.compile(r"rrdatas|ttl|routingPolicy($|\.(geos|primaryBackup\.(primary|backupGeos)))")
PAGE = 60_000  # below GitHub's 65,536, which counts in another unit than we do

_CUT = "\n\n**The report is longer than a comment can be, and is cut here. Run the preview to read all of it.**\n"
_AGAIN = (
    "The refresh above ended before everything was compared. A second one, without the program, compares the rest:\n"
)


def markdown(report: Report, marker: str = "") -> str:
    """The page. `marker`, the caller's own text, is its first line, by which a comment is found again."""
    page = "\n".join([*([marker] if marker else []), *_page(report)]).rstrip() + "\n"
    return bounded(page)


def twice(failed: Report, again: Report, marker: str = "") -> str:
    """A refresh that failed with the program, and one without it: neither takes the other's place on the page."""
    return "\n".join((bounded(markdown(failed, marker), PAGE // 2), _AGAIN, bounded(markdown(again), PAGE // 2)))


def bounded(page: str, longest: int = PAGE) -> str:
    """A page that fits into a comment. Never cut in the middle of a line: half a code span is no code span."""
    return page if len(page) <= longest else page[:longest].rpartition("\n")[0] + _CUT


def verdict(report: Report) -> str:
    """The one line that decides."""
    if report.failed and report.drift:
        return "**The refresh failed: somebody has to look.**"
    if report.failed:
        refused = not report.partial and any(each.level == "mandatory" for each in _violations(report))
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
        return "**Whether the cloud is as the state has it could not be told.**"
    seen = _visible_to(report) or ("Perhaps visible outside." if report.seen_by else "Not visible outside.")
    return f"**The cloud is not as the state has it. {seen}**"


def _visible_to(report: Report) -> str:
    """Who is known to see it, as a sentence; empty: not known, or not seen outside."""
    who = [audience for audience in (Audience.VENDORS, Audience.CUSTOMERS) if audience in report.seen_by]
    names = " and ".join(audience.name.lower() for audience in who)
    others = ", perhaps to others" if Audience.ANYBODY in report.seen_by else ""
    return f"Visible to {names}{others}." if names else ""


def _violations(report: Report) -> tuple[Violation, ...]:
    return report.policies.violations if report.policies else ()


def _page(report: Report) -> Iterator[str]:
    yield f"## {'Drift' if report.drift else 'Preview'} of stack {code(report.stack)}"
    yield ""
    yield verdict(report)
    if report.partial:
        yield "It broke off: below is only what it came to."
    yield from section("Errors", report.errors, error_lines)
    yield from section("Could not be told", report.unsure, lambda line: [f"- {line}"])
    yield from _addresses(report.addresses)
    for sheet in report.sheets:
        yield from _sheet(sheet)
    resource = partial(_resource, happened=report.drift)
    severe = [each for each in report.resources if each.operation in (Operation.REPLACE, Operation.DELETE)]
    yield from section("REPLACED OR DELETED" if not report.drift else "Gone from the cloud", severe, resource)
    yield from section("DNS", report.records, _record)
    if report.acl:
        yield from _acl(report.acl)
    others = [each for each in report.resources if each not in severe and not _told_above(each, report)]
    for audience in Audience:
        yield from section(
            f"Other changes: {audience.value[0].lower()}{audience.value[1:]}" if not report.drift else audience.value,
            [each for each in others if each.seen_by is audience],
            resource,
        )
    yield from _figures(report.figures)
    if not report.drift:
        yield from _policies(report.policies, told=not report.not_told)
    yield from section("Warnings", report.warnings, _warning)
    yield from section("Left out", report.not_told, lambda line: [f"- {line}"])


def _told_above(change: ResourceChange, report: Report) -> bool:
    """Whether a part of its own tells all of it."""
    if change.type == RECORD_SET:
        return all(ANSWERS.match(each.property) for each in change.effects)
    if change.type == ADDRESS:
        names = {f"Address {each.name}" for each in report.addresses}
        return change.operation is Operation.CREATE and change.name in names
    return change.type == TRUNK_ACL and report.acl is not None and not change.effects


def section(heading: str, items: Sequence[T], line: Callable[[T], Iterable[str]]) -> Iterator[str]:
    """A heading and the lines of each item, bounded; nothing where there are none."""
    if items:
        yield from ("", f"### {heading}", "")
        for item in items[:ROWS]:
            yield from line(item)
        yield from _more(len(items) - ROWS)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"- and {count:,} more"


def _about(message: Message) -> str:
    return logical_name(message.urn) if message.urn.count("::") >= 3 else ""


def error_lines(message: Message) -> Iterator[str]:
    """What went wrong, and with which resource."""
    yield from _said(message, error_text(message.text))


def _warning(message: Message) -> Iterator[str]:
    yield from _said(message, message_text(message.text))


def _said(message: Message, lines: Sequence[str]) -> Iterator[str]:
    about = f"{code(_about(message))}: " if _about(message) else ""
    first, *rest = lines or ["(no text)"]
    yield f"- {about}{first}"
    yield from (f"  - {line}" for line in rest)


def _addresses(changes: Sequence[AddressChange]) -> Iterator[str]:
    for audience in Audience:
        group = [each for each in changes if each.seen_by is audience]
        if group:
            yield from ("", f"### Addresses: {audience.value[0].lower()}{audience.value[1:]}", "")
            yield from ("| name | address | before | after | |", "|---|---|---|---|---|")
            for each in group[:ROWS]:
                cells = (code(each.name), _where(each), _status(each.before), _status(each.after), _what(each))
                yield f"| {' | '.join(cells)} |"
            if len(group) > ROWS:
                yield from ("", f"and {len(group) - ROWS:,} more")


def _where(change: AddressChange) -> str:
    before, after = change.before, change.after
    if before and after and before.address != after.address:
        return f"{_address(before)} → {_address(after)}"
    return _address(after or before)


def _address(address: Address | None) -> str:
    return code(address.address) if address and address.address else AT_UPDATE


def _status(address: Address | None) -> str:
    return str(address.status) if address else "not there"


def _what(change: AddressChange) -> str:
    told = [change.what]
    after = change.after
    if change.before is None and after:
        told += [f"purpose {code(after.purpose)}"] if after.purpose else []
        told += [f"announced on {after.announced_on}"] if after.announced_on else []
        told += [f"active from {after.active_on}"] if after.active_on and after.status is Status.ANNOUNCED else []
        told += [f"less notice: {code(after.notice_reason)}"] if after.notice_reason else []
    told += [f"{each.field}: {code(each.before)} → {code(each.after)}" for each in change.details]
    return "; ".join(told)


def _sheet(sheet: Sheet) -> Iterator[str]:
    who = "vendors" if sheet.seen_by is Audience.VENDORS else "customers"
    lines = [
        *(f"- removed: {code(line)}" for line in sheet.removed),
        *(f"- added: {code(line)}" for line in sheet.added),
    ]
    yield from section(f"The text that {who} get changes", lines, lambda line: [line])


def _resource(change: ResourceChange, *, happened: bool = False) -> Iterator[str]:
    """`happened`: nobody plans it, it is so already."""
    severe = change.operation in (Operation.REPLACE, Operation.DELETE)
    who = f" ({change.seen_by.value[0].lower()}{change.seen_by.value[1:]})" if severe else ""
    operation = f"**{change.operation.value}**" if severe else change.operation.value
    yield f"- {code(change.name)} {operation}{who}"
    for each in change.effects[:ROWS]:
        told = [
            ", ".join(map(code, each.addresses)),
            values(each),
            each.effect.value if each.effect and not happened else "",
            each.words,
        ]
        yield f"  - {'because of ' if each.effect is None else ''}{': '.join(filter(None, told))}"
    yield from (f"  {line}" for line in _more(len(change.effects) - ROWS))


def values(effected: Effected) -> str:
    """`property before → after`; empty where there is no property."""
    if not effected.property or not (effected.before or effected.after):
        return code(effected.property) if effected.property else ""
    hidden = bool(NAMES.search(_letters(effected.property)))
    before, after = (f"`{SECRET}`" if hidden else code(value) for value in (effected.before, effected.after))
    return f"{code(effected.property)} {before} → {after}"


def _letters(path: str) -> str:
    """The last word of a property's path, as the rule no-plaintext-secret compares it."""
    return "".join(letter for letter in path.rpartition(".")[2].lower() if letter.isascii() and letter.isalpha())


def _record(change: RecordChange) -> Iterator[str]:
    name = f"{code(change.name)} {code(change.type)}{' at Gandi' if change.at_gandi else ''}"
    before, after = (
        ", ".join(code(each) if each else AT_UPDATE for each in data[:ROWS]) for data in (change.before, change.after)
    )
    told = f"{before or '(none)'} → {after or '(none)'}" if change.before != change.after else ""
    was, will_be = change.ttl
    if was is not None and will_be is not None and was != will_be:
        told += f"{'; ' if told else ''}TTL {was} s → {will_be} s"
    if change.at_parent:
        yield f"- {name} at the parent zone, which somebody else has to change there: {told}"
        return
    severe = change.operation in (Operation.REPLACE, Operation.DELETE)
    operation = f"**{change.operation.value}**" if severe else change.operation.value
    yield f"- {name} {operation}{f': {told}' if told else ''}"


def _acl(change: AclChange) -> Iterator[str]:
    yield from ("", "### Trunk ACL: who may call", "")
    if not change.known:
        yield "The customers' trunks are not known before the update."
        return
    totals = f"{change.total_before:,} → {change.total_after:,}"
    yield f"{totals} customers with trunk files; {len(change.customers):,} of them change."
    yield from ("", "| BAN | trunks | ranges | switched off | added | removed |", "|---|---|---|---|---|---|")
    for each in change.customers[:ROWS]:
        before, after = each.before, each.after
        counts = " | ".join(_count(before, after, field) for field in ("trunks", "ranges", "off"))
        yield f"| {code(each.ban)} | {counts} | {_some(each.added)} | {_some(each.removed)} |"
    if len(change.customers) > ROWS:
        yield from ("", f"and {len(change.customers) - ROWS:,} more customers")


def _count(before: Count, after: Count, field: str) -> str:
    was, will_be = getattr(before, field), getattr(after, field)
    return f"{was:,} → {will_be:,}" if was != will_be else f"{was:,}"


def _some(lines: Sequence[str], shown: int = 5) -> str:
    more = [f"and {len(lines) - shown:,} more"] if len(lines) > shown else []
    return "<br>".join([*(code(line) for line in lines[:shown]), *more])


def _figures(figures: Sequence[Figure]) -> Iterator[str]:
    for heading, output in (("Capacity", "egressCapacity"), ("Cost, US dollars a month", "monthlyCost")):
        group = [each for each in figures if each.output == output]
        if group:
            money = output == "monthlyCost"
            yield from ("", f"### {heading}", "", "| | before | after | difference |", "|---|---:|---:|---:|")
            for each in group:
                cells = (each.words, _number(each.before, money), _number(each.after, money), _difference(each, money))
                yield f"| {' | '.join(cells)} |"


def _number(value: float | None, money: bool) -> str:
    if value is None:
        return "not known"
    return f"{value:,.2f}" if money else f"{value:,.0f}"


def _difference(figure: Figure, money: bool) -> str:
    if figure.before is None or figure.after is None:
        return ""
    difference = figure.after - figure.before
    return "none" if abs(difference) < 0.005 else f"{difference:+,.2f}" if money else f"{difference:+,.0f}"


def _policies(policies: Policies | None, *, told: bool) -> Iterator[str]:
    if not told:
        return
    yield from ("", "### Policies", "")
    if policies is None:
        yield "No policy pack judged this preview."
        return
    broken = {violation.rule for violation in policies.violations}
    yield f"{len(policies.rules - broken):,} of {len(policies.rules):,} rules have nothing to say."
    order = {"mandatory": 0, "advisory": 1}
    ranked = sorted(policies.violations, key=lambda each: (order.get(each.level, 2), each.rule, each.urn))
    for violation in ranked[:ROWS]:
        level = {"mandatory": "**REFUSED**", "advisory": "advisory"}.get(violation.level, code(violation.level))
        first, *rest = message_text(violation.message) or ["(no text)"]
        yield f"- {level} {code(violation.rule)}: {first}"
        yield from (f"  - {line}" for line in rest)
    yield from _more(len(ranked) - ROWS)
    for mended in policies.mended[:ROWS]:
        yield f"- mended by {code(mended.text)}: {code(_about(mended))}"
