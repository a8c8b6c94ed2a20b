"""The pack as the engine meets it: through the library's own server, with the messages the engine sends."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel, Policy, PolicyPack, ResourceValidationPolicy
from pulumi_policy.policy import _PolicyAnalyzerServicer
from pulumi_policy.proxy import UNKNOWN_ARRAY_VALUE, UNKNOWN_STRING_VALUE

from engine.tokens import ADDRESS, INSTANCE, NAT, SERVICE, STACK
from policies import pack
from policies.rule import ResourceRule, Rule
from policies.rules import RULES
from tests.stacks import ROOT
from tests.unit.recording import SECRET, SIGNATURE
from tests.unit.test_policies_judge import BREAKING

Json = dict[str, Any]
LEVELS = {
    "advisory": proto.ADVISORY,
    "mandatory": proto.MANDATORY,
    "remediate": proto.REMEDIATE,
}


def secret(value: Any) -> Json:
    return {SIGNATURE: SECRET, "value": value}


def struct(properties: Json) -> Struct:
    return ParseDict(properties, Struct())


class Engine:
    """Asks a pack what the engine asks, in its order."""

    def __init__(self, policies: list[Policy], **config: Json) -> None:
        self._server = _PolicyAnalyzerServicer("warp-edge", "1.0.0", policies, EnforcementLevel.MANDATORY)
        self.info = self._server.GetAnalyzerInfo(None, None)  # type: ignore[no-untyped-call]
        given = {each.name: each.enforcementLevel for each in self.info.policies}
        request = proto.ConfigureAnalyzerRequest()
        for name, level in given.items():
            properties = dict(config.get(name.replace("-", "_"), {}))
            level = LEVELS[properties.pop("enforcementLevel")] if "enforcementLevel" in properties else level
            request.policyConfig[name].CopyFrom(
                proto.PolicyConfig(enforcementLevel=level, properties=struct(properties))
            )
        self._server.Configure(request, None)  # type: ignore[no-untyped-call]

    def resource(self, token: str, name: str = "it", /, *, protect: bool = True, **properties: Any) -> list[Any]:
        """Register a resource: remedies first, then the analysis. The diagnostics."""
        request = proto.AnalyzeRequest(
            type=token,
            name=name,
            urn=f"urn::{name}",
            properties=struct(properties),
            options=proto.AnalyzerResourceOptions(protect=protect),
        )
        self.remedies = self._server.Remediate(request, None).remediations  # type: ignore[no-untyped-call]
        return list(self._server.Analyze(request, None).diagnostics)  # type: ignore[no-untyped-call]

    def stack(self, *resources: tuple[str, str, Json]) -> list[Any]:
        request = proto.AnalyzeStackRequest(
            resources=[
                proto.AnalyzerResource(type=token, name=name, urn=f"urn::{name}", properties=struct(properties))
                for token, name, properties in resources
            ]
        )
        return list(self._server.AnalyzeStack(request, None).diagnostics)  # type: ignore[no-untyped-call]


def engine(*rules: Rule, today: date = date(2026, 1, 15), **config: Json) -> Engine:
    return Engine(pack.policies(rules or RULES, lambda: today), **config)


def about(name: str, diagnostics: list[Any]) -> list[tuple[int, str]]:
    return [(each.enforcementLevel, each.message) for each in diagnostics if each.policyName == name]


def clear_instance() -> Json:
    return {"settings": {"ipConfiguration": {"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}}}


def test_a_violation_is_mandatory_and_carries_its_remedy() -> None:
    assert about("database-tls-only", engine().resource(INSTANCE, **clear_instance())) == [
        (
            proto.MANDATORY,
            "A database takes encrypted connections only\n"
            "it: sslMode is ALLOW_UNENCRYPTED_AND_ENCRYPTED\n"
            "-> set warp-edge:database.sslMode to ENCRYPTED_ONLY",
        )
    ]


def test_all_problems_of_one_resource_are_reported() -> None:
    reported = {each.policyName for each in engine().resource(INSTANCE, protect=False, **clear_instance())}
    assert {"protected", "database-tls-only", "database-backups", "database-deletion-locks", "labels"} <= reported


def test_what_a_preview_does_not_know_is_reported_beside_what_is_wrong() -> None:
    ranges = {"authorizedNetworks": [{"value": UNKNOWN_STRING_VALUE}, {"value": "0.0.0.0/0"}]}
    reported = about(
        "database-no-open-network", engine().resource(INSTANCE, "db", settings={"ipConfiguration": ranges})
    )
    assert [level for level, _ in reported] == [proto.MANDATORY, proto.ADVISORY]
    assert "0.0.0.0/0 may connect" in reported[0][1]
    assert reported[1][1].endswith("could not be judged: db: settings.ipConfiguration.authorizedNetworks[0]")


def test_a_list_that_is_not_known_ends_no_rule() -> None:
    reported = about("nat-active-slots", engine().resource(NAT, "nat", natIps=UNKNOWN_ARRAY_VALUE))
    assert [level for level, _ in reported] == [proto.ADVISORY]
    assert "could not be judged: nat: natIps" in reported[0][1]
    assert about("nat-active-slots", engine().resource(NAT, natIps=[UNKNOWN_STRING_VALUE, UNKNOWN_STRING_VALUE])) == []


def test_a_rule_that_breaks_hides_no_other_rule() -> None:
    broken = ResourceRule("breaking", "Says", "why", "do this", frozenset({INSTANCE}), check=BREAKING.check)
    reported = {each.policyName for each in engine(broken, *RULES).resource(INSTANCE, "bad", **clear_instance())}
    assert {"breaking", "database-tls-only", "labels"} <= reported


def test_a_secret_passes_and_the_same_in_clear_does_not() -> None:
    user = "gcp:sql/user:User"
    assert about("no-plaintext-secret", engine().resource(user, password=secret("hunter2"))) == []
    (level, message), *more = about("no-plaintext-secret", engine().resource(user, password="hunter2"))
    assert (level, more) == (proto.MANDATORY, [])
    assert "it: password has a secret (by its name) in clear text" in message
    assert "hunter2" not in message


def test_a_secret_deep_inside_is_known_as_one() -> None:
    properties: Json = {"spec": {"list": [{"token": secret("a")}, {"token": "b"}]}, "config": secret({"password": "c"})}
    reported = about("no-plaintext-secret", engine().resource("a:b:C", **properties))
    assert [re.findall(r"it: (\S+) has", message) for _, message in reported] == [["spec.list[1].token"]]


def test_listening_for_secrets_changes_nothing() -> None:
    asked = engine()
    asked.resource("a:b:C", password=secret("hunter2"), token="x")
    assert list(asked.remedies) == []


def test_at_another_level_the_rule_about_secrets_says_that_it_cannot_tell() -> None:
    mandatory = engine(no_plaintext_secret={"enforcementLevel": "mandatory"})
    ((_, message),) = about("no-plaintext-secret", mandatory.resource("a:b:C", size=1.0))
    assert "which of its values are secret was not reported" in message
    assert "leave this rule at enforcementLevel remediate" in message


def load_balancer() -> Json:
    return {
        "metadata": {"name": "s"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 5060.0}], "loadBalancerIP": UNKNOWN_STRING_VALUE},
        "data": secret("hunter2"),
    }


def test_a_remedy_is_taken_only_where_a_stack_asks_for_it() -> None:
    plain = engine()
    assert about("source-address-kept", plain.resource(SERVICE, **load_balancer()))
    assert list(plain.remedies) == []
    mending = engine(source_address_kept={"enforcementLevel": "remediate"})
    mending.resource(SERVICE, **load_balancer())
    (remedy,) = mending.remedies
    wanted = load_balancer()
    wanted["spec"]["externalTrafficPolicy"] = "Local"
    assert remedy.properties == struct(wanted), "secrets stay secret, unknowns stay unknown, the rest as it was"


def test_a_remedy_leaves_other_types_alone() -> None:
    mending = engine(source_address_kept={"enforcementLevel": "remediate"})
    mending.resource("kubernetes:core/v1:ConfigMap", **load_balancer())
    assert list(mending.remedies) == []


EXCEPTION = {"resource": "it", "reason": "the portal cannot do TLS yet", "by": "Ann", "expires": "2026-02-28"}


def test_an_exception_in_force_is_reported_at_the_end_and_stops_nothing() -> None:
    asked = engine(database_tls_only={"exceptions": [EXCEPTION]})
    assert about("database-tls-only", asked.resource(INSTANCE, **clear_instance())) == []
    assert about("exceptions-in-force", asked.stack((STACK, "s", {}))) == [
        (
            proto.ADVISORY,
            "Exceptions in force are reported\n"
            "database-tls-only: sslMode is ALLOW_UNENCRYPTED_AND_ENCRYPTED;"
            " until 2026-02-28 (Ann: the portal cannot do TLS yet)",
        )
    ]


def test_an_exception_that_is_over_is_reported_once_at_the_stack() -> None:
    late = engine(today=date(2026, 3, 1), database_tls_only={"exceptions": [EXCEPTION]})
    ((level, message),) = about("database-tls-only", late.resource(STACK, "s"))
    assert level == proto.MANDATORY
    assert "the exception for it expired on 2026-02-28" in message
    assert len(about("database-tls-only", late.resource(INSTANCE, **clear_instance()))) == 1
    assert about("exceptions-in-force", late.stack()) == []


def test_an_exception_of_a_rule_over_the_whole_stack_expires_too() -> None:
    late = engine(today=date(2026, 3, 1), srv_target_exists={"exceptions": [EXCEPTION]})
    ((_, message),) = about("srv-target-exists", late.stack())
    assert "the exception for it expired on 2026-02-28" in message


def test_rules_over_the_whole_stack_say_which_resource_they_mean() -> None:
    service = {"metadata": {"annotations": {}}, "spec": {"type": "LoadBalancer", "loadBalancerIP": "192.0.2.9"}}
    found = [
        each
        for each in engine().stack((SERVICE, "ingress-udp", service), (ADDRESS, "a", {"address": "192.0.2.1"}))
        if each.policyName == "load-balancer-address-reserved"
    ]
    assert [each.urn for each in found] == ["urn::ingress-udp"]


def test_every_policy_has_its_remedy_and_a_schema_without_references() -> None:
    listed = {each.name: each for each in engine().info.policies}
    assert set(listed) == {rule.name for rule in RULES} | {"exceptions-in-force"}
    for rule in RULES:
        assert listed[rule.name].remediation_steps == rule.remedy
        schema = str(listed[rule.name].configSchema)
        assert "exceptions" in schema
        assert "$ref" not in schema


def test_names_are_not_given_twice() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


def test_everything_is_mandatory_but_what_the_live_edge_does_not_have() -> None:
    assert {each.name for each in engine().info.policies if each.enforcementLevel == proto.ADVISORY} == {
        "nat-ports-per-vm",
        "tls-has-a-certificate",
        "database-tier",
        "database-private-address",
        "ddos-protection",
        "exceptions-in-force",
    }


@pytest.mark.parametrize("file", sorted((ROOT / "policies" / "config").glob("*.json")), ids=lambda file: file.stem)
def test_the_configurations_that_are_shipped_fit_the_rules(file: Any) -> None:
    config = json.loads(file.read_text())
    rules = {rule.name: rule for rule in RULES}
    assert set(config) <= set(rules)
    for name, options in config.items():
        rules[name].options.model_validate(options)


def test_only_the_packs_main_module_constructs_it() -> None:
    """Constructing it never returns."""
    for file in (ROOT / "policies").rglob("*.py"):
        if file.name != "__main__.py":
            assert f"{PolicyPack.__name__}(" not in file.read_text(), file


def test_every_rule_about_a_resource_becomes_a_policy_about_one() -> None:
    about_one = {each.name for each in pack.policies() if isinstance(each, ResourceValidationPolicy)}
    assert about_one == {rule.name for rule in RULES if isinstance(rule, ResourceRule)}
