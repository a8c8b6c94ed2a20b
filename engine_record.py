"""What the stack's last update left, read from the engine's own record before anything is declared.

Only the program can refuse to take an address out of the gateway while calls run on it, and for that it must know what
the gateway uses. The record is the state, so it is right after a crash and after an adoption as well.
"""

from __future__ import annotations

from typing import Any

import pulumi

from components.egress import GatewayUse

GATEWAY = "gcp:compute/routerNat:RouterNat"


def gateway_use() -> GatewayUse | None:
    """What this stack's NAT gateway used at the last update; None before the first."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    # Built into the engine; the Node SDK's `listResourceOutputs` is made of the same call.
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    for resource in (answer or {}).get("outputs", {}).values():
        if resource["type"] == GATEWAY:
            outputs: dict[str, Any] = resource["outputs"]
            return GatewayUse(_names(outputs.get("natIps")), _names(outputs.get("drainNatIps")))
    return None


def _names(self_links: list[str] | None) -> frozenset[str]:
    return frozenset(link.rsplit("/", 1)[-1] for link in self_links or ())
