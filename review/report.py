"""A preview, judged: everything that `markdown.py` writes down, and whether anybody outside would notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.values import WHOLE, missing_values
from review.acl import AclChange, acl_change
from review.addresses import AddressChange, address_changes, inventories
from review.audience import Audience
from review.causes import Message
from review.preview import Policies, Preview
from review.promised import promised_changes, with_promised
from review.records import RecordChange, record_changes
from review.resources import ResourceChange, resource_changes

# What people get as text: output, and who they are.
_SHEETS = (("vendorWhitelist", Audience.VENDORS), ("customerEndpoints", Audience.CUSTOMERS))
_UNSURE = "which addresses there are after the update: neither outputs nor settings in this preview can be read"
_LEFT_OUT = (
    "cost, capacity, policies and the text of people's sheets: this form of the preview leaves them out"
    " (PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true tells them)"
)
_MOVED = (
    "whether an address, name servers or access moved: this form of the refresh leaves out what the cloud answered"
    " (PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true tells it)"
)
_PROGRAMLESS = (
    "DS records and the authority of the database's server: they are known to the program alone"
    " (pulumi refresh --preview-only --run-program tells them)"
)
_FIGURES = (
    ("egressCapacity", "activeAddresses", "active egress addresses"),
    ("egressCapacity", "concurrentCalls", "concurrent calls"),
    ("egressCapacity", "ports", "source ports, a protocol"),
    ("egressCapacity", "vms", "VMs with their minimum of ports"),
    ("monthlyCost", "plan.total", "network, as planned"),
    ("monthlyCost", "list.total", "network, at list prices"),
    ("monthlyCost", "platform", "platform"),
    ("monthlyCost", "perCustomer", "a customer"),
)


@dataclass(frozen=True)
class Figure:
    """A number before and after; None: not known, or not told. Costs are US dollars a month."""

    output: str
    words: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Sheet:
    """Lines of a text that people outside get, which come and go though no address changes."""

    seen_by: Audience
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All there is to say. `drift`: it is a refresh, and tells what others changed in the cloud."""

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
    not_told: tuple[str, ...]

    @property
    def seen_by(self) -> frozenset[Audience]:
        """Everybody outside who would notice; what could not be told may be noticed by anybody."""
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
        """Whether it needs somebody's extra approval; for a drift: whether there is any, or may be."""
        return bool(self.resources or self.unsure) if self.drift else bool(self.seen_by)


def report(preview: Preview, stack: str, published: Mapping[str, Any] | None = None) -> Report:
    """`published`: the stack's outputs as they are now; without them, those that the preview begins with."""
    before = published if published is not None else preview.before or {}
    # A refresh runs no program, and one that broke off exports nothing: the outputs are the old ones in both.
    judged = not preview.refresh and not preview.partial
    found = inventories(preview, published)
    addresses = tuple(address_changes(found)) if judged else ()
    return Report(
        stack=stack,
        drift=preview.refresh,
        failed=preview.failed,
        partial=preview.partial,
        errors=preview.errors,
        # The engine tells them as they come; the same preview gives the same report.
        warnings=tuple(sorted(preview.warnings, key=lambda each: (each.urn, each.text))),
        addresses=addresses,
        sheets=tuple(_sheets(before, preview.after or {}, addresses)) if judged else (),
        resources=tuple(_resources(preview)),
        records=tuple(record_changes(preview, parent=judged)),
        acl=acl_change(preview),
        figures=tuple(_figures(before, preview.after)) if judged and preview.after is not None else (),
        policies=preview.policies,
        unsure=tuple(_unsure(preview, before, addresses_known=not judged or found.after is not None)),
        not_told=tuple(_not_told(preview)),
    )


def _resources(preview: Preview) -> list[ResourceChange]:
    changes = resource_changes(preview)
    return with_promised(changes, promised_changes(preview)) if preview.refresh else changes


def _unsure(preview: Preview, before: Mapping[str, Any], *, addresses_known: bool) -> Iterator[str]:
    if wrong := missing_values(before):
        yield f"what people read today: {wrong}; {WHOLE}"
    if not addresses_known:
        yield _UNSURE
    if preview.refresh and not preview.complete:
        yield _MOVED


def _not_told(preview: Preview) -> Iterator[str]:
    if not preview.refresh and not preview.complete:
        yield _LEFT_OUT
    if preview.refresh and preview.complete and preview.programless:
        yield _PROGRAMLESS


def _sheets(before: Mapping[str, Any], after: Mapping[str, Any], addresses: Sequence[AddressChange]) -> Iterator[Sheet]:
    """Texts that change by themselves: where addresses change, those tell it better, and customers read of both."""
    told = {each.seen_by for each in addresses if each.seen_by.outside}
    for output, audience in _SHEETS:
        was, will_be = (_at(outputs, f"{output}.text") for outputs in (before, after))
        if not isinstance(was, str) or not isinstance(will_be, str) or was == will_be:
            continue
        if audience not in told and not (audience is Audience.CUSTOMERS and told):
            old, new = was.split("\n"), will_be.split("\n")
            yield Sheet(
                audience,
                tuple(line for line in new if line not in old),
                tuple(line for line in old if line not in new),
            )


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Figure]:
    figures = [
        Figure(output, words, _number(_at(before, f"{output}.{path}")), _number(_at(after, f"{output}.{path}")))
        for output, path, words in _FIGURES
    ]
    return [each for each in figures if each.before is not None or each.after is not None]


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
