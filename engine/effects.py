"""What a difference between cloud and settings would do to traffic, property by property.

A property without a rule is UNKNOWN, never harmless: a person has to read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine import tokens
from engine.dns_hosts import OF_RECORD_SET
from engine.leaves import empty


class Effect(Enum):
    """Worst first; the value is the heading in reports."""

    CUTS = "would cut calls"
    MOVES = "would move traffic"
    ACCESS = "would change who can connect"
    RESTARTS = "may restart the database"
    UNKNOWN = "effect not known here: read the cloud's documentation first"
    RELOADER = "restarts the reloader of the trunk ACL"
    BESIDE = "restarts a pod that no call depends on"
    LATER = "no effect until the SIP proxies are restarted"
    NONE = "no effect on traffic"

    @property
    def matters(self) -> bool:
        """Whether a person has to read it before an update."""
        return self is not Effect.NONE


@dataclass(frozen=True)
class Rule:
    """Effect of changing properties of a type, by the path the engine reports; `when`: applies only to some changes,
    decided by the values before and after."""

    path: str
    effect: Effect
    words: str
    when: Callable[[Any, Any], bool] | None = None


def _added(before: Any, after: Any) -> bool:
    """Whether there was no value before."""
    return empty(before) and not empty(after)


def _joined(before: Any, after: Any) -> bool:
    """Whether names are only added, none removed; in text they are separated by commas."""
    old, new = _names(before), _names(after)
    return bool(old) and old < new


def _names(value: Any) -> set[str]:
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return {str(name).strip() for name in names} - {""}


def _may_have_two(_before: Any, after: Any) -> bool:
    """Whether a Service with this `ipFamilyPolicy` keeps all its address families."""
    return after in ("PreferDualStack", "RequireDualStack")


# A load balancer has one address per family, so a second name in the annotation is of the other family
# (docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters).
_SECOND_FAMILY = "clients of the other family can connect as well; the first address stays"

_LABELS = Rule(r"metadata\.(labels|annotations)", Effect.NONE, "read by people and tools")


# By type of resource; the first that matches decides, and those of any type come last.
RULES: Mapping[str, tuple[Rule, ...]] = {
    tokens.SERVICE: (
        Rule(r"spec\.externalTrafficPolicy", Effect.MOVES, "only nodes with a ready pod receive traffic"),
        Rule(r"spec\.(loadBalancerIP|loadBalancerClass|type)", Effect.CUTS, "the address may be released"),
        Rule(r"metadata\.annotations.*load-balancer-ip-addresses", Effect.MOVES, _SECOND_FAMILY, when=_joined),
        Rule(r"metadata\.annotations.*(load-balancer-ip-addresses|l4-rbs)", Effect.CUTS, "the rule would move"),
        # ipFamilies[1] is the second family of a Service; the first is never changed in place.
        Rule(r"spec\.ipFamilies\[1\]", Effect.MOVES, _SECOND_FAMILY, when=_added),
        Rule(r"spec\.ipFamilies", Effect.MOVES, _SECOND_FAMILY, when=_joined),
        Rule(r"spec\.ipFamilyPolicy", Effect.MOVES, _SECOND_FAMILY, when=_may_have_two),
        Rule(r"spec\.(ipFamilies|ipFamilyPolicy)", Effect.CUTS, "clients of a removed family lose their address"),
        Rule(r"spec\.ports\[[^\]]*\]\.name", Effect.NONE, "the port's name"),
        Rule(r"spec\.ports", Effect.CUTS, "ports that customers use"),
        Rule(r"spec\.selector", Effect.CUTS, "other pods would answer"),
        Rule(r"spec\.sessionAffinity(Config)?", Effect.MOVES, "customers may land on another pod"),
        Rule(r"spec\.loadBalancerSourceRanges", Effect.ACCESS, "the cloud's firewall admits other sources"),
        _LABELS,
    ),
    # Configuration and environment of the proxies (kamailio/README.md), which they read only at their start.
    tokens.CONFIG_MAP: (Rule(r"(data|binaryData)", Effect.LATER, "Kamailio's fragments"), _LABELS),
    tokens.KUBERNETES_SECRET: (
        Rule(r"(data|stringData)", Effect.LATER, "how proxies and reloader sign in"),
        _LABELS,
    ),
    tokens.DEPLOYMENT: (
        Rule(r"spec\.(template|replicas|strategy)", Effect.RELOADER, "changes of trunks wait until it runs again"),
        _LABELS,
    ),
    tokens.NETWORK_POLICY: (
        Rule(r"spec", Effect.ACCESS, "who reaches the pods' ports, SIP's among them"),
        _LABELS,
    ),
    tokens.DISRUPTION_BUDGET: (
        Rule(r"spec", Effect.NONE, "how many reloaders a drain of nodes may take at once"),
        _LABELS,
    ),
    tokens.SECURITY_POLICY: (
        Rule(r"ddosProtectionConfig", Effect.ACCESS, "what Google's edge drops during an attack"),
        Rule(r"description", Effect.NONE, "read by people"),
    ),
    tokens.EDGE_SECURITY_SERVICE: (
        Rule(r"securityPolicy", Effect.ACCESS, "what Google's edge drops during an attack"),
        Rule(r"description", Effect.NONE, "read by people"),
    ),
    **dict.fromkeys(
        (tokens.ALERT_POLICY, tokens.NOTIFICATION_CHANNEL, tokens.UPTIME_CHECK, tokens.DASHBOARD),
        (Rule(r".+", Effect.NONE, "what operators are alerted of, and how"),),
    ),
    tokens.POD_MONITORING: (Rule(r"spec", Effect.NONE, "how metrics are read"), _LABELS),
    tokens.ROLE: (Rule(r"rules", Effect.NONE, "what the certificate's renewer may do"), _LABELS),
    tokens.ROLE_BINDING: (
        Rule(r"(roleRef|subjects)", Effect.NONE, "what the certificate's renewer may do"),
        _LABELS,
    ),
    tokens.SERVICE_ACCOUNT: (
        Rule(r"automountServiceAccountToken", Effect.NONE, "what the certificate's renewer may do"),
        _LABELS,
    ),
    tokens.NAT: (
        Rule(r"natIps\[\d+\]", Effect.MOVES, "new calls may leave from it as well", when=_added),
        Rule(r"natIps", Effect.CUTS, "connections on a removed address end at once"),
        Rule(r"(natIpAllocateOption|sourceSubnetworkIpRangesToNat)", Effect.CUTS, "other source addresses"),
        Rule(r"drainNatIps", Effect.MOVES, "no new connections on a draining address"),
        Rule(r"(enable|min|max).*", Effect.CUTS, "ports are reallocated; calls may lose theirs"),
        Rule(r".*Timeout.*", Effect.MOVES, "how long quiet connections keep their port"),
        Rule(r"logConfig", Effect.NONE, "logging"),
    ),
    **{
        record: (
            Rule(r"(rrdatas|routingPolicy)", Effect.MOVES, "customers get other addresses after the TTL"),
            Rule(r"ttl", Effect.NONE, "how long resolvers remember"),
            *(Rule(path, Effect.NONE, f"how {host.title} is reached") for path in host.reached_by),
        )
        for record, host in OF_RECORD_SET.items()
    },
    tokens.TRUNK_ACL: (
        Rule(r"(places|removals|__provider)", Effect.NONE, "how the rows are written"),
        Rule(r".+", Effect.ACCESS, "which sources may call"),
    ),
    tokens.ZONE: (
        Rule(r"dnssecConfig", Effect.MOVES, "names stop resolving unless the parent's DS records fit"),
        Rule(r"description", Effect.NONE, "read by people"),
    ),
    tokens.INSTANCE: (
        Rule(r"settings\.ipConfiguration\.sslMode", Effect.ACCESS, "whether clients without TLS are accepted"),
        Rule(r"settings\.ipConfiguration\.serverCaMode", Effect.CUTS, "cannot be changed: another instance needed"),
        Rule(r"settings\.ipConfiguration", Effect.ACCESS, "which clients can reach the database"),
        Rule(
            r"settings\.(tier|edition|availabilityType|databaseFlags)", Effect.RESTARTS, "calls continue, checks wait"
        ),
        Rule(
            r"settings\.backupConfiguration\.(enabled|pointInTimeRecoveryEnabled)",
            Effect.RESTARTS,
            "point-in-time recovery restarts it once",
        ),
        Rule(
            r"settings\.backupConfiguration\.(backupRetentionSettings|location|startTime|transactionLogRetentionDays)",
            Effect.NONE,
            "when backups are made, where and for how long they are kept",
        ),
        Rule(r"settings\.(maintenanceWindow|insightsConfig|userLabels|disk.*)", Effect.NONE, "housekeeping"),
        Rule(r"(settings\.)?deletionProtection.*", Effect.NONE, "a lock against deletion"),
    ),
    tokens.CONNECTION: (
        Rule(r"reservedPeeringRanges", Effect.CUTS, "removed ranges also affect other managed services"),
    ),
    tokens.USER: (Rule(r"password", Effect.ACCESS, "clients of this user need the new password"),),
    tokens.BUCKET: (
        Rule(
            r"(lifecycleRules|versioning|website|softDeletePolicy|forceDestroy)",
            Effect.NONE,
            "retention of earlier versions",
        ),
        Rule(r"(publicAccessPrevention|uniformBucketLevelAccess)", Effect.UNKNOWN, "who can read the site"),
    ),
    tokens.BUCKET_OBJECT: (
        Rule(
            r"(content|contentType|cacheControl|crc32c|md5hash|detectMd5hash|generation)",
            Effect.NONE,
            "a file of the site",
        ),
    ),
}


def _of_pods(who: str, meanwhile: str) -> Mapping[str, tuple[Rule, ...]]:
    """Of a component whose pods no call depends on: `who` they are, and what is so while they restart."""
    return {
        tokens.CONFIG_MAP: (Rule(r"(data|binaryData)", Effect.BESIDE, f"the configuration of {who}"),),
        tokens.KUBERNETES_SECRET: (Rule(r"(data|stringData)", Effect.BESIDE, f"how {who} signs in"),),
        tokens.DEPLOYMENT: (Rule(r"spec\.(template|replicas|strategy)", Effect.BESIDE, f"{who}; {meanwhile}"),),
        tokens.NETWORK_POLICY: (Rule(r"spec", Effect.NONE, f"what {who} reaches"),),
    }


# By component and type, before those by type alone.
_OF_COMPONENT: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    tokens.TLS_CERTIFICATE: _of_pods("the certificate's renewer", "the proxies keep their certificate meanwhile"),
    tokens.EDGE_ALERTS: _of_pods("the SIP prober", "nothing is probed meanwhile"),
}
_OF_ANY = (
    Rule(r"(labels|deletionPolicy)", Effect.NONE, "housekeeping"),
    Rule(r"__provider", Effect.NONE, "how a dynamic provider does it"),
)


def effect_of(urn: str, path: str, values: tuple[Any, Any] | None = None) -> tuple[Effect, str]:
    """What a change of the resource's `path` does, and the words for it; `values`: before and after, where they are
    known."""
    type_token = tokens.type_of(urn)
    own = [
        rule
        for component, rules in _OF_COMPONENT.items()
        if tokens.within(urn, component)
        for rule in rules.get(type_token, ())
    ]
    for rule in (*own, *RULES.get(type_token, ()), *_OF_ANY):
        fits = rule.when is None or (values is not None and rule.when(*values))
        if fits and re.match(rf"{rule.path}(\b|$)", path):
            return rule.effect, rule.words
    return Effect.UNKNOWN, ""
