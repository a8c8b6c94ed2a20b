"""Changes of resources, with audience and effect.

The texts for changed properties are in `engine/effects.py`. A type or property that is not described there counts as
possibly visible, so that a person has to check it. Addresses of the inventory are in `addresses.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from engine import tokens
from engine.differences import ABSENT, OURS, Difference, compare, known_as
from engine.effects import Effect
from engine.tokens import logical_name, within
from engine.values import UNKNOWN
from review.addresses import gateway_addresses
from review.audience import Audience
from review.preview import Preview, Step

# Audience of a change with an effect; types that are not listed, and unknown effects, may be visible to any.
SEEN_BY = {
    tokens.ADDRESS: Audience.ANYBODY,
    tokens.NAT: Audience.VENDORS,
    tokens.ROUTER: Audience.VENDORS,
    tokens.SERVICE: Audience.CUSTOMERS,
    tokens.ZONE: Audience.CUSTOMERS,
    **dict.fromkeys(tokens.RECORD_SETS, Audience.CUSTOMERS),
    tokens.HEALTH_CHECK: Audience.CUSTOMERS,
    tokens.TRUNK_ACL: Audience.CUSTOMERS,
    **dict.fromkeys((tokens.BUCKET, tokens.BUCKET_MEMBER, tokens.BUCKET_OBJECT), Audience.BOTH),
    **dict.fromkeys((tokens.NETWORK_POLICY, tokens.SECURITY_POLICY, tokens.EDGE_SECURITY_SERVICE), Audience.CUSTOMERS),
    **dict.fromkeys((tokens.INSTANCE, tokens.DATABASE, tokens.USER), Audience.NOBODY),
    **dict.fromkeys((tokens.GLOBAL_ADDRESS, tokens.CONNECTION), Audience.NOBODY),
    **dict.fromkeys((tokens.CONFIG_MAP, tokens.KUBERNETES_SECRET, tokens.DEPLOYMENT), Audience.NOBODY),
    **dict.fromkeys((tokens.DISRUPTION_BUDGET, tokens.POD_MONITORING), Audience.NOBODY),
    **dict.fromkeys((tokens.SERVICE_ACCOUNT, tokens.ROLE, tokens.ROLE_BINDING), Audience.NOBODY),
    **dict.fromkeys((tokens.ZONE_MEMBER, tokens.SERVICE_ACCOUNT_MEMBER), Audience.NOBODY),
}
# Nor by a customer when one is deleted.
_OPERATORS = frozenset((tokens.ALERT_POLICY, tokens.NOTIFICATION_CHANNEL, tokens.UPTIME_CHECK, tokens.DASHBOARD))
SEEN_BY |= dict.fromkeys(_OPERATORS, Audience.NOBODY)
# Effect of deleting or replacing a resource of this type.
_LOST = {
    **dict.fromkeys((tokens.INSTANCE, tokens.DATABASE), (Effect.CUTS, "without the trunk ACL no customer can call")),
    **dict.fromkeys(
        (tokens.BUCKET, tokens.BUCKET_MEMBER), (Effect.ACCESS, "vendors and customers cannot read the site")
    ),
}
_BY_COMPONENT = {tokens.NAT_EGRESS_POOL: Audience.VENDORS, tokens.SIP_INGRESS: Audience.CUSTOMERS}


class Operation(Enum):
    """Worst first; the value is the word in reports."""

    REPLACE = "REPLACED"
    DELETE = "DELETED"
    UPDATE = "changed"
    CREATE = "created"

    @classmethod
    def of(cls, step: Step) -> Operation:
        """What a step does."""
        return {"replace": cls.REPLACE, "delete": cls.DELETE, "create": cls.CREATE}.get(step.op, cls.UPDATE)


@dataclass(frozen=True)
class Effected:
    """A change of one property, or the effect of changing several. Without an effect: the reason for a replacement."""

    effect: Effect | None
    words: str = ""
    property: str = ""
    addresses: tuple[str, ...] = ()
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, found: Difference, effect: Effect | None, words: str = "") -> Effected:
        """A difference, with this effect."""
        return cls(effect, words, found.property, before=found.cloud, after=found.settings)


@dataclass(frozen=True)
class ResourceChange:
    """A change of one resource."""

    seen_by: Audience
    operation: Operation
    type: str
    name: str
    effects: tuple[Effected, ...]


_FOLLOWS = Effected(Effect.NONE, "they follow from the addresses")


def resource_changes(preview: Preview) -> list[ResourceChange]:
    """All changes, sorted by audience and severity, without types that have no counterpart in the cloud.

    The site's files are reported as one change: they follow from the addresses, which are reported separately.
    """
    steps = [step for step in preview.changes if not step.type.startswith(OURS)]
    files = [step for step in steps if step.type == tokens.BUCKET_OBJECT and step.op in ("create", "update")]
    found = [_change(step, refresh=preview.refresh) for step in steps if preview.refresh or step not in files]
    if files and not preview.refresh:
        operation = Operation.CREATE if all(step.op == "create" for step in files) else Operation.UPDATE
        count = "a file" if len(files) == 1 else f"{len(files)} files"
        name = f"BucketObject: {count} of the inventory's site"
        found.append(ResourceChange(Audience.NOBODY, operation, tokens.BUCKET_OBJECT, name, (_FOLLOWS,)))
    return ranked(found)


def ranked(changes: Iterable[ResourceChange]) -> list[ResourceChange]:
    """First who sees it, then how bad it is."""
    audiences, operations = list(Audience), list(Operation)
    return sorted(
        changes, key=lambda each: (audiences.index(each.seen_by), operations.index(each.operation), each.name)
    )


def _change(step: Step, *, refresh: bool) -> ResourceChange:
    operation = Operation.of(step)
    effects = tuple(_effects(step, operation, refresh=refresh))
    return ResourceChange(_seen_by(step, operation, effects), operation, step.type, _name(step), effects)


def _name(step: Step) -> str:
    """The name in the cloud; the logical name if that is not known before the update."""
    name = known_as(step.model_dump())
    return f"{step.type.rsplit(':', 1)[-1]} {logical_name(step.urn)}" if any(each in name for each in UNKNOWN) else name


def _seen_by(step: Step, operation: Operation, effects: tuple[Effected, ...]) -> Audience:
    """The audience. A change without effect is not visible outside, whatever the type."""
    if operation is Operation.UPDATE and all(each.effect is Effect.NONE for each in effects):
        return Audience.NOBODY
    usual = SEEN_BY.get(step.type, Audience.ANYBODY)
    if step.type == tokens.ADDRESS:
        # A new address without a published entry is not visible; published ones are reported with the inventory.
        usual = next((who for component, who in _BY_COMPONENT.items() if within(step.urn, component)), usual)
        return Audience.NOBODY if operation is Operation.CREATE and usual is not Audience.ANYBODY else usual
    if step.type in _OPERATORS or (step.type == tokens.SERVICE and not _is_load_balancer(step)):
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
    if step.type == tokens.NAT and operation is not Operation.CREATE:
        yield from _gateway(step)
    if operation is Operation.REPLACE:
        yield from _reasons(step)
    if operation is Operation.UPDATE:
        for each in _differences(step, refresh=refresh):
            if step.type == tokens.TRUNK_ACL:
                # Trunks are reported by customer (`acl.py`); places are line numbers in files.
                if not each.property.startswith(("trunks", "places", "removals", "__provider")):
                    yield Effected(Effect.ACCESS, "which sources may call", each.property)
            elif not (step.type == tokens.NAT and each.property.startswith(("natIps", "drainNatIps"))):
                yield Effected.of(each, each.effect, each.words)


def _reasons(step: Step) -> Iterator[Effected]:
    """The properties that cannot be changed in place."""
    reasons = step.replaceReasons or []
    changed = {each.property: each for each in _differences(step, refresh=False)}
    for property_, each in changed.items():
        if any(property_ == reason or property_.startswith((f"{reason}.", f"{reason}[")) for reason in reasons):
            yield Effected.of(each, None)
            reasons = [reason for reason in reasons if not property_.startswith(reason)]
    yield from (Effected(None, property=reason) for reason in reasons)


def _differences(step: Step, *, refresh: bool) -> tuple[Difference, ...]:
    """`refresh`: both sides are the cloud's answers, not inputs.

    Together with a real change the bridge also lists empty values of a block, as `add`, which the engine turns into
    `delete` in a refresh: a value that is absent on both sides has not drifted.
    """
    answered = {"newState": {"inputs": step.state("newState", "outputs")}} if refresh else {}
    found = compare([step.model_dump() | {"op": "update"} | answered]).differences
    drifted = tuple(each for each in found if not each.cloud == each.settings == ABSENT)
    return drifted or found if refresh else found


def _gateway(step: Step) -> Iterator[Effected]:
    """Added, draining and removed addresses: a move between the lists is not a cut, and their order does not matter."""
    active, draining, will_be_active, will_drain = (
        gateway_addresses(step, which, field)
        for which in ("oldState", "newState")
        for field in ("natIps", "drainNatIps")
    )
    if step.newState is None:
        yield Effected(Effect.CUTS, "every outgoing call ends", addresses=tuple(active or ()))
    elif active is None or draining is None or will_be_active is None or will_drain is None:
        yield Effected(Effect.UNKNOWN, "its addresses are not known before the update")
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
