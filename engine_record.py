"""What the stack's last update left, read from the engine's own record before anything is declared.

Only the program can refuse to take an address out of use while calls run on it, and for that it must know what is in
use. The record is the state, so it is right after a crash and after an adoption as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.egress import GatewayUse

GATEWAY = "gcp:compute/routerNat:RouterNat"
ADDRESS = "gcp:compute/address:Address"
SERVICE = "kubernetes:core/v1:Service"


@dataclass(frozen=True)
class InUse:
    """What the last update left in use: by the NAT gateway (None: there was none), and by LoadBalancers (names)."""

    gateway: GatewayUse | None = None
    serving: frozenset[str] = frozenset()


def in_use() -> InUse:
    """What this stack used at the last update."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    # Built into the engine; the Node SDK's `listResourceOutputs` is made of the same call.
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    resources = (answer or {}).get("outputs", {}).values()
    gateways = [
        GatewayUse(_names(outputs.get("natIps")), _names(outputs.get("drainNatIps")))
        for outputs in _outputs_of(resources, GATEWAY)
    ]
    return InUse(gateways[0] if gateways else None, _serving(resources))


def _serving(resources: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Reserved addresses at which a LoadBalancer answers, as the cluster says."""
    answering = {
        point.get("ip")
        for service in _outputs_of(resources, SERVICE)
        for point in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    }
    return frozenset(
        address["name"] for address in _outputs_of(resources, ADDRESS) if address.get("address") in answering
    )


def _outputs_of(resources: Iterable[Mapping[str, Any]], token: str) -> Iterable[dict[str, Any]]:
    return (resource["outputs"] for resource in resources if resource["type"] == token)


def _names(self_links: list[str] | None) -> frozenset[str]:
    return frozenset(link.rsplit("/", 1)[-1] for link in self_links or ())
