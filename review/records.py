"""Changes of names: record sets, zones, and what the owner of the parent zone has to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.dns_hosts import HOSTS, OF_RECORD_SET
from engine.values import is_unknown
from review.preview import Preview, Step
from review.resources import Operation


@dataclass(frozen=True)
class RecordChange:
    """One record set, or the parent zone's records for our zone. Empty data: assigned at update. `host`: empty at
    Cloud DNS."""

    operation: Operation
    name: str
    type: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    ttl: tuple[int | None, int | None] = (None, None)
    at_parent: bool = False
    host: str = ""


def record_changes(preview: Preview, *, parent: bool = True) -> list[RecordChange]:
    """Record sets by name and type, then the parent zone's part, which is in the outputs."""
    found = [_record(step) for step in preview.changes if step.type in OF_RECORD_SET]
    found.sort(key=lambda each: (each.name, each.type, each.host))
    return [*found, *(_parent(preview) if parent else ())]


def _record(step: Step) -> RecordChange:
    before, after = step.state("oldState", "inputs"), step.state("newState", "inputs")
    if step.op == "delete":
        after = {}
    known, host = after or before, OF_RECORD_SET[step.type]
    return RecordChange(
        operation=Operation.of(step),
        name=str(known.get("name", "")),
        type=str(known.get("type", "")),
        before=_answers(before),
        after=_answers(after),
        ttl=(_seconds(before.get("ttl")), _seconds(after.get("ttl"))),
        host="" if host is HOSTS["cloud-dns"] else host.title,
    )


def _answers(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Plain data, or the alternatives of a routing policy: `failover: 192.0.2.1; us-east1: 192.0.2.2`."""
    policy = inputs.get("routingPolicy")
    if policy is None:
        return _data(inputs.get("rrdatas"))
    if is_unknown(policy) or not isinstance(policy, Mapping):
        return ("",)
    failover = policy.get("primaryBackup")
    failover = failover if isinstance(failover, Mapping) else {}
    first = [f"failover: {', '.join(_chosen(failover.get('primary')))}"] if failover else []
    located = failover.get("backupGeos") or policy.get("geos") or policy.get("wrrs")
    items = [each for each in located if isinstance(each, Mapping)] if isinstance(located, list) else []
    return (*first, *(f"{each.get('location', each.get('weight'))}: {', '.join(_chosen(each))}" for each in items))


def _chosen(item: Any) -> Iterator[str]:
    """The addresses of one item of a routing policy."""
    if isinstance(item, Mapping):
        for key, inner in item.items():
            if key in ("rrdatas", "externalEndpoints"):
                yield from _data(inner)
            else:
                yield from _chosen(inner)


def _parent(preview: Preview) -> list[RecordChange]:
    before, after = ((outputs or {}).get("dns") for outputs in (preview.before, preview.after))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return []
    found = []
    for field, type_ in (("nameServers", "NS"), ("dsRecords", "DS")):
        was, will_be = before.get(field), after.get(field)
        if was != will_be:
            domain = str(after.get("domain", ""))
            found.append(RecordChange(Operation.UPDATE, domain, type_, _data(was), _data(will_be), at_parent=True))
    return found


def _data(value: Any) -> tuple[str, ...]:
    if is_unknown(value):
        return ("",)
    if not isinstance(value, list):
        return ()
    return tuple("" if is_unknown(each) else str(each) for each in value)


def _seconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
