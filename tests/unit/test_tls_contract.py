"""What `TlsCertificate` gives the renewer, read by the renewer itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kamailio.renewer.configuration import Settings
from plan.certificate import certificate_names
from tests.stacks import Config
from tests.unit.recording import declare_once
from tests.unit.tls import AT_CLOUD_DNS, AT_GANDI, HMAC_KEY, SECRET_KEYS, parsed, with_tls

FULL = AT_GANDI | {
    "issuer": "https://ca.example.net:14000/dir", "externalAccountKeyId": "key-1", "profile": "tlsserver",
    "challenge": {"host": "gandi", "domain": "acme.example.net"}, "nameServers": ["192.0.2.1:8053", "[2001:db8::1]:53"],
    "issuerRoots": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "key": "ecdsaP256",
}  # fmt: skip


@pytest.mark.parametrize(
    "config", [with_tls(AT_GANDI), with_tls(AT_CLOUD_DNS | {"contact": []}), with_tls(FULL, tlsHmacKey=HMAC_KEY)],
    ids=["Gandi", "Cloud DNS", "everything"],
)  # fmt: skip
def test_the_renewer_starts_with_what_the_cluster_gives_it(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(SECRET_KEYS))
    edge = declare_once(config)
    (container,) = edge.named("tls-renewer").inputs["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each.get("value", "the-token") for each in container["env"]}
    # Each mount's files, where this machine can have them.
    files = dict(edge.named("tls-configuration").inputs["data"])
    credentials = [each for each in edge.resources if each.name == "tls-credentials"]
    files |= credentials[0].inputs["stringData"] if credentials else {}
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("/etc/warp-tls", str(tmp_path)))
    for mounted in ("/etc/warp-tls", "/run/secrets/warp-tls"):
        environment = {name: value.replace(mounted, str(tmp_path)) for name, value in environment.items()}
    settings = Settings.read(environment | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})  # what every pod has
    assert settings.token == "the-token"
    assert [str(each) for each in settings.proxies] == ["kamailio-rpc.warp-core.svc:9064"]
    assert settings.tls_port == 5061
    assert [settings.status.port] == [each["containerPort"] for each in container["ports"]]
    assert settings.configuration.names == certificate_names(parsed(config))
    named = edge.named("tls-certificate").inputs["metadata"]
    assert (settings.configuration.namespace, settings.configuration.secret) == (named["namespace"], named["name"])
    if settings.hmac_file:
        assert settings.hmac_file.read_text() == HMAC_KEY
    assert settings.configuration.external_account == (config["warp-edge:tls"].get("externalAccountKeyId") or "")
