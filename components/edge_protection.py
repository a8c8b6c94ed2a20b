"""Advanced network DDoS protection of the region: Cloud Armor in front of every address of the edge."""

from __future__ import annotations

import pulumi

from components.sdk.google import CloudArmorTier, NetworkEdgeSecurityService, RegionSecurityPolicy
from engine.refusal import RefusedError
from engine.tokens import EDGE_PROTECTION
from settings import Settings
from settings.protection import Protection

# docs.cloud.google.com/armor/docs/advanced-network-ddos
DDOS = {"preview": "ADVANCED_PREVIEW", "advanced": "ADVANCED", "standard": "STANDARD"}
ENTERPRISE = ("CA_ENTERPRISE_PAYGO", "CA_ENTERPRISE_ANNUAL")
STANDARD = "CA_STANDARD"  # also of a project whose tier was never set


class EdgeProtection(pulumi.ComponentResource):
    """`warp:edge:EdgeProtection`: advanced network DDoS protection of one region.

    Declares the region's security policy and the network edge security service that attaches it; then it covers every
    passthrough LoadBalancer of the project in the region. It reads the project's Cloud Armor tier and deliberately
    never sets it: that is a purchase. It has no rules of its own, which such a policy cannot have, and does not attach
    policies to LoadBalancers, whose backend services GKE keeps (docs/protection.md). `protection.mode` is not off.

    Outputs: `tier` (of the project). Without Cloud Armor Enterprise the policy is refused with `RefusedError`, before
    it is changed.
    """

    tier: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(EDGE_PROTECTION, name, None, opts)
        wanted, own = settings.protection, pulumi.ResourceOptions(parent=self)
        found = CloudArmorTier(f"{name}-tier", settings.project, own)
        self.tier = found.tier.apply(lambda tier: tier or STANDARD)
        mode = self.tier.apply(lambda tier: _mode(wanted, tier, settings.project))
        policy = RegionSecurityPolicy(
            f"{name}-policy",
            {
                "name": wanted.policy,
                "region": settings.region,
                "type": "CLOUD_ARMOR_NETWORK",
                "description": "WARP SIP edge",
                "ddosProtectionConfig": {"ddosProtection": mode},
            },
            own,
        )
        # By reference: the engine then removes the service before the policy, which cannot go while it is in use.
        NetworkEdgeSecurityService(
            f"{name}-service",
            {
                "name": wanted.service,
                "region": settings.region,
                "description": "WARP SIP edge",
                "securityPolicy": policy.self_link,
            },
            own,
        )
        self.register_outputs({"tier": self.tier})


def _mode(protection: Protection, tier: str, project: str) -> str:
    if protection.billed and tier not in ENTERPRISE:
        raise RefusedError(
            f"protection.mode {protection.mode} needs Cloud Armor Enterprise, and project {project} has {tier}",
            "set protection.mode: off; or have it bought by who may, for 200 US dollars a month and more"
            f" (docs/protection.md): gcloud compute project-info update --project {project}"
            " --cloud-armor-tier=CA_ENTERPRISE_PAYGO",
        )
    return DDOS[protection.mode]
