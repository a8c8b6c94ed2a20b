"""Rules for protection against floods: advanced network DDoS protection in front of the region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.tokens import EDGE_SECURITY_SERVICE, SECURITY_POLICY, SERVICE
from policies.declared import UNKNOWN, Declared
from policies.rule import Finding, InProduction, Level, StackRule, Unjudged, Violation
from policies.rules.ingress import is_load_balancer

MODE = "ddosProtectionConfig.ddosProtection"


def _protected(service: Declared, stack: Sequence[Declared], options: InProduction) -> Iterator[Finding]:
    """One finding for the region, at the first of its LoadBalancers: the protection covers all of them."""
    balancers = [each.urn for each in stack if each.type == SERVICE and is_load_balancer(each)]
    if not options.production or service.urn != min(balancers, default=""):
        return
    modes = {each.urn: each.at(MODE) for each in stack if each.type == SECURITY_POLICY}
    attached = [each.at("securityPolicy") for each in stack if each.type == EDGE_SECURITY_SERVICE]
    if UNKNOWN in modes.values():
        yield Unjudged(f"the region's {MODE}")
    elif "ADVANCED" in modes.values():
        if not any(attached):
            yield Violation("the region's policy for DDoS protection is attached to no network edge security service")
    elif "ADVANCED_PREVIEW" in modes.values():
        yield Violation(
            "the region's advanced DDoS protection only logs",
            "set warp-edge:protection.mode to advanced once its log shows no mitigation of customers' calls",
        )
    else:
        yield Violation("the region has no advanced DDoS protection")


RULES = (
    StackRule(
        "ddos-protection",
        "A region in production has advanced network DDoS protection",
        "a flood of the addresses that customers have configured once cannot be evaded by changing them; advisory,"
        " because it needs Cloud Armor Enterprise",
        "set warp-edge:protection.mode to preview, and after some days to advanced (docs/protection.md)",
        frozenset({SERVICE}),
        reads=frozenset({SERVICE, SECURITY_POLICY, EDGE_SECURITY_SERVICE}),
        level=Level.ADVISORY,
        options=InProduction,
        check=_protected,
    ),
)
