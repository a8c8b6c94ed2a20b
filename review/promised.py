"""What people outside rely on, compared with what the cloud answers: drift that the engine calls `same`.

A refresh judges by the plugin's comparison of inputs. An address is no input: one that has moved is `same`, and only
the outputs before and after, which the refresh's event carries, tell it. So every output that somebody relies on stands
in `PROMISED`, and nothing else is looked at: etags, users, times and the order of lists mean nothing to anybody.

Two things are in no resource's readable outputs: DS records come from a lookup, and the plugin marks the server's
authority as secret. Both are outputs of the stack, which only a program computes: `pulumi refresh --run-program`.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.differences import known_as
from engine.effects import Effect
from engine.tokens import (
    ADDRESS,
    BUCKET,
    BUCKET_OBJECT,
    DEDICATED_INGRESS,
    INSTANCE,
    NAT_EGRESS_POOL,
    SERVICE,
    SIP_INGRESS,
    STACK,
    ZONE,
)
from engine.values import is_unknown
from review.audience import Audience
from review.preview import Preview, Step
from review.resources import Effected, Operation, ResourceChange, ranked
from secret_text import SECRET

CERTIFICATE = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Promise:
    """Outputs of one type that people rely on, who they are, and what it means to them when one changes.

    `paths`: places in the outputs, like `status.ingress[].ip`; `[]` stands for every item, in whatever order.
    `within`: the component whose part the resource is; empty: any.
    """

    type: str
    paths: tuple[str, ...]
    seen_by: Audience
    words: str
    within: str = ""


_WITHOUT_DATABASE = "without the trunk ACL no caller is let in"
# For each resource the first of its type that fits; of the stack's outputs, all.
PROMISED = (
    Promise(ADDRESS, ("address",), Audience.VENDORS, "vendors have the old one whitelisted", NAT_EGRESS_POOL),
    Promise(ADDRESS, ("address",), Audience.CUSTOMERS, "customers send calls to the old one", SIP_INGRESS),
    Promise(
        ADDRESS,
        ("address",),
        Audience.CUSTOMERS,
        "its customer sends calls to the old one",
        DEDICATED_INGRESS,
    ),
    Promise(ADDRESS, ("address",), Audience.ANYBODY, "people have the old one"),
    Promise(
        SERVICE,
        ("status.loadBalancer.ingress[].ip", "status.loadBalancer.ingress[].hostname"),
        Audience.CUSTOMERS,
        "calls to the old one are not answered",
    ),
    Promise(ZONE, ("nameServers[]",), Audience.CUSTOMERS, "the parent zone leads to the old ones: names may fail"),
    Promise(
        INSTANCE,
        ("ipAddresses[].ipAddress", "publicIpAddress", "privateIpAddress", "connectionName"),
        Audience.CUSTOMERS,
        f"SIP proxies and the portal connect to the old one; {_WITHOUT_DATABASE}",
    ),
    Promise(
        BUCKET,
        ("publicAccessPrevention", "uniformBucketLevelAccess"),
        Audience.BOTH,
        "whether vendors and customers can read the site",
    ),
    Promise(BUCKET_OBJECT, ("md5hash",), Audience.BOTH, "the site has another content than was published"),
    Promise(STACK, ("dns.nameServers[]",), Audience.CUSTOMERS, "the parent zone leads to the old ones: names may fail"),
    Promise(
        STACK,
        ("dns.dsRecords[]",),
        Audience.CUSTOMERS,
        "the parent zone has the old ones: names fail wherever signatures are checked",
    ),
    Promise(
        STACK,
        ("database.serverCa",),
        Audience.CUSTOMERS,
        f"SIP proxies and the portal check the database by the old one; {_WITHOUT_DATABASE}",
    ),
)


def promised_changes(refresh: Preview) -> list[ResourceChange]:
    """What moved, in steps that the engine calls `same` too; the stack's outputs last, unless a resource tells it."""
    found: list[ResourceChange] = []
    told: set[tuple[str, str]] = set()
    for step in sorted(refresh.steps, key=lambda each: each.type == STACK):
        if not (step.oldState and step.newState):
            continue
        for promise in _promises(step):
            moved = tuple(_moved(promise, step))
            if step.type == STACK:
                moved = tuple(each for each in moved if (each.before, each.after) not in told)
            if moved:
                told |= {(each.before, each.after) for each in moved}
                found.append(ResourceChange(promise.seen_by, Operation.UPDATE, step.type, _name(step, promise), moved))
    return found


def with_promised(changes: Iterable[ResourceChange], promised: Iterable[ResourceChange]) -> list[ResourceChange]:
    """All of `changes`, and what was promised and moved: each resource once, and first who sees it."""
    left = {(each.type, each.name): each for each in promised}
    found = []
    for change in changes:
        moved = left.pop((change.type, change.name), None) if change.operation is Operation.UPDATE else None
        if moved:
            told = {each.property for each in moved.effects}
            others = (each for each in change.effects if each.property not in told)
            found.append(replace(change, seen_by=moved.seen_by, effects=(*moved.effects, *others)))
        else:
            found.append(change)
    return ranked([*found, *left.values()])


def _promises(step: Step) -> Sequence[Promise]:
    fitting = [each for each in PROMISED if each.type == step.type and each.within in step.urn]
    return fitting if step.type == STACK else fitting[:1]


def _name(step: Step, promise: Promise) -> str:
    if step.type == STACK:
        return f"output {promise.paths[0].removesuffix('[]')}"
    return known_as(step.model_dump())


def _moved(promise: Promise, step: Step) -> Iterator[Effected]:
    for path in promise.paths:
        was, now = (_values(step.state(which, "outputs"), path) for which in ("oldState", "newState"))
        # What an older plugin or program did not write, or the engine does not tell, is not known to have moved.
        if was is not None and now is not None and was != now:
            place = path.replace("[]", "")
            yield Effected(Effect.CUTS, promise.words, place, before=", ".join(was), after=", ".join(now))


def _values(outputs: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
    """What stands at a path, sorted; None: the output is not there, or something in it is not told."""
    if path.partition(".")[0].removesuffix("[]") not in outputs:
        return None
    found = [each for each in _at(outputs, path.split(".")) if each not in (None, "")]
    if any(each == SECRET or is_unknown(each) for each in found):
        return None
    return tuple(sorted(map(_shown, found)))


def _at(value: Any, keys: Sequence[str]) -> Iterator[Any]:
    if not keys:
        yield value
        return
    key, *rest = keys
    inner = value.get(key.removesuffix("[]")) if isinstance(value, Mapping) else None
    if not key.endswith("[]"):
        yield from _at(inner, rest)
    elif isinstance(inner, list):
        for item in inner:
            yield from _at(item, rest)
    else:
        yield inner if is_unknown(inner) or inner == SECRET else None


def _shown(value: Any) -> str:
    """A certificate as `openssl x509 -fingerprint -sha256` has it: PEM is not compared by eye."""
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True)
    if CERTIFICATE not in value:
        return value
    try:
        return f"SHA-256 {hashlib.sha256(ssl.PEM_cert_to_DER_cert(value.strip())).digest().hex(':')}"
    except ValueError:
        return f"a text with SHA-256 {hashlib.sha256(value.encode()).hexdigest()}"
