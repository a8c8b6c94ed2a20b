"""Routing policies of record sets: what Cloud DNS refuses, and the policy that its name servers apply.

Rules: docs.cloud.google.com/dns/docs/routing-policies-overview and the API's RRSetRoutingPolicy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from local_cloud.cloud import Transaction
from local_cloud.dns_server.routing import Item, Policy, Probe
from local_cloud.errors import CheckFailure, google_error, google_text
from local_cloud.gcp.health_checks import HEALTH_CHECK, KINDS
from local_cloud.links import relative
from local_cloud.values import UNKNOWN, Props

# The record types that hold addresses.
CHECKED_TYPES: Final = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
WAYS: Final = ("wrrs", "geos", "primaryBackup")
AT: Final = "entity.change.additions[0].routingPolicy"
CheckData = Callable[[list[Any]], list[CheckFailure]]


def check_ways(policy: Any) -> list[CheckFailure]:
    """The plugin's own check of a policy: exactly one kind."""
    ways = [way for way in WAYS if policy.get(way) is not None] if isinstance(policy, dict) else [""]
    if len(ways) == 1:
        return []
    wanted = "one" if not ways else "only one"
    return [CheckFailure("routingPolicy", f"{wanted} of `{','.join(WAYS)}` must be specified")]


def check_policy(type_: str, policy: Any, check_data: CheckData) -> list[CheckFailure]:
    """What the API refuses in a policy of a record set of this type; `check_data` validates record data."""
    if not isinstance(policy, dict):
        return []
    failures, places = [], []
    for where, item, must_be_checked in _items(policy):
        targets, data = item.get("healthCheckedTargets"), item.get("rrdatas")
        if must_be_checked:
            targets, data = item, None
        if isinstance(data, list):
            failures += check_data(data)
        if isinstance(targets, dict):
            failures += _check_targets(where, type_, policy, targets)
        if not data and not targets:
            failures.append(_wrong(where, "", "no data"))
        places.append((where.rpartition("[")[0], item.get("location")))
    for where, location in places:
        if location not in (None, UNKNOWN) and places.count((where, location)) > 1:
            failures.append(_wrong(f"{where}.location", location, "duplicate location"))
            break
    return failures


def _items(policy: Mapping[str, Any]) -> Iterator[tuple[str, Props, bool]]:
    """Path, item, and whether all of it is health-checked."""
    failover = policy.get("primaryBackup")
    for way, items in (
        ("wrr", policy.get("wrrs")),
        ("geo", policy.get("geos")),
        ("primaryBackup.backupGeoTargets", failover.get("backupGeos") if isinstance(failover, dict) else None),
    ):
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield f"{way}.items[{index}]", item, False
    if isinstance(failover, dict) and isinstance(failover.get("primary"), dict):
        yield "primaryBackup.primaryTargets", failover["primary"], True


def _check_targets(where: str, type_: str, policy: Props, targets: Props) -> Iterator[CheckFailure]:
    endpoints, internal = targets.get("externalEndpoints") or [], targets.get("internalLoadBalancers") or []
    kind = CHECKED_TYPES.get(type_)
    if kind is None:
        yield _wrong(f"{where}.healthCheckedTargets", type_, "health checks are only supported for A and AAAA records")
        return
    if bool(endpoints) == bool(internal):
        yield CheckFailure("routingPolicy", "specify internal load balancers or external endpoints")
    if endpoints and not policy.get("healthCheck"):
        yield _wrong("healthCheck", "", "external endpoints need a health check")
    if internal and policy.get("healthCheck"):
        yield _wrong("healthCheck", policy["healthCheck"], "internal load balancers have their own health checks")
    for each in endpoints if isinstance(endpoints, list) else ():
        if each == UNKNOWN:
            continue
        try:
            kind(str(each))
        except ValueError:
            yield _wrong(f"{where}.externalEndpoints", each, "not an address of this type")


def refuse_policy(tx: Transaction, zone: Props, record: Props) -> None:
    """What the cloud refuses in a policy because of other resources."""
    policy = record.get("routingPolicy") or {}
    signed = (zone.get("dnssecConfig") or {}).get("state") == "on"
    for where, item, checked in _items(policy):
        targets = item if checked else item.get("healthCheckedTargets") or {}
        endpoints = targets.get("externalEndpoints") or []
        if targets.get("internalLoadBalancers") and zone["visibility"] == "public":
            message = "Routing policies referencing internal load balancers cannot be added to public zones"
            raise google_error(400, message, "internalLoadBalancerDisallowedInPublicZone")
        if signed and endpoints and (len(endpoints) > 1 or item.get("rrdatas")):
            message = (
                f"Invalid value for '{AT}.{where}': a zone with DNSSEC supports one health-checked address per item"
            )
            raise google_error(400, message, "invalid")
    if used := policy.get("healthCheck"):
        check = tx.get(HEALTH_CHECK, relative(str(used)))
        if check is None:
            raise google_error(404, f"The '{AT}.healthCheck' resource named '{used}' does not exist.", "notFound")
        if not check.get("sourceRegions"):
            message = f"Invalid value for '{AT}.healthCheck': '{used}'. The health check must have 3 source regions"
            raise google_error(400, message, "invalid")


def policy_of(body: Props, check: Props | None) -> Policy:
    """A record set's policy for the name server; `check`: the health check that it names."""
    given = body["routingPolicy"]
    failover = given.get("primaryBackup") or {}
    weighted = given.get("wrrs") or []
    return Policy(
        items=tuple(_item(each) for each in weighted or given.get("geos") or failover.get("backupGeos") or ()),
        primary=_item({"healthCheckedTargets": failover["primary"]}) if failover else None,
        weighted=bool(weighted),
        fenced=bool(failover.get("enableGeoFencingForBackups") if failover else given.get("enableGeoFencing")),
        trickle=float(failover.get("trickleRatio") or 0),
        probe=_probe(check) if check else None,
    )


def _item(given: Props) -> Item:
    endpoints = (given.get("healthCheckedTargets") or {}).get("externalEndpoints") or ()
    location, weight = str(given.get("location") or ""), float(given.get("weight") or 0)
    return Item(tuple(endpoints or given.get("rrdatas") or ()), location, weight, checked=bool(endpoints))


def _probe(check: Props) -> Probe:
    kind = next(name for name in KINDS if check.get(name) is not None)
    block, web = check[kind], kind in ("httpHealthCheck", "httpsHealthCheck")
    path = str(block.get("requestPath") or "/") if web else ""
    return Probe(int(block["port"]), float(check.get("timeoutSec") or 5), path, tls=kind == "httpsHealthCheck")


def _wrong(where: str, value: Any, why: str) -> CheckFailure:
    return CheckFailure(
        "routingPolicy", google_text(400, f"Invalid value for '{AT}.{where}': '{value}': {why}", "invalid")
    )
