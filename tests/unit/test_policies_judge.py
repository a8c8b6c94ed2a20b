"""Nothing hides anything else: neither a rule that breaks, nor a wrong configuration, nor an exception that is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.tokens import ADDRESS, BUCKET, INSTANCE, RECORD_SET, SERVICE, STACK
from policies.declared import Declared
from policies.judge import Excepted, NotJudged, Refused, judge_exceptions, judge_resource, judge_stack, mended
from policies.rule import Finding, Options, ResourceRule, StackRule, Unjudged, Violation
from policies.rules import RULES
from tests.unit.policies_under_test import TODAY, excepted, refused, resource, rule, silent, unjudged, verdicts

SECRET = "hunter2"


def breaks(subject: Declared, *_: Any) -> Iterator[Finding]:
    yield Violation("found before")
    if subject.name == "bad":
        raise ValueError(SECRET)
    yield Unjudged("left open")


def breaks_among(subject: Declared, _: Sequence[Declared], options: Options) -> Iterator[Finding]:
    yield from breaks(subject, options)


BREAKING = ResourceRule("breaking", "Says", "why", "do this", frozenset({"a:b:C"}), check=breaks)
BREAKING_STACK = StackRule(
    "breaking", "Says", "why", "do this", frozenset({"a:b:C"}), reads=frozenset({ADDRESS}), check=breaks_among
)
BAD, GOOD = resource("a:b:C", "bad"), resource("a:b:C", "good")
BROKE = (
    "bad: the rule itself failed (ValueError), so this resource was not judged"
    "\n-> correct rule breaking in policies/rules/, its test first"
)


def clear_instance() -> Declared:
    return resource(INSTANCE, "database-instance", settings={})


def granted(expires: str = "2026-02-28", on: str = "database-instance", **more: str) -> dict[str, str]:
    return {"resource": on, "reason": "the portal cannot do TLS yet", "by": "Ann", "expires": expires, **more}


def test_a_rule_that_fails_reports_its_findings_and_its_failure() -> None:
    reported = [each.message for each in judge_resource(BREAKING, BAD, {}, TODAY) if isinstance(each, Refused)]
    assert reported == ["bad: found before\n-> do this", BROKE]


def test_a_rule_that_breaks_at_one_resource_goes_on_with_the_next() -> None:
    elsewhere = resource("x:y:Z", "elsewhere")
    reported = [(each.urn, str(each)) for each in judge_stack(BREAKING_STACK, [BAD, elsewhere, GOOD], {}, TODAY)]
    assert [urn for urn, _ in reported] == [BAD.urn, BAD.urn, GOOD.urn, GOOD.urn]


def test_what_a_rule_stumbled_over_is_not_shown() -> None:
    assert SECRET not in str(list(judge_resource(BREAKING, BAD, {}, TODAY)))


@pytest.mark.parametrize(
    ("config", "reported"),
    [
        ({"prodution": False}, "prodution: Extra inputs are not permitted"),
        ({"exceptions": [granted("soon")]}, "exceptions.0.expires"),
        ({"exceptions": [granted("2026-02-30")]}, "exceptions.0.expires"),
        ({"exceptions": [granted(on="*")]}, "exceptions.0.resource"),
        ({"exceptions": [{**granted(), "reason": ""}]}, "exceptions.0.reason"),
        ({"exceptions": [{"resource": "database-instance"}]}, "exceptions.0.by: Field required"),
    ],
)
def test_a_wrong_configuration_is_refused_and_excuses_nothing(config: dict[str, Any], reported: str) -> None:
    (message,) = refused("database-tls-only", clear_instance(), **config)
    assert message.startswith("the configuration of rule database-tls-only is invalid: ")
    assert reported in message
    (once,) = judge_exceptions(rule("database-tls-only"), config, TODAY)
    assert reported in once.message, "also where the stack has no such resource"


@pytest.mark.parametrize("on", ["database-instance", "database-*", clear_instance().urn, "urn:pulumi:*::database-*"])
def test_an_exception_holds_for_its_resource_until_its_last_day(on: str) -> None:
    config = {"exceptions": [granted("2026-01-15", on)]}
    assert refused("database-tls-only", clear_instance(), **config) == []
    assert excepted("database-tls-only", clear_instance(), **config) == [
        "sslMode is absent, which allows clear-text connections"
    ]
    assert list(judge_exceptions(rule("database-tls-only"), config, TODAY)) == []


def test_an_exception_holds_for_no_other_resource_and_no_other_rule() -> None:
    other = resource(INSTANCE, "another-instance", settings={})
    assert len(refused("database-tls-only", other, exceptions=[granted()])) == 1
    assert len(refused("database-backups", clear_instance())) == 2


def test_after_its_last_day_an_exception_is_a_violation_itself() -> None:
    config = {"exceptions": [granted("2026-01-14")]}
    assert len(refused("database-tls-only", clear_instance(), **config)) == 1
    (over,) = judge_exceptions(rule("database-tls-only"), config, TODAY)
    assert over.message == (
        "the exception for database-instance expired on 2026-01-14 (Ann: the portal cannot do TLS yet)"
        "\n-> remove it, or get it extended"
    )


def test_an_exception_without_an_end_in_sight_is_none() -> None:
    config = {"exceptions": [granted("2027-01-17")]}
    assert len(refused("database-tls-only", clear_instance(), **config)) == 1
    (endless,) = judge_exceptions(rule("database-tls-only"), config, TODAY)
    assert "lasts until 2027-01-17, longer than a year" in endless.message
    assert list(judge_exceptions(rule("database-tls-only"), {"exceptions": [granted("2027-01-16")]}, TODAY)) == []


def test_one_exception_that_is_over_takes_no_other_along() -> None:
    config = {"exceptions": [granted("2026-01-14"), granted("2026-03-01")]}
    assert refused("database-tls-only", clear_instance(), **config) == []


def test_an_exception_says_who_answers_for_it() -> None:
    (verdict,) = judge_resource(
        rule("database-tls-only"),  # type: ignore[arg-type]
        clear_instance(),
        {"exceptions": [granted()]},
        TODAY,
    )
    assert isinstance(verdict, Excepted)
    assert (verdict.rule, verdict.granted.by, verdict.granted.expires) == (
        "database-tls-only",
        "Ann",
        date(2026, 2, 28),
    )


def test_what_is_excepted_is_not_mended() -> None:
    mend = rule("labels")
    assert isinstance(mend, ResourceRule)
    for config, changed in (({}, True), ({"exceptions": [granted(on="it")]}, False), ({"typo": 1}, False)):
        inputs: dict[str, Any] = {"labels": {"platform": "warp"}}
        subject = resource("gcp:compute/address:Address", "it", **inputs)
        assert mended(mend, subject, inputs, config, TODAY) is changed
        assert ("managed-by" in inputs["labels"]) is changed


def test_a_remedy_that_breaks_changes_nothing_and_leaves_it_to_the_check() -> None:
    def fail(inputs: dict[str, Any], _: Options) -> bool:
        raise KeyError(SECRET)

    breaking = ResourceRule("b", "Says", "why", "do this", frozenset({"a:b:C"}), check=breaks, mend=fail)
    assert mended(breaking, GOOD, {}, {}, TODAY) is False


def test_a_rule_has_nothing_to_say_about_other_types() -> None:
    assert silent("database-tls-only", resource("a:b:C"))


def left_out(each: Declared) -> Declared:
    """As the engine hands over what --target or --exclude leaves out and does not exist yet."""
    return replace(each, properties={})


def test_what_a_targeted_update_leaves_out_is_not_judged() -> None:
    for each_rule in RULES:
        for type_ in each_rule.types - {STACK}:
            found = verdicts(each_rule.name, left_out(resource(type_, "later", protect=False)))
            assert found, (each_rule.name, type_)
            assert all(isinstance(each, NotJudged) for each in found), (each_rule.name, type_)
            assert str(found[0]).count("later: this update leaves it out (--target, --exclude)") == 1


def test_what_rests_on_something_left_out_is_not_refused() -> None:
    """A Service pinned to an address that a targeted update did not reserve yet."""
    annotation = {"networking.gke.io/load-balancer-ip-addresses": "sip"}
    service = resource(SERVICE, "udp", metadata={"annotations": annotation}, spec={"type": "LoadBalancer"})
    address = resource(ADDRESS, "sip", name="sip", address="192.0.2.1")
    name = "load-balancer-address-reserved"
    assert refused(name, service)
    assert refused(name, service, left_out(address)) == []
    (reported,) = unjudged(name, service, left_out(address))
    assert reported.endswith("which depends on resources that this update leaves out (--target, --exclude)")
    assert silent(name, service, address)
    component = left_out(resource("warp:edge:SipIngress", "ingress"))
    assert refused(name, service, component), "a component never has inputs"


@pytest.mark.parametrize("of_no_concern", [BUCKET, INSTANCE, SERVICE])
def test_what_a_rule_does_not_read_may_be_left_out_and_hides_nothing(of_no_concern: str) -> None:
    """`pulumi up --exclude` of whatever is new would be a way round every rule over the whole stack."""
    srv = resource(RECORD_SET, "srv", name="_sip._udp.a.test.", type="SRV", rrdatas=["0 0 5060 gone.a.test."])
    name = "srv-target-exists"
    assert refused(name, srv, left_out(resource(of_no_concern, "later"))) == refused(name, srv)
    assert refused(name, srv) == ["srv: its target gone.a.test. has no address record"]
    assert refused(name, srv, left_out(resource(RECORD_SET, "gone"))) == []


def test_the_name_customers_type_rests_on_services_and_their_addresses() -> None:
    record = resource(RECORD_SET, "sip", name="sip.a.test.", type="A", rrdatas=["192.0.2.9"])
    name = "sip-name-is-udp-ingress"
    assert refused(name, record) == ["sip: it resolves to 192.0.2.9, the UDP ingress has no address"]
    for type_, hides in ((SERVICE, True), (ADDRESS, True), (BUCKET, False), (INSTANCE, False)):
        assert bool(refused(name, record, left_out(resource(type_, "later")))) is not hides, type_


def test_a_broken_rule_is_reported_also_where_something_is_left_out() -> None:
    reported = judge_stack(BREAKING_STACK, [BAD, left_out(resource(ADDRESS))], {}, TODAY)
    assert [type(each) for each in reported] == [NotJudged, Refused]
