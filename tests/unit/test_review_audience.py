"""Effects first, then who sees them: a change without an effect outside needs no approval, an unknown one does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.tokens import (
    ACL_ENFORCEMENT,
    ALERT_POLICY,
    DASHBOARD,
    EDGE_ALERTS,
    NETWORK_POLICY,
    NOTIFICATION_CHANNEL,
    TLS_CERTIFICATE,
    UPTIME_CHECK,
)
from review.audience import Audience
from review.markdown import markdown
from review.report import Report, report
from tests.unit.review_events import ADDRESS, INSTANCE, NAT, SECRET, SERVICE, preview_of, step

Json = dict[str, Any]
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
KUBERNETES_SECRET = "kubernetes:core/v1:Secret"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
ZONE = "gcp:dns/managedZone:ManagedZone"
BUCKET = "gcp:storage/bucket:Bucket"
PARENTS = {"egress": "warp:edge:NatEgressPool$", "ingress": "warp:edge:SipIngress$", "": ""}


def reported(*events: Json) -> Report:
    return report(preview_of(*events), "prod")


def labelled(type_: str, component: str, inputs: Json, path: str = "labels") -> Json:
    """A label added, as the gcp plugin tells it: with its own mirrors, which are secret outputs."""
    kinds = {f"{name}.team": {"diffKind": "add", "inputDiff": False} for name in (path, *MIRRORS)}
    return step(
        "update",
        type_,
        "it",
        inputs | dict.fromkeys(MIRRORS, SECRET),
        inputs | {"labels": {"team": "voice"}},
        parent=PARENTS[component],
        detailedDiff=kinds,
    )


MIRRORS = ("effectiveLabels", "pulumiLabels")
NAMED = {"name": "it"}
OBJECT = {"metadata": {"name": "it", "namespace": "warp-core"}}


@pytest.mark.parametrize(
    ("type_", "component"),
    [(ADDRESS, "egress"), (ADDRESS, "ingress"), (ADDRESS, ""), (ZONE, ""), (BUCKET, ""), (INSTANCE, "")],
)
def test_a_label_needs_no_approval(type_: str, component: str) -> None:
    found = reported(labelled(type_, component, NAMED))
    assert (found.visible, found.seen_by) == (False, frozenset())
    page = markdown(found)
    assert "**No change visible outside.**" in page
    assert "### Other changes: not visible outside" in page
    assert "`labels.team` `(none)` → `voice`: no effect on traffic: housekeeping" in page
    assert "effectiveLabels" not in page


def test_what_the_plugin_adds_to_every_update_of_a_bucket_is_no_change_of_its_own() -> None:
    """Recorded (gcp plugin 9.35): fields of lifecycle conditions that neither the cloud nor the program has."""
    bucket = NAMED | {"lifecycleRules": [{"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 30}}]}
    label = labelled(BUCKET, "", bucket)
    noise = {f"lifecycleRules[0].condition.{name}": {"diffKind": "add"} for name in ("age", "sendAgeIfZero")}
    label["resourcePreEvent"]["metadata"]["detailedDiff"] |= noise
    found = reported(label)
    assert not found.visible
    assert "lifecycleRules" not in markdown(found)


@pytest.mark.parametrize("component", PARENTS)
def test_neither_do_labels_of_the_providers_settings(component: str) -> None:
    """`gcp:defaultLabels`: only the plugin's mirrors change."""
    kinds = {f"{name}.team": {"diffKind": "add", "inputDiff": False} for name in MIRRORS}
    changed = step("update", ADDRESS, "it", NAMED, NAMED, parent=PARENTS[component], detailedDiff=kinds)
    found = reported(changed)
    assert not found.visible
    assert "`effectiveLabels, pulumiLabels`: no effect on traffic: the provider's default labels" in markdown(found)


def test_a_label_beside_a_change_that_customers_see_hides_nothing() -> None:
    def service(policy: str, **labels: str) -> Json:
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": policy}
        return {"metadata": OBJECT["metadata"] | {"labels": labels}, "spec": spec}

    def moved(policy: str) -> Report:
        told_by_plugin = {"metadata.labels": {"diffKind": "add"}, "spec": {"diffKind": "add"}}
        new = service(policy, team="voice")
        return reported(step("update", SERVICE, "udp", service("Cluster"), new, detailedDiff=told_by_plugin))

    assert not moved("Cluster").visible
    assert moved("Local").seen_by == {Audience.CUSTOMERS}
    assert "`spec.externalTrafficPolicy` `Cluster` → `Local`: would move traffic" in markdown(moved("Local"))
    assert "loadBalancer" not in markdown(moved("Local"))


@pytest.mark.parametrize(
    ("type_", "before", "after", "words"),
    [
        (
            CONFIG_MAP,
            {"data": {"ip_auth.cfg": "one\ntwo"}},
            {"data": {"ip_auth.cfg": "one\ntwo # more"}},
            "`two` → `two # more`: no effect until the SIP proxies are restarted: Kamailio's fragments",
        ),
        (
            KUBERNETES_SECRET,
            {"data": SECRET},
            {"data": SECRET | {"ciphertext": "another"}},
            "no effect until the SIP proxies are restarted: how proxies and reloader sign in",
        ),
        (
            DEPLOYMENT,
            {"spec": {"template": {"metadata": {"annotations": {"warp/hash": "a"}}}}},
            {"spec": {"template": {"metadata": {"annotations": {"warp/hash": "b"}}}}},
            "restarts the reloader of the trunk ACL: changes of trunks wait until it runs again",
        ),
    ],
)
def test_what_the_proxies_read_has_known_effects(type_: str, before: Json, after: Json, words: str) -> None:
    found = reported(step("update", type_, "it", OBJECT | before, OBJECT | after))
    assert not found.visible
    assert words in markdown(found)


TEMPLATE = {"spec": {"template": {"metadata": {"annotations": {"checksum/config": "a"}}}}}
DENIED: Json = {"spec": {"policyTypes": ["Egress"]}}


@pytest.mark.parametrize(("type_", "before"), [(CONFIG_MAP, {"data": {"x.json": "{}"}}), (DEPLOYMENT, TEMPLATE)])
@pytest.mark.parametrize(
    ("component", "who"), [(TLS_CERTIFICATE, "the certificate's renewer"), (EDGE_ALERTS, "the SIP prober")]
)
def test_pods_that_no_call_depends_on_are_described_in_words_of_their_own(
    type_: str, before: Json, component: str, who: str
) -> None:
    after = json.loads(json.dumps(before).replace('"a"', '"b"').replace('"{}"', '"[]"'))
    found = reported(step("update", type_, "it", OBJECT | before, OBJECT | after, parent=f"{component}$"))
    page = markdown(found)
    assert not found.visible
    assert "restarts a pod that no call depends on: " in page
    assert who in page
    assert "reloader" not in page
    assert "Kamailio" not in page


@pytest.mark.parametrize("component", [TLS_CERTIFICATE, EDGE_ALERTS])
def test_what_such_a_pod_reaches_is_not_who_reaches_the_proxies(component: str) -> None:
    after = {"spec": {"policyTypes": ["Ingress", "Egress"]}}
    policies = [
        step("update", NETWORK_POLICY, "it", OBJECT | DENIED, OBJECT | after, parent=f"{each}$")
        for each in (component, ACL_ENFORCEMENT)
    ]
    assert [reported(each).visible for each in policies] == [False, True]


@pytest.mark.parametrize("type_", [ALERT_POLICY, NOTIFICATION_CHANNEL, UPTIME_CHECK, DASHBOARD])
@pytest.mark.parametrize(
    ("op", "before", "after"), [("create", None, NAMED), ("update", NAMED, {"name": "b"}), ("delete", NAMED, None)]
)
def test_alerts_are_seen_by_operators_alone(type_: str, op: str, before: Json | None, after: Json | None) -> None:
    found = reported(step(op, type_, "it", before, after, parent=f"{EDGE_ALERTS}$"))
    assert not found.visible


@pytest.mark.parametrize("type_", [CONFIG_MAP, KUBERNETES_SECRET, DEPLOYMENT])
def test_what_the_proxies_read_may_come_and_may_not_go(type_: str) -> None:
    assert not reported(step("create", type_, "it", None, OBJECT)).visible
    assert reported(step("delete", type_, "it", OBJECT, None)).seen_by == {Audience.CUSTOMERS}


@pytest.mark.parametrize(
    ("type_", "audience"),
    [
        (DEPLOYMENT, Audience.ANYBODY),
        (CONFIG_MAP, Audience.ANYBODY),
        (INSTANCE, Audience.ANYBODY),
        (BUCKET, Audience.BOTH),
        (NAT, Audience.VENDORS),
    ],
)
def test_an_effect_that_is_not_known_stays_visible(type_: str, audience: Audience) -> None:
    unknown = step("update", type_, "it", OBJECT | NAMED, OBJECT | NAMED | {"tomorrow": 1, "labels": {"a": "b"}})
    assert reported(unknown).seen_by == {audience}


def test_a_change_that_the_engine_does_not_explain_stays_visible() -> None:
    unexplained = step("update", INSTANCE, "db", NAMED, NAMED, detailedDiff=None)
    found = reported(unexplained)
    assert found.seen_by == {Audience.ANYBODY}
    assert "the engine reports a change without its values" in markdown(found)
