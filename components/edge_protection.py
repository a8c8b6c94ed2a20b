"""Advanced network DDoS protection of a region, at Google's edge."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.sdk.google import NetworkEdgeSecurityService, RegionSecurityPolicy
from engine.tokens import EDGE_PROTECTION
from settings.protection import Protection


@dataclass(frozen=True)
class EdgeProtectionArgs:
    """`protection.manage` is set."""

    protection: Protection
    region: str


class EdgeProtection(pulumi.ComponentResource):
    """`warp:edge:EdgeProtection`: floods are mitigated before they reach the LoadBalancers.

    Declares the region's security policy, which cannot have rules of its own, and the service that attaches it: it then
    covers every passthrough LoadBalancer and every VM with a public address in the region. It deliberately does not
    manage the project's Cloud Armor tier, which has a bill, and rules for single LoadBalancers, which GKE owns.

    Outputs: `policy` (self link).
    """

    policy: pulumi.Output[str]

    def __init__(self, name: str, args: EdgeProtectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(EDGE_PROTECTION, name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        policy = RegionSecurityPolicy(
            f"{name}-policy",
            {
                "name": args.protection.name,
                "region": args.region,
                "type": "CLOUD_ARMOR_NETWORK",
                "ddosProtectionConfig": {"ddosProtection": args.protection.mode},
            },
            own,
        )
        NetworkEdgeSecurityService(
            f"{name}-service",
            {"name": args.protection.name, "region": args.region, "securityPolicy": policy.self_link},
            own,
        )
        self.policy = policy.self_link
        self.register_outputs({"policy": self.policy})
