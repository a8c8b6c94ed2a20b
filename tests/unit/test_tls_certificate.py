"""`TlsCertificate`: the Secret that no update touches, and a renewer with the least rights."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kamailio import TLS_FRAGMENTS
from plan.import_ids import import_ids
from tests.stacks import Config, changed
from tests.unit.network_policies import Peer, admits
from tests.unit.pod_security import violations
from tests.unit.recording import HIDDEN, Declared, Edge, declare, declare_once
from tests.unit.test_reloader_in_the_cluster import KAMAILIO, RELOADER, STRANGER, policies
from tests.unit.tls import ALONE, AT_CLOUD_DNS, AT_GANDI, HMAC_KEY, ROBOT, SECRET_KEYS, TOKEN, parsed, with_tls

RENEWER = {"app": "warp-tls-renewer"}
RELOAD, STATUS = 9064, 9063
EAB = {"issuer": "https://ca.example.net:14000/dir", "externalAccountKeyId": "key-1"}


@pytest.fixture(autouse=True)
def _secret_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(SECRET_KEYS))


def at_gandi(**more: Any) -> Config:
    return with_tls(AT_GANDI | EAB | more, tlsHmacKey=HMAC_KEY)


def named(edge: Edge, name: str) -> Declared:
    return edge.named(f"tls-{name}")


def pod(config: Config) -> dict[str, Any]:
    return copy.deepcopy(named(declare_once(config), "renewer").inputs["spec"]["template"]["spec"])


def of_component(edge: Edge) -> set[str]:
    return {each.name for each in edge.resources if each.name.startswith("tls-")}


def test_without_the_setting_there_is_nothing_of_it() -> None:
    edge = declare_once(with_tls({}))
    assert not [each for each in edge.resources if "tls" in each.name.lower()]
    assert "tls" not in edge.outputs
    assert not set(TLS_FRAGMENTS) & set(edge.named("acl-enforcement-fragments").inputs["data"])


def test_a_secret_that_somebody_else_fills_is_not_declared_and_the_fragments_are() -> None:
    edge = declare_once(with_tls(ALONE))
    assert of_component(edge) == set()
    assert set(TLS_FRAGMENTS) <= set(edge.named("acl-enforcement-fragments").inputs["data"])
    assert edge.outputs["tls"] == {
        "schema": 1, "secret": "warp-tls", "names": ["ringer.tel", "sip.ringer.tel", "sip-tcp.ringer.tel"],
    }  # fmt: skip


def test_no_update_touches_what_is_in_the_secret() -> None:
    certificate = named(declare(changed(at_gandi(), ("warp-edge:protect",), True)), "certificate")
    assert certificate.protect
    assert certificate.ignore_changes == ["data", "stringData"]
    assert {"data", "stringData"} <= set(certificate.secret_outputs)
    assert not {"data", "stringData", "immutable"} & set(certificate.inputs)


def test_the_renewers_rights_are_two_verbs_on_one_secret() -> None:
    edge = declare_once(at_gandi())
    assert named(edge, "role").inputs["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["warp-tls"], "verbs": ["get", "patch"]}
    ]
    binding = named(edge, "binding").inputs
    assert binding["roleRef"]["name"] == named(edge, "role").inputs["metadata"]["name"]
    assert [each["name"] for each in binding["subjects"]] == [pod(at_gandi())["serviceAccountName"]]


def test_it_is_configured_with_what_the_settings_say() -> None:
    tls = AT_GANDI | EAB | {
        "challenge": {"host": "gandi", "domain": "acme.example.net"}, "profile": "tlsserver",
        "nameServers": ["192.0.2.1:8053"], "renewAtPercent": 50,
    }  # fmt: skip
    files = named(declare_once(with_tls(tls, tlsHmacKey=HMAC_KEY)), "configuration").inputs["data"]
    assert json.loads(files["renewer.json"]) == {
        "directory": "https://ca.example.net:14000/dir",
        "contact": ["mailto:noc@ringer.tel"],
        "externalAccount": {"keyId": "key-1"},
        "profile": "tlsserver",
        "key": "rsa2048",
        "names": ["ringer.tel", "sip.ringer.tel", "sip-tcp.ringer.tel"],
        "renewAtRemaining": 0.5,
        "dns": {"host": "gandi", "api": "https://api.gandi.net/v5", "zone": "acme.example.net"},
        "challengeDomain": "acme.example.net",
        "nameServers": ["192.0.2.1:8053"],
        "secret": {"namespace": "warp-core", "name": "warp-tls"},
    }


def test_a_private_ca_comes_with_its_roots() -> None:
    roots = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    files = named(declare(at_gandi(issuerRoots=roots)), "configuration").inputs["data"]
    assert json.loads(files["renewer.json"])["directoryRoots"] == "/etc/warp-tls/directory-roots.pem"
    assert files["directory-roots.pem"] == roots


def test_credentials_are_secrets_and_files_of_their_own_secret() -> None:
    edge = declare_once(at_gandi())
    credentials = named(edge, "credentials")
    assert credentials.inputs["stringData"] == {"gandi-token": TOKEN, "eab-hmac-key": HMAC_KEY}
    assert credentials.clear["stringData"] == HIDDEN
    in_clear = json.dumps([each.clear for each in edge.resources])
    assert TOKEN not in in_clear
    assert HMAC_KEY not in in_clear
    environment = {each["name"]: each.get("value") for each in pod(at_gandi())["containers"][0]["env"]}
    assert environment["WARP_TLS_GANDI_TOKEN_FILE"] == "/run/secrets/warp-tls/gandi-token"
    assert environment["WARP_TLS_EAB_HMAC_FILE"] == "/run/secrets/warp-tls/eab-hmac-key"


def test_the_pod_knows_the_rpc_token_and_not_the_database() -> None:
    spec = pod(at_gandi())
    (container,) = spec["containers"]
    assert "envFrom" not in container
    assert references(container) == [{"name": "warp-acl", "key": "WARP_ACL_RPC_TOKEN"}]
    assert not [each for each in container["env"] if "DB" in each["name"]]


def references(container: dict[str, Any]) -> list[dict[str, str]]:
    return [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each]


def test_after_a_rotation_the_pod_knows_the_rpc_token_of_before_too() -> None:
    (container,) = pod(changed(at_gandi(), ("warp-edge:trunkAcl", "enforcement", "tokenRotation"), 1))["containers"]
    assert references(container) == [
        {"name": "warp-acl", "key": key} for key in ("WARP_ACL_RPC_TOKEN", "WARP_ACL_RPC_TOKEN_BEFORE")
    ]


def test_another_credential_or_configuration_restarts_it() -> None:
    def annotations(config: Config) -> dict[str, str]:
        return dict(named(declare(config), "renewer").inputs["spec"]["template"]["metadata"]["annotations"])

    first = annotations(at_gandi())
    other = annotations(changed(at_gandi(), ("warp-edge:tlsDnsToken",), "another-token"))
    assert {key for key in first if first[key] != other[key]} == {"checksum/credentials"}
    other = annotations(at_gandi(profile="tlsserver"))
    assert {key for key in first if first[key] != other[key]} == {"checksum/config"}
    shown = named(declare_once(at_gandi()), "renewer").clear["spec"]["template"]["metadata"]["annotations"]
    assert [shown[key] for key in ("checksum/credentials", "checksum/secret")] == [HIDDEN] * 2


@pytest.mark.parametrize("config", [at_gandi(), with_tls(AT_CLOUD_DNS)])
def test_it_passes_pod_security_restricted(config: Config) -> None:
    spec = pod(config)
    assert violations(spec) == []
    (container,) = spec["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "status"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "status"}
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in spec["volumes"]}


def test_there_is_never_a_second_one_beside_it() -> None:
    spec = named(declare_once(at_gandi()), "renewer").inputs["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


# --- who reaches whom -------------------------------------------------------------------------------------------------


def test_only_the_renewer_reaches_the_port_of_the_reloads() -> None:
    found = policies(declare_once(at_gandi()))
    for ranges in (True, False):

        def reaches(peer: Peer, port: int = RELOAD, ranges: bool = ranges) -> bool:
            return admits(found, KAMAILIO, "Ingress", peer, "TCP", port, ranges=ranges)

        assert reaches(Peer(RENEWER))
        assert not [each for each in (Peer(RELOADER), Peer(STRANGER), Peer(address="192.0.2.1")) if reaches(each)]
        assert reaches(Peer(address="192.0.2.1"), 5061)
        assert not reaches(Peer(RENEWER), 9061)
    everybody = [port for port in range(9000, 9100) if admits(found, KAMAILIO, "Ingress", Peer(STRANGER), "TCP", port)]
    assert everybody == [port for port in range(9000, 9100) if port not in (9061, RELOAD)]


def test_where_somebody_else_renews_the_port_is_closed_to_all() -> None:
    found = policies(declare_once(with_tls(ALONE)))
    assert not [
        peer
        for peer in (Peer(RENEWER), Peer(STRANGER), Peer(address="192.0.2.1"))
        if admits(found, KAMAILIO, "Ingress", peer, "TCP", RELOAD)
    ]


def test_the_renewer_reaches_what_it_needs_and_nothing_else() -> None:
    def reaches(config: Config, peer: Peer, protocol: str, port: int) -> bool:
        return admits(policies(declare_once(config)), RENEWER, "Egress", peer, protocol, port)

    anywhere, metadata = Peer(address="192.0.2.1"), Peer(address="169.254.169.254")
    both = at_gandi(nameServers=["192.0.2.1:8053"])
    for protocol, port in (("UDP", 53), ("TCP", 53), ("UDP", 8053), ("TCP", 443), ("TCP", 6443), ("TCP", 14000)):
        assert reaches(both, anywhere, protocol, port), port
    assert reaches(both, Peer(KAMAILIO), "TCP", RELOAD)
    assert reaches(both, Peer(KAMAILIO), "TCP", 5061)
    assert not reaches(both, Peer(KAMAILIO), "TCP", 9061)
    assert not reaches(both, anywhere, "TCP", 5432)
    assert not reaches(both, metadata, "TCP", 80)
    assert reaches(with_tls(AT_CLOUD_DNS), metadata, "TCP", 80)
    assert admits(policies(declare_once(both)), RENEWER, "Ingress", Peer(STRANGER), "TCP", STATUS)
    assert not admits(policies(declare_once(both)), RENEWER, "Ingress", Peer(STRANGER), "TCP", 443)


# --- Cloud DNS --------------------------------------------------------------------------------------------------------


def test_at_cloud_dns_it_may_change_the_records_of_one_zone() -> None:
    edge = declare_once(with_tls(AT_CLOUD_DNS))
    assert named(edge, "zone").inputs == {
        "project": "warp-sandbox", "managedZone": "ringer-tel", "role": "roles/dns.admin",
        "member": f"serviceAccount:{ROBOT}",
    }  # fmt: skip
    assert any("dns-zone" in each for each in named(edge, "zone").dependencies)
    assert named(edge, "identity").inputs == {
        "serviceAccountId": f"projects/warp-sandbox/serviceAccounts/{ROBOT}", "role": "roles/iam.workloadIdentityUser",
        "member": "serviceAccount:warp-sandbox.svc.id.goog[warp-core/warp-tls-renewer]",
    }  # fmt: skip
    assert named(edge, "account").inputs["metadata"]["annotations"] == {"iam.gke.io/gcp-service-account": ROBOT}
    assert "tls-credentials" not in of_component(edge)


def test_everything_that_may_exist_already_has_its_import_id() -> None:
    """Grants are written again."""
    for config in (at_gandi(), with_tls(AT_CLOUD_DNS)):
        declared = of_component(declare_once(config))
        known = {name: id_ for name, id_ in import_ids(parsed(config)).items() if name.startswith("tls-")}
        assert declared - set(known) <= {"tls-zone", "tls-identity"}
        assert known["tls-certificate"] == "warp-core/warp-tls"
