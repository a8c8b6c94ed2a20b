"""Cloud Armor at the edge of a region's network: security policies, their rules, and the service that attaches them.

Rules: docs.cloud.google.com/armor/docs/advanced-network-ddos and .../network-edge-policies. Messages marked "own
wording" are not the API's, which are not documented. A new project has the tier CA_STANDARD, with which Google refuses
advanced protection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local_cloud.cloud import Transaction
from local_cloud.errors import CheckFailure, CloudError, google_error, google_text
from local_cloud.gcp.rules import born, check_name, fingerprint, numeric_id
from local_cloud.links import COMPUTE, name_of, region_of, relative
from local_cloud.resource_type import ResourceType
from local_cloud.shapes import Shape
from local_cloud.values import Props

POLICY: Final = "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy"
RULE: Final = "gcp:compute/regionSecurityPolicyRule:RegionSecurityPolicyRule"
TIER: Final = "gcp:compute/projectCloudArmorTier:ProjectCloudArmorTier"
TIERS: Final = ("CA_STANDARD", "CA_ENTERPRISE_PAYGO", "CA_ENTERPRISE_ANNUAL")
SERVICE: Final = "gcp:compute/networkEdgeSecurityService:NetworkEdgeSecurityService"
NETWORK_TYPE: Final = "CLOUD_ARMOR_NETWORK"
DEFAULT_PRIORITY: Final = 2_147_483_647
MOST_RANGES: Final = 10  # of one rule's match.config

_OPERATOR: Final = "operator* value"


def _rule(at: str) -> str:
    """The blocks of a rule, under a prefix."""
    return f"""
        {at}match: config{{}} expr{{}} versionedExpr
        {at}match.config: srcIpRanges[]
        {at}match.expr: expression*
        {at}networkMatch: destIpRanges[] destPorts[] ipProtocols[] srcAsns:int[] srcIpRanges[] srcPorts[]
            srcRegionCodes[] userDefinedFields[]
        {at}networkMatch.userDefinedFields: name values[]
        {at}preconfiguredWafConfig: exclusions[]
        {at}preconfiguredWafConfig.exclusions: targetRuleSet* requestCookies[] requestHeaders[] requestQueryParams[]
            requestUris[] targetRuleIds[]
        {at}preconfiguredWafConfig.exclusions.requestCookies: {_OPERATOR}
        {at}preconfiguredWafConfig.exclusions.requestHeaders: {_OPERATOR}
        {at}preconfiguredWafConfig.exclusions.requestQueryParams: {_OPERATOR}
        {at}preconfiguredWafConfig.exclusions.requestUris: {_OPERATOR}
        {at}rateLimitOptions: banDurationSec:int banThreshold{{}} conformAction enforceOnKey enforceOnKeyConfigs[]
            enforceOnKeyName exceedAction rateLimitThreshold{{}}
        {at}rateLimitOptions.banThreshold: count:int intervalSec:int
        {at}rateLimitOptions.enforceOnKeyConfigs: enforceOnKeyName enforceOnKeyType
        {at}rateLimitOptions.rateLimitThreshold: count:int intervalSec:int
    """


class ProjectCloudArmorTier(ResourceType):
    """Which Cloud Armor a project pays for. Every project has one; the plugin's deletion only forgets it."""

    token = TIER
    noun = "ProjectCloudArmorTier"
    key_format = "projects/{project}"
    import_formats = ("{project}",)
    shape = Shape.parse(f"root: cloudArmorTier:{'|'.join(TIERS)}* deletionPolicy~% project!~")

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        """Setting it again is no conflict."""

    def create(self, planned: Props) -> Props:
        with self.cloud.change() as tx:
            tx.drop(TIER, self.key(planned))
            tx.create(TIER, self.key(planned), self.stored(planned))
            return planned

    def read(self, values: Props) -> Props | None:
        with self.cloud.change() as tx:
            tx.record("read", TIER, self.key(values))
            return {"project": values["project"], "cloudArmorTier": _tier(tx, values["project"])}

    def delete(self, values: Props) -> None:
        """The API has no deletion."""


def _tier(tx: Transaction, project: str) -> str:
    body = tx.get(TIER, f"projects/{project}")
    return str(body["cloudArmorTier"]) if body else TIERS[0]


class RegionSecurityPolicy(ResourceType):
    """A region's policy: protection of the whole region, or rules for what it is attached to."""

    token = POLICY
    noun = "RegionSecurityPolicy"
    key_format = "projects/{project}/regions/{region}/securityPolicies/{name}"
    import_formats = ("{project}/{region}/{name}", "{region}/{name}", "{name}")
    suppressed = frozenset({"rules"})  # the plugin compares them itself, as a set
    shape = Shape.parse(
        """
        root: name!+ advancedOptionsConfig{} ddosProtectionConfig{} deletionPolicy~% description project!~ region!~
            rules<>~ type:CLOUD_ARMOR|CLOUD_ARMOR_EDGE|CLOUD_ARMOR_NETWORK! userDefinedFields[] fingerprint^ policyId^
            selfLink^ selfLinkWithPolicyId^
        advancedOptionsConfig: jsonCustomConfig{} jsonParsing:DISABLED|STANDARD|STANDARD_WITH_GRAPHQL
            logLevel:NORMAL|VERBOSE requestBodyInspectionSize userIpRequestHeaders<>
        advancedOptionsConfig.jsonCustomConfig: contentTypes<>*
        ddosProtectionConfig: ddosProtection:ADVANCED|ADVANCED_PREVIEW|STANDARD*
        rules: action* priority:int* description match{} networkMatch{} preconfiguredWafConfig{} preview:bool
            rateLimitOptions{}
        userDefinedFields: base:IPV4|IPV6|TCP|UDP* mask name offset:int size:int
        """
        + _rule("rules.")
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        return check_name(inputs)

    def make(self, tx: Transaction, planned: Props) -> Props:
        path, number = self.key(planned), numeric_id(tx)
        _refuse(_policy_problems(planned))
        _refuse_without_enterprise(tx, planned)
        default = {"action": "allow", "priority": DEFAULT_PRIORITY, "description": "default rule"}
        return {
            **planned,
            **born(tx, path),
            "rules": planned.get("rules") or [default],
            "fingerprint": fingerprint(planned),
            "policyId": number,
            "selfLinkWithPolicyId": f"{COMPUTE}{path.rpartition('/')[0]}/{number}",
        }

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        after = {**body, **planned}
        _refuse(_policy_problems(after))
        _refuse_without_enterprise(tx, after)
        if _protects(after) and (rules := _rules_of(tx, self.key(body))):
            _refuse(
                [f"a policy with advanced protection of a region must not have rules; it has {rules[0]['priority']}"]
            )
        return {**after, "fingerprint": fingerprint(planned)}

    def remove(self, tx: Transaction, body: Props) -> None:
        path = self.key(body)
        for user in tx.all(SERVICE):
            if relative(str(user.body.get("securityPolicy") or "")) == path:
                message = f"The security_policy resource '{path}' is already being used by '{user.id}'"
                raise google_error(400, message, "resourceInUseByAnotherResource")
        for rule in tx.all(RULE, f"{path}/"):
            tx.drop(RULE, rule.id)


class RegionSecurityPolicyRule(ResourceType):
    """One rule of a policy. The default rule always exists: creating it updates it, deleting it does nothing."""

    token = RULE
    noun = "RegionSecurityPolicyRule"
    key_format = "projects/{project}/regions/{region}/securityPolicies/{securityPolicy}/priority/{priority}"
    import_formats = ("{project}/{region}/{securityPolicy}/{priority}", "{region}/{securityPolicy}/{priority}")
    stable_name = "priority"
    shape = Shape.parse(
        """
        root: action* priority:int*! region*! securityPolicy*! deletionPolicy~% description match{} networkMatch{}
            preconfiguredWafConfig{} preview:bool project!~ rateLimitOptions{}
        """
        + _rule("")
    )

    def judge(self, planned: Props) -> list[CheckFailure]:
        return [
            CheckFailure("networkMatch", google_text(400, f"Invalid value for field 'resource': ''. {text}", "invalid"))
            for text in _rule_problems(planned)
        ]

    def refuse_existing(self, tx: Transaction, planned: Props) -> None:
        if planned["priority"] != DEFAULT_PRIORITY and tx.get(RULE, self.key(planned)) is not None:
            message = "Invalid value for field 'resource.priority': '{}'. Cannot have rules with the same priorities."
            raise google_error(400, message.format(planned["priority"]), "invalid")

    def make(self, tx: Transaction, planned: Props) -> Props:
        path = self.key(planned).rpartition("/priority/")[0]
        policy = tx.get(POLICY, path)
        if policy is None:
            raise google_error(404, f"The resource '{path}' was not found", "notFound")
        if any(one["priority"] == planned["priority"] != DEFAULT_PRIORITY for one in policy.get("rules") or []):
            raise google_error(400, "Cannot have rules with the same priorities.", "invalid")
        if _protects(policy):
            _refuse(["a policy with advanced protection of a region must not have rules"])
        if planned.get("networkMatch") and policy.get("type") != NETWORK_TYPE:
            _refuse([f"networkMatch requires a policy of type {NETWORK_TYPE}"])
        return planned

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return self.make(tx, {**body, **planned})

    def delete(self, values: Props) -> None:
        if values["priority"] != DEFAULT_PRIORITY:
            super().delete(values)


class NetworkEdgeSecurityService(ResourceType):
    """Attaches a policy to a region's edge."""

    token = SERVICE
    noun = "NetworkEdgeSecurityService"
    key_format = "projects/{project}/regions/{region}/networkEdgeSecurityServices/{name}"
    import_formats = ("{project}/{region}/{name}", "{region}/{name}")
    shape = Shape.parse(
        """
        root: name!+ deletionPolicy~% description project!~ region! securityPolicy@ creationTimestamp^ fingerprint^
            selfLink^ selfLinkWithServiceId^ serviceId^
        """
    )

    def check(self, inputs: Props) -> list[CheckFailure]:
        return check_name(inputs)

    def key(self, values: Mapping[str, Any]) -> str:
        if not values.get("region"):
            raise CloudError("Cannot determine region: set in this resource, or set provider-level 'region' or 'zone'.")
        return super().key(values)

    def make(self, tx: Transaction, planned: Props) -> Props:
        path, number = self.key(planned), numeric_id(tx)
        return {
            **self._attached(tx, planned),
            **born(tx, path),
            "fingerprint": fingerprint({"policy": planned.get("securityPolicy")}),
            "serviceId": number,
            "selfLinkWithServiceId": f"{COMPUTE}{path.rpartition('/')[0]}/{number}",
        }

    def change(self, tx: Transaction, body: Props, planned: Props) -> Props:
        return {**self._attached(tx, {**body, **planned}), "fingerprint": fingerprint({"at": tx.next_number("prints")})}

    def _attached(self, tx: Transaction, body: Props) -> Props:
        link = str(body.get("securityPolicy") or "")
        if not link:
            return body
        path = relative(link)
        policy = tx.get(POLICY, path)
        if policy is None:
            raise google_error(404, f"The resource '{path}' was not found", "notFound")
        if region_of(path) != body["region"]:
            _refuse([f"{name_of(path)} is a policy in {region_of(path)}, not in {body['region']}"])
        if policy.get("type") != NETWORK_TYPE:
            _refuse([f"{name_of(path)} is not of type {NETWORK_TYPE}"])
        return body


def _refuse_without_enterprise(tx: Transaction, policy: Props) -> None:
    """Own wording."""
    if _protects(policy) and (tier := _tier(tx, policy["project"])) == TIERS[0]:
        _refuse([f"advanced network DDoS protection requires Cloud Armor Enterprise; the project's tier is {tier}"])


def _protects(policy: Props) -> bool:
    return ((policy.get("ddosProtectionConfig") or {}).get("ddosProtection") or "STANDARD") != "STANDARD"


def _rules_of(tx: Transaction, policy: str) -> list[Props]:
    return [one.body for one in tx.all(RULE, f"{policy}/") if one.body["priority"] != DEFAULT_PRIORITY]


def _policy_problems(policy: Props) -> Iterator[str]:
    """Own wording."""
    if policy.get("ddosProtectionConfig") and policy.get("type") != NETWORK_TYPE:
        yield f"ddosProtectionConfig requires a policy of type {NETWORK_TYPE}"
    own = [rule for rule in policy.get("rules") or [] if rule.get("priority") != DEFAULT_PRIORITY]
    if own and _protects(policy):
        yield "a policy with advanced protection of a region must not have rules"
    if len(policy.get("userDefinedFields") or []) > 8:
        yield "at most 8 user-defined fields"
    for one in policy.get("userDefinedFields") or []:
        if not 1 <= int(one.get("size") or 0) <= 4:
            yield f"a user-defined field has 1 to 4 bytes, not {one.get('size') or 0}"


def _rule_problems(rule: Props) -> Iterator[str]:
    """Own wording."""
    if not 0 <= rule["priority"] <= DEFAULT_PRIORITY:
        yield f"the priority {rule['priority']} is not between 0 and {DEFAULT_PRIORITY}"
    network, ranges = rule.get("networkMatch") or {}, ((rule.get("match") or {}).get("config") or {}).get("srcIpRanges")
    if rule.get("networkMatch") is not None and rule["action"] not in ("allow", "deny"):
        yield f"the action {rule['action']} is not one of allow, deny"
    if len(ranges or []) > MOST_RANGES:
        yield f"at most {MOST_RANGES} source ranges in one rule, not {len(ranges or [])}"
    for text in [*(ranges or []), *(network.get("srcIpRanges") or []), *(network.get("destIpRanges") or [])]:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            if text != "*":
                yield f"{text} is not an address range in CIDR notation"


def _refuse(problems: Any) -> None:
    for text in problems:
        raise google_error(400, f"Invalid value for field 'resource': ''. {text[:1].upper()}{text[1:]}.", "invalid")
