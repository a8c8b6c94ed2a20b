"""What the stack's last update left, read from the engine's own record before anything is declared.

Only the program can refuse to take an address out of the gateway while calls run on it, and for that it must know what
the gateway uses; and only with the trunks as they were can a review see what changes. The record is the state, so it is
right after a crash and after an adoption as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.egress import GatewayUse

GATEWAY = "gcp:compute/routerNat:RouterNat"
TRUNK_ACL = "pulumi-python:dynamic/warp:TrunkAcl"


@dataclass(frozen=True)
class Record:
    """`gateway`: what the NAT gateway used; `trunks`: BAN to trunks' text. None before the first update."""

    gateway: GatewayUse | None = None
    trunks: Mapping[str, str] | None = None


def last_update() -> Record:
    """What this stack's last update left."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    # Built into the engine; the Node SDK's `listResourceOutputs` is made of the same call.
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    gateway: GatewayUse | None = None
    trunks: Mapping[str, str] | None = None
    for resource in (answer or {}).get("outputs", {}).values():
        outputs: dict[str, Any] = resource["outputs"]
        if resource["type"] == GATEWAY:
            gateway = GatewayUse(_names(outputs.get("natIps")), _names(outputs.get("drainNatIps")))
        elif resource["type"] == TRUNK_ACL:
            trunks = outputs.get("trunks")
    return Record(gateway, trunks)


def _names(self_links: list[str] | None) -> frozenset[str]:
    return frozenset(link.rsplit("/", 1)[-1] for link in self_links or ())
