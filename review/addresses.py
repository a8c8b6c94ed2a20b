"""Changes of addresses as visible to vendors and customers: by name, before and after.

Before: the inventory that is published now. After: the inventory in the preview; if the engine does not know it yet (an
address is not reserved), what the settings declare, with the addresses that stay. Resources are in `resources.py`,
which reports a deleted or replaced address whatever the inventory has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.tokens import ADDRESS, NAT, type_of
from engine.values import is_unknown
from inventory.address import Address, Status
from inventory.published import PublishedInventory
from plan import plan
from review.audience import Audience, audience_of
from review.preview import Preview, Step
from secret_text import SECRET
from settings import Settings, SettingsError

# Words for a field that outside people read.
_FIELDS = {
    "protocols": "protocols",
    "ports": "ports",
    "announced_on": "announced on",
    "active_on": "active from",
    "drained_on": "draining since",
    "retired_on": "retired on",
    "notice_reason": "why less notice",
    "replaced_by": "replaced by",
    "kind": "held by",
    "region": "region",
}


@dataclass(frozen=True)
class Detail:
    """A change of one published field."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class AddressChange:
    """A change of one address. `before`, `after`: None if it does not exist; an unknown IP is empty."""

    seen_by: Audience
    name: str
    what: str
    before: Address | None
    after: Address | None
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True)
class Inventories:
    """Addresses by name; None: not known from any source."""

    before: Mapping[str, Address] | None
    after: Mapping[str, Address] | None


def inventories(preview: Preview, published: Mapping[str, Any] | None = None) -> Inventories:
    """`published`: the stack's current outputs; by default those that the preview begins with."""
    outputs = published if published is not None else preview.before or {}
    if preview.after is not None and not any("ipInventory" in each for each in (outputs, preview.after)):
        return Inventories({}, {})  # a program without an inventory
    before = _published(outputs.get("ipInventory"))
    if before is None:
        before = _recorded(preview)
    after = _published((preview.after or {}).get("ipInventory"))
    if after is None:
        after = _declared(preview, before)
    return Inventories(before, after)


def address_changes(found: Inventories) -> list[AddressChange]:
    """All changes, vendors' addresses first, each group by name."""
    if found.before is None or found.after is None:
        return []
    names = sorted({*found.before, *found.after})
    first = not any(each.published for each in found.before.values())
    changes = [
        change for name in names if (change := _change(name, found.before.get(name), found.after.get(name), first))
    ]
    return sorted(changes, key=lambda each: list(Audience).index(each.seen_by))


def _change(name: str, before: Address | None, after: Address | None, first: bool) -> AddressChange | None:
    known = after or before
    if known is None or before == after:
        return None
    seen_by = audience_of(known.direction)
    details = tuple(_details(before, after)) if before and after else ()
    what = _what(before, after, first=first)
    if not what and not details:
        if before and after and before.purpose != after.purpose:
            details = (Detail("purpose", before.purpose, after.purpose),)
            return AddressChange(Audience.NOBODY, name, "its purpose changes", before, after, details)
        return None
    gone = after is None or after.status is Status.RETIRED
    was_gone = before is None or before.status is Status.RETIRED
    if gone and was_gone:
        seen_by = Audience.NOBODY
    return AddressChange(seen_by, name, what or "its published details change", before, after, details)


def _what(before: Address | None, after: Address | None, *, first: bool) -> str:
    """The change as text; empty if only details change."""
    was = before.status if before else None
    will_be = after.status if after else None
    if before and after and was is not Status.RETIRED and will_be is Status.RETIRED and before.address != after.address:
        return "VANISHES, and ANOTHER ADDRESS is listed as retired under its name"
    if before and after and was is not Status.RETIRED and will_be is not Status.RETIRED:
        if before.address != after.address:
            return "CHANGES: the name stays, the address is another one"
        if before.direction is not after.direction:
            return "CHANGES SIDES"
    unannounced = "" if first else ", and NOBODY WAS TOLD BEFORE"
    return {
        (None, Status.ANNOUNCED): "appears: announced, not used yet",
        (None, Status.ACTIVE): f"appears: in use at once{unannounced}",
        (None, Status.DRAINING): "appears: draining",
        (None, Status.RETIRED): "is listed as retired",
        (Status.ANNOUNCED, Status.ACTIVE): "is used from now on",
        (Status.ANNOUNCED, Status.DRAINING): "drains, and was never used",
        (Status.ANNOUNCED, Status.RETIRED): "VANISHES: released, never used, listed as retired",
        (Status.ANNOUNCED, None): "VANISHES: it was announced, and nothing says why it goes",
        (Status.ACTIVE, Status.ANNOUNCED): "IS TAKEN OUT OF USE: only announced from now on",
        (Status.ACTIVE, Status.DRAINING): "drains: nothing new starts on it",
        (Status.ACTIVE, Status.RETIRED): "VANISHES: released while in use, listed as retired",
        (Status.ACTIVE, None): "VANISHES while in use, and is not listed as retired",
        (Status.DRAINING, Status.ACTIVE): "is used again: it no longer drains",
        (Status.DRAINING, Status.ANNOUNCED): "IS TAKEN OUT OF USE while it drains",
        (Status.DRAINING, Status.RETIRED): "vanishes: released after its drain, listed as retired",
        (Status.DRAINING, None): "VANISHES while it drains, and is not listed as retired",
        (Status.RETIRED, None): "is no longer listed among the retired ones",
        (Status.RETIRED, Status.ANNOUNCED): "comes back: announced",
        (Status.RETIRED, Status.ACTIVE): f"comes back: in use at once{unannounced}",
        (Status.RETIRED, Status.DRAINING): "comes back: draining",
    }.get((was, will_be), "")


def _details(before: Address, after: Address) -> Iterator[Detail]:
    for field, word in _FIELDS.items():
        was, will_be = getattr(before, field), getattr(after, field)
        if was != will_be:
            yield Detail(word, _shown(was), _shown(will_be))


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)


def _published(inventory: Any) -> dict[str, Address] | None:
    """The inventory of an output; None if there is none, or if the engine does not know it completely."""
    if inventory is None or is_unknown(inventory):
        return None
    try:
        known = PublishedInventory.model_validate_json(json.dumps(inventory))
    except ValueError:
        return None
    return {each.name: each for each in known.addresses}


def _declared(preview: Preview, before: Mapping[str, Address]) -> dict[str, Address] | None:
    """The addresses that the preview's settings declare, with the IPs of those that stay."""
    try:
        settings = Settings.parse(preview.config, _secret_keys(preview))
    except SettingsError:
        return None
    addresses = {each.name: each.address for each in before.values()} | _reserved(preview)
    found = [replace(each, address=each.address or addresses.get(each.name, "")) for each in plan(settings).addresses]
    by_name = {each.name: each.address for each in found}
    return {
        each.name: replace(each, replaced_by=tuple(by_name.get(name) or name for name in each.replaced_by))
        for each in found
    }


def _secret_keys(preview: Preview) -> set[str]:
    """Keys of secret settings, whose values the engine does not show."""
    return {key for key, value in preview.config.items() if value == SECRET}


def _reserved(preview: Preview) -> dict[str, str]:
    """Name -> IP of reserved addresses that stay; empty if a new one will be assigned."""
    found = {}
    for step in _of_type(preview.steps, ADDRESS):
        name = step.state("newState", "inputs").get("name")
        if isinstance(name, str):
            kept = step.op not in ("create", "replace", "delete")
            found[name] = str(step.state("oldState", "outputs").get("address") or "") if kept else ""
    return found


def _recorded(preview: Preview) -> dict[str, Address]:
    """Without published outputs (a new stack, or one just adopted): the state's addresses that the settings name."""
    exists = {name: address for name, address in _old_addresses(preview) if address}
    if not exists:
        return {}
    try:
        settings = Settings.parse(preview.config, _secret_keys(preview))
    except SettingsError:
        return {}
    in_use = _in_gateway(preview)
    return {
        each.name: replace(each, address=exists[each.name], status=in_use.get(each.name, each.status), replaced_by=())
        for each in plan(settings).addresses
        if each.name in exists
    }


def _old_addresses(preview: Preview) -> Iterator[tuple[str, str]]:
    for step in _of_type(preview.steps, ADDRESS):
        name = step.state("oldState", "inputs").get("name") or step.state("oldState", "outputs").get("name")
        if isinstance(name, str):
            yield name, str(step.state("oldState", "outputs").get("address") or "")


def _in_gateway(preview: Preview) -> dict[str, Status]:
    """Name -> the address's use by the gateway until now."""
    found: dict[str, Status] = {}
    for step in _of_type(preview.steps, NAT):
        for field, status in (("natIps", Status.ACTIVE), ("drainNatIps", Status.DRAINING)):
            found |= dict.fromkeys(gateway_addresses(step, "oldState", field) or (), status)
    return found


def gateway_addresses(step: Step, which: str, field: str) -> list[str] | None:
    """Names of the addresses in a field of the gateway's inputs; None if they are not known before the update."""
    links = step.state(which, "inputs").get(field)
    if not isinstance(links, list) or any(is_unknown(link) for link in links):
        return [] if links is None else None
    return [str(link).rsplit("/", 1)[-1] for link in links]


def _of_type(steps: Iterable[Step], type_token: str) -> Iterator[Step]:
    return (step for step in steps if type_of(step.urn) == type_token)
