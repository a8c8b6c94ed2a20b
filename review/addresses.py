"""Changes of addresses as visible to vendors and customers: by name, before and after.

Before: the inventory that is published now. After: the inventory in the preview; if the engine does not know it yet (an
address is not reserved), what the settings declare, with the addresses that stay. Resources are in `resources.py`,
which reports a deleted or replaced address whatever the inventory has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from engine.tokens import ADDRESS, NAT, type_of
from engine.values import is_unknown
from inventory.address import WORDS, Address, Calls, Status
from inventory.reading import PublishedInventory, UnreadableError
from plan import plan
from review.audience import Audience, audience_of
from review.preview import Preview, Step
from secret_text import SECRET
from settings import Settings, SettingsError

# Fields of an address that its line has already.
_TOLD = ("purpose", "name", "address", "direction", "status")
# What an address was and what it will be; None: it is not there. `{unannounced}`: of one that was not announced.
_WORDS: Mapping[tuple[Status | None, Status | None], str] = {
    (None, Status.ANNOUNCED): "appears: announced, not used yet",
    (None, Status.ACTIVE): "appears: in use at once{unannounced}",
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
    (Status.RETIRED, Status.ACTIVE): "comes back: in use at once{unannounced}",
    (Status.RETIRED, Status.DRAINING): "comes back: draining",
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
    if not any(each and each.published for each in (before, after)):
        seen_by = Audience.NOBODY
    return AddressChange(seen_by, name, what or "its published details change", before, after, details)


def _what(before: Address | None, after: Address | None, *, first: bool) -> str:
    """The change as text; empty if only details change."""
    was = before.status if before else None
    will_be = after.status if after else None
    if before and after and before.published:
        if before.address != after.address:
            another = "VANISHES, and ANOTHER ADDRESS is listed as retired under its name"
            return "CHANGES: the name stays, the address is another one" if after.published else another
        if after.published and before.direction is not after.direction:
            return "CHANGES SIDES"
    words = _WORDS.get((was, will_be)) or _other_words(was, will_be)
    return words.format(unannounced="" if first else ", and NOBODY WAS TOLD BEFORE")


def _other_words(was: Status | None, will_be: Status | None) -> str:
    """Of a change of state that has no words of its own; loud where the address stops to carry new calls, or goes."""
    if was is will_be:
        return ""
    if was is None:
        return f"appears: {will_be}"
    if will_be is None:
        return f"VANISHES: it was {was}, and is not listed as retired"
    cut = was.state.calls in (Calls.NEW, Calls.RUNNING) and will_be.state.calls not in (Calls.NEW, Calls.RUNNING)
    return f"{'IS TAKEN OUT OF USE' if cut else 'changes'}: {will_be} from now on, {was} until now"


def _details(before: Address, after: Address) -> Iterator[Detail]:
    for field in fields(Address):
        was, will_be = getattr(before, field.name), getattr(after, field.name)
        if field.name not in _TOLD and was != will_be:
            yield Detail(field.metadata.get(WORDS, field.name.replace("_", " ")), _shown(was), _shown(will_be))


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)


def _published(inventory: Any) -> dict[str, Address] | None:
    """The inventory of an output; None if there is none, or if the engine does not know it completely."""
    if inventory is None or is_unknown(inventory):
        return None
    try:
        known = PublishedInventory.of(inventory)
    except UnreadableError:
        return None
    return {each.name: each for each in known.addresses}


def _declared(preview: Preview, before: Mapping[str, Address]) -> dict[str, Address] | None:
    """The addresses that the preview's settings declare, with the IPs of those that stay."""
    settings = _settings(preview)
    if settings is None:
        return None
    addresses = {each.name: each.address for each in before.values()} | _reserved(preview)
    found = [replace(each, address=each.address or addresses.get(each.name, "")) for each in plan(settings).addresses]
    by_name = {each.name: each.address for each in found}
    return {
        each.name: replace(each, replaced_by=tuple(by_name.get(name) or name for name in each.replaced_by))
        for each in found
    }


def _settings(preview: Preview) -> Settings | None:
    """None if they are not valid, or not included. The engine does not show values of secret ones."""
    try:
        return Settings.parse(preview.config, {key for key, value in preview.config.items() if value == SECRET})
    except SettingsError:
        return None


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
    settings = _settings(preview) if exists else None
    if settings is None:
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
