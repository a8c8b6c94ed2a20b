"""What goes to the cluster, against the published schema of the live cluster's Kubernetes, 1.33."""

from __future__ import annotations

from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from tests.stacks import Config, changed, stack_config, without_site, without_tls
from tests.unit.recording import declare_once
from tests.unit.tls import AT_GANDI, with_tls

SANDBOX = without_tls(without_site(stack_config("sandbox")))

LIVE_VERSION = "1.33"


def dual_stack() -> Config:
    config = changed(SANDBOX, ("warp-edge:ingress", "ipv6Subnetwork"), "dual")
    return changed(config, ("warp-edge:ingress", "sourceRanges"), ["192.0.2.0/24", "2001:db8::/32"])


def by_iam() -> Config:
    config = changed(SANDBOX, ("warp-edge:database", "iamAuthentication"), True)
    reader = {"passwords": False, "readers": ["kamailio@warp-prod.iam.gserviceaccount.com"]}
    config = changed(config, ("warp-edge:trunkAcl", "signIn"), reader)
    config = changed(config, ("warp-edge:trunkAcl", "enforcement", "address"), "127.0.0.1")
    proxy = {"image": "cloud-sql-proxy:2", "serviceAccount": "warp-acl-reloader"}
    return changed(config, ("warp-edge:trunkAcl", "enforcement", "reloader", "databaseProxy"), proxy)


CONFIGURATIONS = {
    "prod": stack_config("prod"),
    "sandbox": SANDBOX,
    "dual stack": dual_stack(),
    "by IAM": by_iam(),
    "TLS": with_tls(AT_GANDI),
}


def manifests(config: Config) -> list[dict[str, Any]]:
    """Everything but the provider: Services, and the trunk ACL's objects where there are any."""
    return [each.inputs for each in declare_once(config).resources if each.type.startswith("kubernetes:")]


def validate(manifest: dict[str, Any]) -> str:
    return str(kubernetes_validate.validate(manifest, LIVE_VERSION, strict=True))


ACL_OBJECTS = [
    "ConfigMap", "Deployment", "NetworkPolicy", "NetworkPolicy", "PodDisruptionBudget", "PodMonitoring", "Secret",
    "Service", "Service",
]  # fmt: skip
TLS_OBJECTS = [
    "ConfigMap", "Deployment", "NetworkPolicy", "PodMonitoring", "Role", "RoleBinding", "Secret", "Secret",
    "ServiceAccount",
]  # fmt: skip
KINDS = {"prod": ["Service"] * 3, "sandbox": [*ACL_OBJECTS, *["Service"] * 3]}
KINDS["TLS"] = sorted([*KINDS["sandbox"], *TLS_OBJECTS])
# A custom resource: not Kubernetes' own, so not in its published schema. Its definition, in short.
POD_MONITORING = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["endpoints", "selector"],
            "additionalProperties": False,
            "properties": {
                "selector": {"type": "object", "required": ["matchLabels"]},
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["port", "interval"],
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": ["string", "integer"]},
                            "path": {"type": "string"},
                            "interval": {"type": "string", "pattern": "^[0-9]+(ms|[ywdhms])$"},
                        },
                    },
                },
            },
        }
    },
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_clusters_version_takes_every_object(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["warp-edge:tlsDnsToken"]')
    declared = manifests(CONFIGURATIONS[name])
    assert sorted(each["kind"] for each in declared) == KINDS.get(name, KINDS["sandbox"])
    for manifest in declared:
        if manifest["kind"] == "PodMonitoring":
            jsonschema.validate(manifest, POD_MONITORING)
            continue
        assert validate(manifest) == LIVE_VERSION, "the schema of another version was used"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("spec", "externalTrafficPolicies"), "Local"),
        (("spec", "sessionAffinityConfig", "clientIp"), {"timeoutSeconds": 10_800}),
        (("spec", "ports"), [{"port": "5060"}]),
        (("spec", "ports"), [{"protocol": "UDP"}]),
        (("metadata", "label"), {}),
    ],
)
def test_a_field_that_the_version_does_not_know_or_take_is_found(where: tuple[str, ...], value: object) -> None:
    manifest = next(each for each in manifests(stack_config("prod")) if each["spec"].get("type") == "LoadBalancer")
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(changed(manifest, where, value))
