"""What NetworkPolicies admit, as Kubernetes' documentation has it (docs/concepts/services-networking/network-policies):
a pod that no policy selects takes everything; one that is selected takes what any rule of any of its policies has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Policy = Mapping[str, Any]
WAYS = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}


@dataclass(frozen=True)
class Peer:
    """The other side: a pod of the same namespace by its labels, or an address."""

    labels: Mapping[str, str] | None = None
    address: str = ""


def admits(
    policies: Iterable[Policy], labels: Mapping[str, str], way: str, peer: Peer, protocol: str, port: int,
    *, ranges: bool = True,
) -> bool:  # fmt: skip
    """`ranges`: whether the network plugin knows `endPort`; one that does not takes the first port for all."""
    specs = [each["spec"] for each in policies]
    mine = [spec for spec in specs if way in spec["policyTypes"] and _selects(spec["podSelector"], labels)]
    rules, peers = WAYS[way]
    return not mine or any(
        _peers(rule.get(peers), peer) and _ports(rule.get("ports"), protocol, port, ranges=ranges)
        for spec in mine
        for rule in spec.get(rules) or ()
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "not written for other selectors"
    return bool(dict(selector.get("matchLabels") or {}).items() <= labels.items())


def _peers(given: Sequence[Mapping[str, Any]] | None, peer: Peer) -> bool:
    return not given or any(_is(each, peer) for each in given)


def _is(given: Mapping[str, Any], peer: Peer) -> bool:
    if "ipBlock" in given:
        assert set(given["ipBlock"]) == {"cidr"}
        return bool(peer.address) and ipaddress.ip_address(peer.address) in ipaddress.ip_network(
            given["ipBlock"]["cidr"]
        )
    assert set(given) == {"podSelector"}
    return peer.labels is not None and _selects(given["podSelector"], peer.labels)


def _ports(given: Sequence[Mapping[str, Any]] | None, protocol: str, port: int, *, ranges: bool) -> bool:
    return not given or any(
        each.get("protocol", "TCP") == protocol
        and each["port"] <= port <= (each.get("endPort", each["port"]) if ranges else each["port"])
        for each in given
    )
