"""The parts of a report as Markdown: sections, tables, and lines about one change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from engine.values import AT_UPDATE
from inventory.address import Address
from policies.rules.secrets import NAMES
from review.acl import AclChange
from review.addresses import AddressChange
from review.audience import Audience
from review.causes import Message, remedy
from review.foreign import code, error_text, message_text
from review.preview import Policies
from review.records import RecordChange
from review.report import Figure, Sheet
from review.resources import Effected, Operation, ResourceChange
from secret_text import SECRET

T = TypeVar("T")

ROWS = 50  # of one list


def section(heading: str, items: Sequence[T], line: Callable[[T], Iterable[str]]) -> Iterator[str]:
    """A heading and the lines of each item, bounded; nothing without items."""
    if items:
        yield from ("", f"### {heading}", "")
        for item in items[:ROWS]:
            yield from line(item)
        yield from _more(len(items) - ROWS)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"- and {count:,} more"


def error_lines(message: Message) -> Iterator[str]:
    """An error, its resource, and the remedy if a setting caused it."""
    yield from _said(message, error_text(message.text))
    if told := remedy(message):
        yield f"  - **What to do**: {told}"


def warning_lines(message: Message) -> Iterator[str]:
    """A warning and its resource."""
    yield from _said(message, message_text(message.text))


def _said(message: Message, lines: Sequence[str]) -> Iterator[str]:
    about = f"{code(message.about)}: " if message.about else ""
    first, *rest = lines or ["(no text)"]
    yield f"- {about}{first}"
    yield from (f"  - {line}" for line in rest)


def address_tables(changes: Sequence[AddressChange]) -> Iterator[str]:
    """One table per audience."""
    for audience in Audience:
        group = [each for each in changes if each.seen_by is audience]
        if group:
            yield from ("", f"### Addresses: {audience.inline}", "")
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
        told += [f"active from {after.active_on}"] if after.active_on and after.coming else []
        told += [f"less notice: {code(after.notice_reason)}"] if after.notice_reason else []
    told += [f"{each.field}: {code(each.before)} → {code(each.after)}" for each in change.details]
    return "; ".join(told)


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """A change of a text without a change of addresses."""
    who = "vendors" if sheet.seen_by is Audience.VENDORS else "customers"
    lines = [
        *(f"- removed: {code(line)}" for line in sheet.removed),
        *(f"- added: {code(line)}" for line in sheet.added),
    ]
    yield from section(f"The text for {who} changes", lines, lambda line: [line])


def resource_lines(change: ResourceChange, *, happened: bool = False) -> Iterator[str]:
    """`happened`: drift, not a planned change."""
    severe = change.operation in (Operation.REPLACE, Operation.DELETE)
    who = f" ({change.seen_by.inline})" if severe else ""
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
    """`property before → after`; empty without a property."""
    if not effected.property or not (effected.before or effected.after):
        return code(effected.property) if effected.property else ""
    # The last word of the path, as compared by the rule no-plaintext-secret.
    name = effected.property.rpartition(".")[2].lower()
    hidden = bool(NAMES.search("".join(letter for letter in name if letter.isascii() and letter.isalpha())))
    before, after = (f"`{SECRET}`" if hidden else code(value) for value in (effected.before, effected.after))
    return f"{code(effected.property)} {before} → {after}"


def record_lines(change: RecordChange) -> Iterator[str]:
    """A record set before and after."""
    name = f"{code(change.name)} {code(change.type)}{f' at {change.host}' if change.host else ''}"
    before, after = (
        ", ".join(code(each) if each else AT_UPDATE for each in data[:ROWS]) for data in (change.before, change.after)
    )
    told = f"{before or '(none)'} → {after or '(none)'}" if change.before != change.after else ""
    was, will_be = change.ttl
    if was is not None and will_be is not None and was != will_be:
        told += f"{'; ' if told else ''}TTL {was} s → {will_be} s"
    if change.at_parent:
        yield f"- {name} at the parent zone, to be changed by its owner: {told}"
        return
    severe = change.operation in (Operation.REPLACE, Operation.DELETE)
    operation = f"**{change.operation.value}**" if severe else change.operation.value
    yield f"- {name} {operation}{f': {told}' if told else ''}"


def acl_table(change: AclChange) -> Iterator[str]:
    """Trunks and ranges by customer."""
    yield from ("", "### Trunk ACL: who may call", "")
    if not change.known:
        yield "The customers' trunks are not known before the update."
        return
    totals = f"{change.total_before:,} → {change.total_after:,}"
    yield f"{totals} customers with trunk files; {len(change.customers):,} of them change."
    if (removal := change.removal) and removal.bans:
        entirely = f"; entirely: {', '.join(code(ban) for ban in removal.entirely)}" if removal.entirely else ""
        yield from ("", f"**Removed: {removal.entries:,} of {removal.total:,} entries that let calls in{entirely}.**")
    yield from ("", "| BAN | trunks | ranges | switched off | added | removed |", "|---|---|---|---|---|---|")
    for each in change.customers[:ROWS]:
        before, after = each.before, each.after
        both = zip(vars(before).values(), vars(after).values(), strict=True)  # trunks, ranges, switched off
        counts = " | ".join(f"{was:,} → {now:,}" if was != now else f"{was:,}" for was, now in both)
        yield f"| {code(each.ban)} | {counts} | {_some(each.added)} | {_some(each.removed)} |"
    if len(change.customers) > ROWS:
        yield from ("", f"and {len(change.customers) - ROWS:,} more customers")


def _some(lines: Sequence[str], shown: int = 5) -> str:
    more = [f"and {len(lines) - shown:,} more"] if len(lines) > shown else []
    return "<br>".join([*(code(line) for line in lines[:shown]), *more])


def figure_tables(figures: Sequence[Figure]) -> Iterator[str]:
    """Capacity and cost."""
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


def policy_lines(policies: Policies | None, *, told: bool) -> Iterator[str]:
    """Results of the policy packs; `told`: this form of the preview includes them."""
    if not told:
        return
    yield from ("", "### Policies", "")
    if policies is None:
        yield "This preview ran without a policy pack."
        return
    broken = {violation.rule for violation in policies.violations}
    yield f"{len(policies.rules - broken):,} of {len(policies.rules):,} rules are met."
    order = {"mandatory": 0, "advisory": 1}
    ranked = sorted(policies.violations, key=lambda each: (order.get(each.level, 2), each.rule, each.urn))
    for violation in ranked[:ROWS]:
        level = {"mandatory": "**REFUSED**", "advisory": "advisory"}.get(violation.level, code(violation.level))
        first, *rest = message_text(violation.message) or ["(no text)"]
        yield f"- {level} {code(violation.rule)}: {first}"
        yield from (f"  - {line}" for line in rest)
    yield from _more(len(ranked) - ROWS)
    for mended in policies.mended[:ROWS]:
        yield f"- remediated by {code(mended.text)}: {code(mended.about)}"
