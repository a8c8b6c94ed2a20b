"""What the API server refuses of a NetworkPolicy, a budget, a Deployment and a PodMonitoring, and what it fills in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_cloud.plugin import Invalid, Plugin, Props, Refused
from tests.stacks import changed

NAMESPACE = "kubernetes:core/v1:Namespace"
METADATA: Props = {"name": "x", "namespace": "guarded"}
POLICY: Props = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": METADATA,
    "spec": {
        "podSelector": {"matchLabels": {"app": "kamailio"}},
        "ingress": [{"ports": [{"protocol": "UDP", "port": 1, "endPort": 9060}]}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 5432}]}],
    },
}  # fmt: skip
BUDGET: Props = {
    "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": METADATA,
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}},
}  # fmt: skip
DEPLOYMENT: Props = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {**METADATA, "annotations": {"pulumi.com/skipAwait": "true"}},
    "spec": {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": {"app": "x"}},
        "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": {
                "containers": [
                    {
                        "name": "c", "image": "i:1", "ports": [{"name": "status", "containerPort": 1}],
                        "readinessProbe": {"httpGet": {"path": "/", "port": "status"}},
                        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    }
                ],
                "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {"matchLabels": {"app": "x"}}, "matchLabelKeys": ["pod-template-hash"],
                    }
                ],
            },
        },
    },
}  # fmt: skip
MONITORING: Props = {
    "apiVersion": "monitoring.googleapis.com/v1", "kind": "PodMonitoring", "metadata": METADATA,
    "spec": {"selector": {"matchLabels": {"app": "x"}}, "endpoints": [{"port": "status", "interval": "30s"}]},
}  # fmt: skip
GIVEN = {each["kind"]: each for each in (POLICY, BUDGET, DEPLOYMENT, MONITORING)}
POD = ("spec", "template", "spec")


def token(given: Props) -> str:
    return f"kubernetes:{given['apiVersion']}:{given['kind']}"


def create(kubernetes: Plugin, given: Props) -> Any:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guarded"}}
    kubernetes.create(NAMESPACE, "guarded", namespace)
    return kubernetes.create(token(given), "x", given)


@pytest.mark.parametrize("kind", GIVEN)
def test_what_is_right_is_taken(kubernetes: Plugin, kind: str) -> None:
    outputs = create(kubernetes, GIVEN[kind]).outputs
    assert outputs["metadata"]["name"] == "x"


def test_the_api_server_says_which_ways_a_policy_has_and_that_a_port_is_of_tcp(kubernetes: Plugin) -> None:
    outputs = create(kubernetes, POLICY).outputs
    assert outputs["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert outputs["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 5432}]


PORT = ("spec", "ingress", 0, "ports", 0)


@pytest.mark.parametrize(
    ("kind", "path", "value", "refusal"),
    [
        ("NetworkPolicy", (*PORT, "endPort"), 0, "must be greater than or equal to `port`"),
        ("NetworkPolicy", (*PORT, "port"), "sip", "may not be specified when `port` is non-numeric"),
        ("NetworkPolicy", (*PORT, "port"), None, "may not be specified when `port` is not specified"),
        ("NetworkPolicy", (*PORT, "endPort"), 65536, "must be between 1 and 65535, inclusive"),
        ("NetworkPolicy", (*PORT, "protocol"), "SIP", 'Unsupported value: "SIP"'),
        ("NetworkPolicy", ("spec", "policyTypes"), ["Both"], 'Unsupported value: "Both"'),
        ("NetworkPolicy", ("spec", "egress", 0, "to", 0, "ipBlock", "cidr"), "10.0.0.1", "must be a valid CIDR value"),
        ("NetworkPolicy", ("spec", "egress", 0, "to", 0, "podSelector"), {}, "may not specify both"),
        ("PodDisruptionBudget", ("spec", "minAvailable"), 1, "cannot be both set"),
        ("PodDisruptionBudget", ("spec", "maxUnavailable"), "half", "a valid percent string"),
        ("Deployment", ("spec", "selector", "matchLabels"), {"app": "y"}, "does not match template `labels`"),
        ("Deployment", ("spec", "strategy", "type"), "Recreate", "may not be specified when strategy `type` is"),
        ("Deployment", ("spec", "strategy", "rollingUpdate", "maxSurge"), 0, "may not be 0 when `maxSurge` is 0"),
        ("Deployment", (*POD, "tolerations", 0, "effect"), "NoSchedule", "effect must be 'NoExecute'"),
        ("Deployment", (*POD, "topologySpreadConstraints", 0, "maxSkew"), 0, "must be greater than zero"),
        ("Deployment", (*POD, "topologySpreadConstraints", 0, "whenUnsatisfiable"), "No", 'Unsupported value: "No"'),
        ("Deployment", (*POD, "containers", 0, "readinessProbe", "httpGet", "port"), "http", "no port of the"),
        (
            "Deployment", (*POD, "containers", 0, "securityContext", "seccompProfile", "type"), "Default",
            'Unsupported value: "Default"',
        ),
        ("PodMonitoring", ("spec", "endpoints", 0, "port"), None, "spec.endpoints[0].port: Required value"),
        ("PodMonitoring", ("spec", "endpoints", 0, "interval"), "30", "must be of type duration"),
        ("PodMonitoring", ("spec", "selector"), None, "spec.selector: Required value"),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses_is_refused(
    kubernetes: Plugin, kind: str, path: tuple[str | int, ...], value: object, refusal: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(kubernetes, altered(GIVEN[kind], path, value))
    assert refusal in str(refused.value)


def test_a_field_that_a_pod_monitoring_does_not_have_is_refused(kubernetes: Plugin) -> None:
    with pytest.raises(Invalid, match="field not declared in schema"):
        create(kubernetes, changed(MONITORING, ("spec", "endpoint"), []))


def altered(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """A copy with another leaf; None takes it away."""
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    at: Any = path[0]
    if len(path) == 1 and new is None:
        del copy[at]
    else:
        copy[at] = altered(copy.get(at) if isinstance(copy, dict) else copy[at], path[1:], new)
    return copy
