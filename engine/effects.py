"""What a difference between cloud and settings would do to traffic, property by property.

A property without a rule is UNKNOWN, never harmless: a person has to read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine.dns_hosts import OF_RECORD_SET
from engine.leaves import empty
from engine.tokens import (
    BUCKET,
    BUCKET_OBJECT,
    CONFIG_MAP,
    CONNECTION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INSTANCE,
    KUBERNETES_SECRET,
    NAT,
    NETWORK_POLICY,
    POD_MONITORING,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    TRUNK_ACL,
    USER,
    ZONE,
)


class Effect(Enum):
    """Worst first; the value is the heading in reports."""

    CUTS = "would cut calls"
    MOVES = "would move traffic"
    ACCESS = "would change who can connect"
    RESTARTS = "may restart the database"
    UNKNOWN = "effect not known here: read the cloud's documentation first"
    RELOADER = "restarts the reloader of the trunk ACL"
    LATER = "no effect until the SIP proxies are restarted"
    NONE = "no effect on traffic"

    @property
    def matters(self) -> bool:
        """Whether a person has to read it before an update."""
        return self is not Effect.NONE


@dataclass(frozen=True)
class Rule:
    """Effect of changing properties of one type, by the path the engine reports; `when`: applies only to some changes,
    decided by the values before and after."""

    type: str
    path: str
    effect: Effect
    words: str
    when: Callable[[Any, Any], bool] | None = None


ANY = ""


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

# The first matching rule decides.
RULES = (
    Rule(SERVICE, r"spec\.externalTrafficPolicy", Effect.MOVES, "only nodes with a ready pod receive traffic"),
    Rule(SERVICE, r"spec\.(loadBalancerIP|loadBalancerClass|type)", Effect.CUTS, "the address may be released"),
    Rule(SERVICE, r"metadata\.annotations.*load-balancer-ip-addresses", Effect.MOVES, _SECOND_FAMILY, when=_joined),
    Rule(
        SERVICE,
        r"metadata\.annotations.*(load-balancer-ip-addresses|l4-rbs)",
        Effect.CUTS,
        "the rule would move",
    ),
    # ipFamilies[1] is the second family of a Service; the first is never changed in place.
    Rule(SERVICE, r"spec\.ipFamilies\[1\]", Effect.MOVES, _SECOND_FAMILY, when=_added),
    Rule(SERVICE, r"spec\.ipFamilies", Effect.MOVES, _SECOND_FAMILY, when=_joined),
    Rule(SERVICE, r"spec\.ipFamilyPolicy", Effect.MOVES, _SECOND_FAMILY, when=_may_have_two),
    Rule(SERVICE, r"spec\.(ipFamilies|ipFamilyPolicy)", Effect.CUTS, "clients of a removed family lose their address"),
    Rule(SERVICE, r"spec\.ports\[[^\]]*\]\.name", Effect.NONE, "the port's name"),
    Rule(SERVICE, r"spec\.ports", Effect.CUTS, "ports that customers use"),
    Rule(SERVICE, r"spec\.selector", Effect.CUTS, "other pods would answer"),
    Rule(SERVICE, r"spec\.sessionAffinity(Config)?", Effect.MOVES, "customers may land on another pod"),
    Rule(SERVICE, r"spec\.loadBalancerSourceRanges", Effect.ACCESS, "the cloud's firewall admits other sources"),
    # Configuration and environment of the proxies (kamailio/README.md), which they read only at their start.
    Rule(CONFIG_MAP, r"(data|binaryData)", Effect.LATER, "Kamailio's fragments"),
    Rule(KUBERNETES_SECRET, r"(data|stringData)", Effect.LATER, "how proxies and reloader sign in"),
    Rule(
        DEPLOYMENT, r"spec\.(template|replicas|strategy)", Effect.RELOADER, "changes of trunks wait until it runs again"
    ),
    Rule(NETWORK_POLICY, r"spec", Effect.ACCESS, "who reaches the pods' ports, SIP's among them"),
    Rule(DISRUPTION_BUDGET, r"spec", Effect.NONE, "how many reloaders a drain of nodes may take at once"),
    Rule(POD_MONITORING, r"spec", Effect.NONE, "how metrics are read"),
    *(
        Rule(kind, path, Effect.NONE, "what the certificate's renewer may do")
        for kind, path in (
            (ROLE, r"rules"),
            (ROLE_BINDING, r"(roleRef|subjects)"),
            (SERVICE_ACCOUNT, r"automountServiceAccountToken"),
        )
    ),
    *(
        Rule(kind, r"metadata\.(labels|annotations)", Effect.NONE, "read by people and tools")
        for kind in (
            SERVICE,
            CONFIG_MAP,
            KUBERNETES_SECRET,
            DEPLOYMENT,
            NETWORK_POLICY,
            DISRUPTION_BUDGET,
            POD_MONITORING,
            SERVICE_ACCOUNT,
            ROLE,
            ROLE_BINDING,
        )
    ),
    Rule(NAT, r"natIps\[\d+\]", Effect.MOVES, "new calls may leave from it as well", when=_added),
    Rule(NAT, r"natIps", Effect.CUTS, "connections on a removed address end at once"),
    Rule(NAT, r"(natIpAllocateOption|sourceSubnetworkIpRangesToNat)", Effect.CUTS, "other source addresses"),
    Rule(NAT, r"drainNatIps", Effect.MOVES, "no new connections on a draining address"),
    Rule(NAT, r"(enable|min|max).*", Effect.CUTS, "ports are reallocated; calls may lose theirs"),
    Rule(NAT, r".*Timeout.*", Effect.MOVES, "how long quiet connections keep their port"),
    Rule(NAT, r"logConfig", Effect.NONE, "logging"),
    *(
        rule
        for record, host in OF_RECORD_SET.items()
        for rule in (
            Rule(record, r"(rrdatas|routingPolicy)", Effect.MOVES, "customers get other addresses after the TTL"),
            Rule(record, r"ttl", Effect.NONE, "how long resolvers remember"),
            *(Rule(record, path, Effect.NONE, f"how {host.title} is reached") for path in host.reached_by),
        )
    ),
    Rule(TRUNK_ACL, r"(places|removals|__provider)", Effect.NONE, "how the rows are written"),
    Rule(TRUNK_ACL, r".+", Effect.ACCESS, "which sources may call"),
    Rule(ZONE, r"dnssecConfig", Effect.MOVES, "names stop resolving unless the parent's DS records fit"),
    Rule(ZONE, r"description", Effect.NONE, "read by people"),
    Rule(INSTANCE, r"settings\.ipConfiguration\.sslMode", Effect.ACCESS, "whether clients without TLS are accepted"),
    Rule(
        INSTANCE, r"settings\.ipConfiguration\.serverCaMode", Effect.CUTS, "cannot be changed: another instance needed"
    ),
    Rule(INSTANCE, r"settings\.ipConfiguration", Effect.ACCESS, "which clients can reach the database"),
    Rule(
        INSTANCE,
        r"settings\.(tier|edition|availabilityType|databaseFlags)",
        Effect.RESTARTS,
        "calls continue, checks wait",
    ),
    Rule(
        INSTANCE,
        r"settings\.backupConfiguration\.(enabled|pointInTimeRecoveryEnabled)",
        Effect.RESTARTS,
        "point-in-time recovery restarts it once",
    ),
    Rule(
        INSTANCE,
        r"settings\.backupConfiguration\.(backupRetentionSettings|location|startTime|transactionLogRetentionDays)",
        Effect.NONE,
        "when backups are made, where and for how long they are kept",
    ),
    Rule(INSTANCE, r"settings\.(maintenanceWindow|insightsConfig|userLabels|disk.*)", Effect.NONE, "housekeeping"),
    Rule(INSTANCE, r"(settings\.)?deletionProtection.*", Effect.NONE, "a lock against deletion"),
    Rule(CONNECTION, r"reservedPeeringRanges", Effect.CUTS, "removed ranges also affect other managed services"),
    Rule(USER, r"password", Effect.ACCESS, "clients of this user need the new password"),
    Rule(
        BUCKET,
        r"(lifecycleRules|versioning|website|softDeletePolicy|forceDestroy)",
        Effect.NONE,
        "retention of earlier versions",
    ),
    Rule(BUCKET, r"(publicAccessPrevention|uniformBucketLevelAccess)", Effect.UNKNOWN, "who can read the site"),
    Rule(
        BUCKET_OBJECT,
        r"(content|contentType|cacheControl|crc32c|md5hash|detectMd5hash|generation)",
        Effect.NONE,
        "a file of the site",
    ),
    Rule(ANY, r"(labels|deletionPolicy)", Effect.NONE, "housekeeping"),
    Rule(ANY, r"__provider", Effect.NONE, "how a dynamic provider does it"),
)


def effect_of(type_token: str, path: str, values: tuple[Any, Any] | None = None) -> tuple[Effect, str]:
    """What a change of `path` does, and the words for it; `values`: before and after, where they are known."""
    for rule in RULES:
        fits = rule.type in (ANY, type_token) and (rule.when is None or (values is not None and rule.when(*values)))
        if fits and re.match(rf"{rule.path}(\b|$)", path):
            return rule.effect, rule.words
    return Effect.UNKNOWN, ""
