"""A judged preview: everything that `markdown.py` formats, and whether it is visible outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.values import WHOLE, at, missing_values
from review.acl import AclChange, acl_change
from review.addresses import AddressChange, address_changes, inventories
from review.audience import Audience
from review.causes import Message
from review.preview import Policies, Preview
from review.promised import promised_changes, with_promised
from review.records import RecordChange, record_changes
from review.resources import ResourceChange, resource_changes

# Outputs with a text, and their audience.
_SHEETS = (("vendorWhitelist", Audience.VENDORS), ("customerEndpoints", Audience.CUSTOMERS))
_UNSURE = "addresses after the update: this preview has neither readable outputs nor settings"
_LEFT_OUT = (
    "cost, capacity, policies and the text of sheets: this form of the preview does not include them"
    " (set PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true)"
)
_MOVED = (
    "whether an address, name servers or access changed: this form of the refresh does not include the cloud's answers"
    " (set PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true)"
)
_PROGRAMLESS = (
    "DS records and the CA of the database's server: only the program knows them"
    " (use pulumi refresh --preview-only --run-program)"
)
_FIGURES = (
    ("egressCapacity", "activeAddresses", "active egress addresses"),
    ("egressCapacity", "concurrentCalls", "concurrent calls"),
    ("egressCapacity", "ports", "source ports, per protocol"),
    ("egressCapacity", "vms", "VMs with their minimum of ports"),
    ("monthlyCost", "plan.total", "network, as planned"),
    ("monthlyCost", "list.total", "network, at list prices"),
    ("monthlyCost", "platform", "platform"),
    ("monthlyCost", "perCustomer", "per customer"),
)


@dataclass(frozen=True)
class Figure:
    """A number before and after; None: not known, or not included. Costs are US dollars a month."""

    output: str
    words: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Sheet:
    """Added and removed lines of a text for vendors or customers, without a change of addresses."""

    seen_by: Audience
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The complete report. `drift`: it is of a refresh, and shows changes made by others in the cloud."""

    stack: str
    drift: bool
    failed: bool
    partial: bool
    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]
    addresses: tuple[AddressChange, ...]
    sheets: tuple[Sheet, ...]
    resources: tuple[ResourceChange, ...]
    records: tuple[RecordChange, ...]
    acl: AclChange | None
    figures: tuple[Figure, ...]
    policies: Policies | None
    unsure: tuple[str, ...]
    omitted: tuple[str, ...]

    @property
    def seen_by(self) -> frozenset[Audience]:
        """All audiences outside; anything that could not be determined may be visible to any."""
        found = {each.seen_by for each in self.addresses}
        found |= {each.seen_by for each in self.sheets} | {each.seen_by for each in self.resources}
        if self.acl:
            found.add(Audience.CUSTOMERS)
        if any(each.at_parent for each in self.records):
            found.add(Audience.CUSTOMERS)
        if self.unsure:
            found.add(Audience.ANYBODY)
        return frozenset(audience for audience in found if audience.outside)

    @property
    def visible(self) -> bool:
        """Whether it needs an extra approval; of a refresh: whether there is drift, or may be."""
        return bool(self.resources or self.unsure) if self.drift else bool(self.seen_by)


def report(preview: Preview, stack: str, published: Mapping[str, Any] | None = None) -> Report:
    """Judge a preview. `published`: the stack's current outputs; by default those that the preview begins with."""
    before = published if published is not None else preview.before or {}
    # A refresh runs no program, and an incomplete preview exports nothing: both have the old outputs.
    judged = not preview.refresh and not preview.partial
    found = inventories(preview, published)
    addresses = tuple(address_changes(found)) if judged else ()
    resources = resource_changes(preview)
    if preview.refresh:
        resources = with_promised(resources, promised_changes(preview))
    omitted: tuple[str, ...] = ()
    if not preview.refresh and not preview.complete:
        omitted = (_LEFT_OUT,)
    elif preview.refresh and preview.complete and preview.programless:
        omitted = (_PROGRAMLESS,)
    return Report(
        stack=stack,
        drift=preview.refresh,
        failed=preview.failed,
        partial=preview.partial,
        errors=preview.errors,
        # Sorted, because the engine's order varies: the same preview gives the same report.
        warnings=tuple(sorted(preview.warnings, key=lambda each: (each.urn, each.text))),
        addresses=addresses,
        sheets=tuple(_sheets(before, preview.after or {}, addresses)) if judged else (),
        resources=tuple(resources),
        records=tuple(record_changes(preview, parent=judged)),
        acl=acl_change(preview),
        figures=tuple(_figures(before, preview.after)) if judged and preview.after is not None else (),
        policies=preview.policies,
        unsure=tuple(_unsure(preview, before, addresses_known=not judged or found.after is not None)),
        omitted=omitted,
    )


def _unsure(preview: Preview, before: Mapping[str, Any], *, addresses_known: bool) -> Iterator[str]:
    if wrong := missing_values(before):
        yield f"the published outputs: {wrong}; {WHOLE}"
    if not addresses_known:
        yield _UNSURE
    if preview.refresh and not preview.complete:
        yield _MOVED


def _sheets(before: Mapping[str, Any], after: Mapping[str, Any], addresses: Sequence[AddressChange]) -> Iterator[Sheet]:
    """Texts that change without their addresses; changed addresses are shown as such, and customers' text has both."""
    shown = {each.seen_by for each in addresses if each.seen_by.outside}
    for output, audience in _SHEETS:
        was, will_be = (at(outputs, f"{output}.text") for outputs in (before, after))
        if not isinstance(was, str) or not isinstance(will_be, str) or was == will_be:
            continue
        if audience not in shown and not (audience is Audience.CUSTOMERS and shown):
            old, new = was.split("\n"), will_be.split("\n")
            yield Sheet(
                audience,
                tuple(line for line in new if line not in old),
                tuple(line for line in old if line not in new),
            )


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Figure]:
    figures = [
        Figure(output, words, _number(at(before, f"{output}.{path}")), _number(at(after, f"{output}.{path}")))
        for output, path, words in _FIGURES
    ]
    return [each for each in figures if each.before is not None or each.after is not None]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
