"""What happens to each resource, who outside would notice, and why.

The words for a changed property are those of `engine/effects.py`. A type or a property that nobody described there is
taken as visible to anybody: somebody has to read it. Addresses as people are told of them are `addresses.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from engine.differences import ABSENT, OURS, Difference, compare, known_as
from engine.effects import Effect
from engine.tokens import (
    ADDRESS,
    BUCKET,
    BUCKET_MEMBER,
    BUCKET_OBJECT,
    CONFIG_MAP,
    CONNECTION,
    DATABASE,
    DEPLOYMENT,
    GLOBAL_ADDRESS,
    HEALTH_CHECK,
    INSTANCE,
    KUBERNETES_SECRET,
    NAT,
    NAT_EGRESS_POOL,
    RECORD_SETS,
    ROUTER,
    SERVICE,
    SIP_INGRESS,
    TRUNK_ACL,
    USER,
    ZONE,
    logical_name,
    within,
)
from engine.values import UNKNOWN
from review.addresses import gateway_addresses
from review.audience import Audience
from review.preview import Preview, Step

# Who notices a change that has an effect; what is not here is anybody's, and so is an effect that nobody knows.
SEEN_BY = {
    ADDRESS: Audience.ANYBODY,
    NAT: Audience.VENDORS,
    ROUTER: Audience.VENDORS,
    SERVICE: Audience.CUSTOMERS,
    ZONE: Audience.CUSTOMERS,
    **dict.fromkeys(RECORD_SETS, Audience.CUSTOMERS),
    HEALTH_CHECK: Audience.CUSTOMERS,
    TRUNK_ACL: Audience.CUSTOMERS,
    BUCKET: Audience.BOTH,
    BUCKET_MEMBER: Audience.BOTH,
    BUCKET_OBJECT: Audience.BOTH,
    INSTANCE: Audience.NOBODY,
    DATABASE: Audience.NOBODY,
    USER: Audience.NOBODY,
    GLOBAL_ADDRESS: Audience.NOBODY,
    CONNECTION: Audience.NOBODY,
    CONFIG_MAP: Audience.NOBODY,
    KUBERNETES_SECRET: Audience.NOBODY,
    DEPLOYMENT: Audience.NOBODY,
}
_WITHOUT_DATABASE = (Effect.CUTS, "without the trunk ACL nobody may call")
_WITHOUT_SITE = (Effect.ACCESS, "vendors and customers cannot read the site")
# What it means when a resource of this type goes, or is replaced.
_LOST = {
    INSTANCE: _WITHOUT_DATABASE,
    DATABASE: _WITHOUT_DATABASE,
    BUCKET: _WITHOUT_SITE,
    BUCKET_MEMBER: _WITHOUT_SITE,
}
_BY_COMPONENT = {NAT_EGRESS_POOL: Audience.VENDORS, SIP_INGRESS: Audience.CUSTOMERS}


class Operation(Enum):
    """Worst first; the value is the word people read."""

    REPLACE = "REPLACED"
    DELETE = "DELETED"
    UPDATE = "changed"
    CREATE = "created"


@dataclass(frozen=True)
class Effected:
    """One property that changes, or what the change of several means. No effect: the whole resource is replaced."""

    effect: Effect | None
    words: str = ""
    property: str = ""
    addresses: tuple[str, ...] = ()
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class ResourceChange:
    """What happens to one resource."""

    seen_by: Audience
    operation: Operation
    type: str
    name: str
    effects: tuple[Effected, ...]


_FOLLOWS = Effected(Effect.NONE, "they follow from the addresses")


def resource_changes(preview: Preview) -> list[ResourceChange]:
    """Who sees it first, then by how bad it is; types without a counterpart in a cloud are left out.

    The site's files are told as one: they say what the addresses say, and those are told by themselves.
    """
    steps = [step for step in preview.changes if not step.type.startswith(OURS)]
    files = [step for step in steps if step.type == BUCKET_OBJECT and step.op in ("create", "update")]
    found = [_change(step, refresh=preview.refresh) for step in steps if preview.refresh or step not in files]
    if files and not preview.refresh:
        operation = Operation.CREATE if all(step.op == "create" for step in files) else Operation.UPDATE
        told = "a file" if len(files) == 1 else f"{len(files)} files"
        name = f"BucketObject: {told} of the inventory's site"
        found.append(ResourceChange(Audience.NOBODY, operation, BUCKET_OBJECT, name, (_FOLLOWS,)))
    return sorted(
        found, key=lambda each: (list(Audience).index(each.seen_by), list(Operation).index(each.operation), each.name)
    )


def _change(step: Step, *, refresh: bool) -> ResourceChange:
    operation = {
        "replace": Operation.REPLACE,
        "delete": Operation.DELETE,
        "create": Operation.CREATE,
    }.get(step.op, Operation.UPDATE)
    effects = tuple(_effects(step, operation, refresh=refresh))
    return ResourceChange(_seen_by(step, operation, effects), operation, step.type, _name(step), effects)


def _name(step: Step) -> str:
    """As people know it; the program's own name for it, where the cloud's is not known before the update."""
    name = known_as(step.model_dump())
    return f"{step.type.rsplit(':', 1)[-1]} {logical_name(step.urn)}" if any(each in name for each in UNKNOWN) else name


def _seen_by(step: Step, operation: Operation, effects: tuple[Effected, ...]) -> Audience:
    """What has no effect outside, nobody there sees, whatever it happens to."""
    if operation is Operation.UPDATE and all(each.effect is Effect.NONE for each in effects):
        return Audience.NOBODY
    usual = SEEN_BY.get(step.type, Audience.ANYBODY)
    if step.type == ADDRESS:
        # A new one that nobody is told of is nobody's; the inventory tells of all others.
        usual = next((who for component, who in _BY_COMPONENT.items() if within(step.urn, component)), usual)
        return Audience.NOBODY if operation is Operation.CREATE and usual is not Audience.ANYBODY else usual
    if step.type == SERVICE and not _is_load_balancer(step):
        return Audience.NOBODY
    if usual is Audience.NOBODY and operation in (Operation.REPLACE, Operation.DELETE):
        return Audience.CUSTOMERS
    if usual is Audience.NOBODY and any(each.effect is Effect.UNKNOWN for each in effects):
        return Audience.ANYBODY
    return usual


def _is_load_balancer(step: Step) -> bool:
    states = (step.state(which, "inputs").get("spec") for which in ("oldState", "newState"))
    return any(isinstance(spec, Mapping) and spec.get("type") == "LoadBalancer" for spec in states)


def _effects(step: Step, operation: Operation, *, refresh: bool) -> Iterator[Effected]:
    if step.type in _LOST and operation in (Operation.REPLACE, Operation.DELETE):
        yield Effected(*_LOST[step.type])
    if step.type == NAT and operation is not Operation.CREATE:
        yield from _gateway(step)
    if operation is Operation.REPLACE:
        yield from _reasons(step)
    if operation is Operation.UPDATE:
        for each in _differences(step, refresh=refresh):
            if step.type == TRUNK_ACL:
                # The customers' trunks are told customer by customer (`acl.py`); places are lines of files.
                if not each.property.startswith(("trunks", "places", "removals", "__provider")):
                    yield Effected(Effect.ACCESS, "who may call", each.property)
            elif not (step.type == NAT and each.property.startswith(("natIps", "drainNatIps"))):
                yield Effected(each.effect, each.words, each.property, before=each.cloud, after=each.settings)


def _reasons(step: Step) -> Iterator[Effected]:
    """The properties that cannot be changed in place."""
    reasons = step.replaceReasons or []
    changed = {each.property: each for each in _differences(step, refresh=False)}
    for property_, each in changed.items():
        if any(property_ == reason or property_.startswith((f"{reason}.", f"{reason}[")) for reason in reasons):
            yield Effected(None, property=property_, before=each.cloud, after=each.settings)
            reasons = [reason for reason in reasons if not property_.startswith(reason)]
    yield from (Effected(None, property=reason) for reason in reasons)


def _differences(step: Step, *, refresh: bool) -> tuple[Difference, ...]:
    """`refresh`: both sides are what the cloud told, not what anybody asked for.

    With any real change the bridge also names the empty values of a block, as `add`, which the engine turns into
    `delete` in a refresh: where the cloud has nothing on either side, nothing drifted.
    """
    told = {"newState": {"inputs": step.state("newState", "outputs")}} if refresh else {}
    found = compare([step.model_dump() | {"op": "update"} | told]).differences
    drifted = tuple(each for each in found if not each.cloud == each.settings == ABSENT)
    return drifted or found if refresh else found


def _gateway(step: Step) -> Iterator[Effected]:
    """Addresses that come, drain and go: a move from one list to the other is no cut, and the lists are not ordered."""
    active, draining, will_be_active, will_drain = (
        gateway_addresses(step, which, field)
        for which in ("oldState", "newState")
        for field in ("natIps", "drainNatIps")
    )
    if step.newState is None:
        yield Effected(Effect.CUTS, "every outgoing call ends", addresses=tuple(active or ()))
    elif active is None or draining is None or will_be_active is None or will_drain is None:
        yield Effected(Effect.UNKNOWN, "which addresses it has is not known before the update")
    else:
        kept = {*will_be_active, *will_drain}
        for words, effect, names in (
            ("calls on it end at once", Effect.CUTS, {*active} - kept),
            ("taken out after its drain: calls that still run end", Effect.CUTS, {*draining} - kept),
            ("drains: nothing new starts on it", Effect.MOVES, {*will_drain} - {*draining}),
            ("used from now on", Effect.MOVES, {*will_be_active} - {*active}),
        ):
            if names:
                yield Effected(effect, words, addresses=tuple(sorted(names)))
