"""Drift that the engine reports as `same`: outputs that vendors and customers rely on, compared with the cloud.

A refresh uses the plugin's comparison of inputs. The value of an address is not an input: one that has moved is `same`,
and only the outputs before and after, which are in the refresh's event, show it. So every output that is relied on is
listed in `PROMISED`, and no others are compared: etags, users, times and the order of lists do not matter.

Two values are not in any resource's readable outputs: DS records come from a look-up, and the plugin marks the server's
CA as secret. Both are outputs of the stack, which only the program computes: `pulumi refresh --run-program`.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine import tokens
from engine.differences import known_as
from engine.effects import Effect
from engine.values import is_unknown
from review.audience import Audience
from review.preview import Preview, Step
from review.resources import Effected, Operation, ResourceChange, ranked
from secret_text import SECRET

CERTIFICATE = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Promise:
    """Outputs of one type that are relied on, by whom, and the effect of a change.

    `paths`: paths in the outputs, like `status.ingress[].ip`; `[]` matches every item, in any order. `within`: the
    component that the resource belongs to; empty: any.
    """

    type: str
    paths: tuple[str, ...]
    seen_by: Audience
    words: str
    within: str = ""


_WITHOUT_DATABASE = "without the trunk ACL no call is accepted"
_DELEGATED = "the parent zone delegates to the old ones: names may fail"
# For each resource the first match of its type; for the stack's outputs, all.
PROMISED = (
    *(
        Promise(tokens.ADDRESS, ("address",), seen_by, words, component)
        for seen_by, words, component in (
            (Audience.VENDORS, "vendors have the old one whitelisted", tokens.NAT_EGRESS_POOL),
            (Audience.CUSTOMERS, "customers send calls to the old one", tokens.SIP_INGRESS),
            (Audience.CUSTOMERS, "its customer sends calls to the old one", tokens.DEDICATED_INGRESS),
            (Audience.ANYBODY, "vendors or customers have the old one", ""),
        )
    ),
    Promise(
        tokens.SERVICE,
        ("status.loadBalancer.ingress[].ip", "status.loadBalancer.ingress[].hostname"),
        Audience.CUSTOMERS,
        "calls to the old one are not answered",
    ),
    Promise(tokens.ZONE, ("nameServers[]",), Audience.CUSTOMERS, _DELEGATED),
    Promise(
        tokens.INSTANCE,
        ("ipAddresses[].ipAddress", "publicIpAddress", "privateIpAddress", "connectionName"),
        Audience.CUSTOMERS,
        f"SIP proxies and the portal connect to the old one; {_WITHOUT_DATABASE}",
    ),
    Promise(
        tokens.BUCKET,
        ("publicAccessPrevention", "uniformBucketLevelAccess"),
        Audience.BOTH,
        "whether vendors and customers can read the site",
    ),
    Promise(tokens.BUCKET_OBJECT, ("md5hash",), Audience.BOTH, "the site's content differs from what was published"),
    Promise(tokens.STACK, ("dns.nameServers[]",), Audience.CUSTOMERS, _DELEGATED),
    Promise(
        tokens.STACK,
        ("dns.dsRecords[]",),
        Audience.CUSTOMERS,
        "the parent zone has the old ones: names fail for validating resolvers",
    ),
    Promise(
        tokens.STACK,
        ("database.serverCa",),
        Audience.CUSTOMERS,
        f"SIP proxies and the portal verify the database with the old one; {_WITHOUT_DATABASE}",
    ),
)


def promised_changes(refresh: Preview) -> list[ResourceChange]:
    """Promised outputs that changed, also in steps reported as `same`; the stack's outputs last, without duplicates."""
    found: list[ResourceChange] = []
    told: set[tuple[str, str]] = set()
    for step in sorted(refresh.steps, key=lambda each: each.type == tokens.STACK):
        if not (step.oldState and step.newState):
            continue
        fitting = [each for each in PROMISED if each.type == step.type and each.within in step.urn]
        for promise in fitting if step.type == tokens.STACK else fitting[:1]:
            moved = tuple(_moved(promise, step))
            if step.type == tokens.STACK:
                moved = tuple(each for each in moved if (each.before, each.after) not in told)
            if moved:
                told |= {(each.before, each.after) for each in moved}
                found.append(ResourceChange(promise.seen_by, Operation.UPDATE, step.type, _name(step, promise), moved))
    return found


def with_promised(changes: Iterable[ResourceChange], promised: Iterable[ResourceChange]) -> list[ResourceChange]:
    """`changes` merged with changes of promised outputs: each resource once, sorted by audience."""
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


def _name(step: Step, promise: Promise) -> str:
    if step.type == tokens.STACK:
        return f"output {promise.paths[0].removesuffix('[]')}"
    return known_as(step.model_dump())


def _moved(promise: Promise, step: Step) -> Iterator[Effected]:
    for path in promise.paths:
        was, now = (_values(step.state(which, "outputs"), path) for which in ("oldState", "newState"))
        # Values that an older plugin or program did not write, or that the engine does not show, are not reported as
        # changed.
        if was is not None and now is not None and was != now:
            place = path.replace("[]", "")
            yield Effected(Effect.CUTS, promise.words, place, before=", ".join(was), after=", ".join(now))


def _values(outputs: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
    """The values at a path, sorted; None: the output is missing, or partly not shown."""
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
    """A certificate as `openssl x509 -fingerprint -sha256` prints it, because PEM is hard to compare."""
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True)
    if CERTIFICATE not in value:
        return value
    try:
        return f"SHA-256 {hashlib.sha256(ssl.PEM_cert_to_DER_cert(value.strip())).digest().hex(':')}"
    except ValueError:
        return f"a text with SHA-256 {hashlib.sha256(value.encode()).hexdigest()}"
