"""The certificate of `make up`: that of the renewer that the stack declares, by a real CA, over Cloud DNS."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer
from local_cloud.gcp.dns_api import TOKEN_PATH, DnsApi
from local_cloud.gcp.dns_zones import RECORD_SET, ZONE
from local_cloud.kubernetes import objects
from local_cloud.kubernetes.waits import DEPLOYMENT
from local_cloud.server import served_zones
from sandbox import certificates
from sandbox.certificates import STATUS_PORT, Wish, on_loopback
from sandbox.declared_pod import CONFIG_MAP, SECRET
from sandbox.declared_secret import ROLE, ROLE_BINDING, DeclaredSecret
from sandbox.mounted import Cluster
from sandbox.pebble import MANAGEMENT_PORT, PORT
from settings import Settings
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN
from tests.sip.renewals import DOMAIN
from tests.stacks import as_engine_gives_it, stack_config
from tests.unit.state_goldens import stood_up
from verify.sip import Peer, ask, request

PROJECT, CLUSTER, NAMESPACE = "warp-sandbox", "gke_warp-sandbox_us-central1_warp-cluster", "warp-core"
ZONE_ID = f"projects/{PROJECT}/managedZones/ringer-tel"
CHALLENGE = f"_acme-challenge.{DOMAIN}."
RPC_TOKEN = "the-token-that-the-stack-generated"
RENEWER, CERTIFICATE = "warp-tls-renewer", f"{CLUSTER}/{NAMESPACE}/warp-tls"


@pytest.fixture(scope="module")
def declared() -> list[tuple[str, dict[str, Any]]]:
    """Every object in the cluster that the program declares for stack `sandbox`: type and manifest."""
    kinds = (CONFIG_MAP, SECRET, DEPLOYMENT, ROLE, ROLE_BINDING)
    found = [(each.type, dict(each.clear)) for each in stood_up("sandbox").resources if each.type in kinds]
    for _, given in found:
        if given["metadata"]["name"] == "warp-acl" and "stringData" in given:  # hidden in a test's record
            given["stringData"] = {"WARP_ACL_RPC_TOKEN": RPC_TOKEN}
    return found


@pytest.fixture
def cloud(tmp_path: Path, declared: list[tuple[str, dict[str, Any]]]) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.db")
    with cloud.change("hand") as tx:
        zone = {"dnsName": f"{DOMAIN}.", "name": "ringer-tel", "project": PROJECT, "visibility": "public"}
        tx.put(ZONE, ZONE_ID, zone)
        soa = ["ns. hostmaster. 1 300 300 300 300"]
        tx.put(RECORD_SET, f"{ZONE_ID}/rrsets/{DOMAIN}./SOA", {"name": f"{DOMAIN}.", "type": "SOA", "rrdatas": soa})
        for type_, given in declared:
            made = objects.make(tx, CLUSTER, type_, given)
            tx.create(type_, f"{CLUSTER}/{NAMESPACE}/{given['metadata']['name']}", made)
    return cloud


def test_the_sandbox_s_proxy_serves_the_certificate_of_the_renewer_that_the_stack_declares(
    cloud: Cloud, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy("mtree", reload=False, rpc_token=RPC_TOKEN)
    edge.proxy.start()
    server = DnsServer("127.0.0.1", 0, lambda: list(served_zones(cloud)))
    server.start()
    try:
        own = edge.proxy.authority
        wish = Wish(
            directory=str(edge.proxy.directory),
            host=edge.proxy.tcp_address,
            cloud=str(cloud.path),
            cluster=CLUSTER,
            namespace=NAMESPACE,
            deployment=RENEWER,
            secret="warp-tls",
            name_servers={"cloudDns": f"127.0.0.1:{server.port}"},
        )
        assert certificates.start(edge.proxy, wish) == ""
        assert edge.proxy.authority != own
        context = ssl.create_default_context(cadata=edge.proxy.authority.decode())
        peer = Peer(edge.proxy.tcp_address, edge.proxy.tls_port, "tls", KNOWN)
        for name in (DOMAIN, f"sip.{DOMAIN}", f"sip-tcp.{DOMAIN}"):  # by the settings of the stack
            answer = asyncio.run(ask(request("OPTIONS", peer), peer, tls=context, server_name=name))
            assert answer.status == 200, "verified with the CA's root"
        url = f"http://{edge.proxy.tcp_address}:{STATUS_PORT}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert 'warp_tls_attempts_total{result="issued"} 1' in answer.read().decode()
        with cloud.view() as tx:
            assert [each.id for each in tx.all(RECORD_SET) if "_acme" in each.id] == []
            held = (tx.get(SECRET, CERTIFICATE) or {})["data"]
        assert {"tls.crt", "tls.key", "account.json"} <= set(held), "the Secret that the stack declared"
        assert certificates.start(edge.proxy, wish) == "", "a second one finds it there"
        with cloud.view() as tx:
            assert (tx.get(SECRET, CERTIFICATE) or {})["data"] == held
        # A stack without a renewer has none beside it either; the proxy goes on.
        with cloud.change("hand") as tx:
            tx.delete(DEPLOYMENT, f"{CLUSTER}/{NAMESPACE}/{RENEWER}")
        reason = f"the stack declares no renewer: there is no Deployment {RENEWER}"
        assert certificates.start(edge.proxy, wish) == reason
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((edge.proxy.tcp_address, STATUS_PORT), 5)
        assert asyncio.run(ask(request("OPTIONS", peer), peer, tls=context, server_name=DOMAIN)).status == 200
    finally:
        edge.proxy.stop()
        server.stop()
    for port in (STATUS_PORT, PORT, MANAGEMENT_PORT):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((edge.proxy.tcp_address, port), 5)


def test_the_renewer_may_do_what_the_declared_role_says_and_nothing_else(cloud: Cloud, tmp_path: Path) -> None:
    api = DeclaredSecret(
        tmp_path / "account", "127.0.0.1", NAMESPACE, "warp-tls", cloud=cloud, cluster=CLUSTER, account=RENEWER
    )
    bearer = f"Bearer {(tmp_path / 'account' / 'token').read_text()}"
    of = f"/api/v1/namespaces/{NAMESPACE}/secrets"

    def asked(method: str, path: str, version: str = "") -> int:
        patch = {"metadata": {"resourceVersion": version}, "data": {"a": base64.b64encode(b"b").decode()}}
        return api.answer(method, path, bearer, "application/merge-patch+json", json.dumps(patch).encode())[0]

    def version() -> str:
        with cloud.view() as tx:
            return str((tx.get(SECRET, CERTIFICATE) or {})["metadata"]["resourceVersion"])

    def change(type_: str, **fields: Any) -> None:
        with cloud.change("hand") as tx:
            key = f"{CLUSTER}/{NAMESPACE}/{RENEWER}"
            tx.put(type_, key, (tx.get(type_, key) or {}) | fields)

    try:
        before = version()
        assert asked("GET", f"{of}/warp-tls") == 200
        assert asked("PATCH", f"{of}/warp-tls", before) == 200
        assert asked("PATCH", f"{of}/warp-tls", before) == 409
        with cloud.view() as tx:
            assert (tx.get(SECRET, CERTIFICATE) or {})["data"] == {"a": "Yg=="}
        assert [asked(*each) for each in (("GET", f"{of}/warp-acl"), ("GET", of), ("DELETE", f"{of}/warp-tls"))] == [
            403
        ] * 3
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["warp-tls"], "verbs": ["get"]}
        change(ROLE, rules=[rule])
        assert [asked("GET", f"{of}/warp-tls"), asked("PATCH", f"{of}/warp-tls", version())] == [200, 403]
        change(ROLE, rules=[rule | {"verbs": ["*"]}])
        assert [asked("PATCH", f"{of}/warp-tls", version()), asked("DELETE", f"{of}/warp-tls")] == [200, 405]
        change(ROLE, rules=[rule | {"resources": ["configmaps"]}])
        assert asked("GET", f"{of}/warp-tls") == 403
        change(ROLE, rules=[rule])
        change(ROLE_BINDING, subjects=[{"kind": "ServiceAccount", "name": "another", "namespace": NAMESPACE}])
        assert asked("GET", f"{of}/warp-tls") == 403, "a Role that is bound to another account"
        change(ROLE_BINDING, subjects=[{"kind": "ServiceAccount", "name": RENEWER, "namespace": NAMESPACE}])
        with cloud.change("hand") as tx:
            tx.delete(SECRET, CERTIFICATE)
        assert asked("GET", f"{of}/warp-tls") == 404
    finally:
        api.stop()


def test_only_addresses_of_loopback_differ_from_what_the_stack_declares(
    declared: list[tuple[str, dict[str, Any]]],
) -> None:
    (file,) = [
        given["data"]["renewer.json"] for type_, given in declared
        if type_ == CONFIG_MAP and "renewer.json" in given["data"]
    ]  # fmt: skip
    stack = json.loads(file)
    here = on_loopback(stack, directory="https://a/dir", roots="/r", name_server="127.0.0.1:5", cloud_dns="http://b")
    differing = {key for key in {*stack, *here} if stack.get(key) != here.get(key)}
    assert differing == {"directory", "directoryRoots", "nameServers", "dns"}
    assert here["dns"] == stack["dns"] | {"api": "http://b"}
    gandi = {**stack, "dns": {"host": "gandi", "api": "http://127.0.0.1:9/v5", "zone": DOMAIN}}
    assert on_loopback(gandi, directory="", roots="", name_server="", cloud_dns="http://b")["dns"] == gandi["dns"]


def test_the_proxy_mounts_limits_and_token_of_the_stack(cloud: Cloud) -> None:
    settings = Settings.parse(as_engine_gives_it(stack_config("sandbox")), frozenset())
    local: Any = SimpleNamespace(cloud=cloud)
    mounted = Cluster(local, settings).mounted()
    assert "#!define WARP_CONCURRENT_CALLS" in mounted.protection
    assert "#!define WARP_UNKNOWN_ANSWERS 10" in mounted.protection
    assert mounted.rpc_token == RPC_TOKEN


def test_cloud_dns_refuses_what_google_s_api_refuses(cloud: Cloud) -> None:
    api = DnsApi(cloud, "127.0.0.1")
    try:
        base = f"http://{api.place}"
        assert requests.get(f"{base}{TOKEN_PATH}", timeout=5).status_code == 403
        given = requests.get(f"{base}{TOKEN_PATH}", headers={"Metadata-Flavor": "Google"}, timeout=5).json()
        session = requests.Session()
        url = f"{base}/dns/v1/{ZONE_ID}"
        assert session.get(f"{url}/rrsets", timeout=5).status_code == 401
        session.headers["Authorization"] = f"Bearer {given['access_token']}"
        one = {"name": CHALLENGE, "type": "TXT", "ttl": 60, "rrdatas": ['"a"']}
        other = one | {"rrdatas": ['"b"']}

        def change(deletions: list[object], additions: list[object]) -> int:
            body = {"deletions": deletions, "additions": additions}
            return session.post(f"{url}/changes", json=body, timeout=5).status_code

        assert change([one], []) == 404
        assert change([], [one]) == 200
        assert change([], [other]) == 409
        assert change([other], [other]) == 412
        assert change([one | {"ttl": 61}], [other]) == 412
        found = session.get(f"{url}/rrsets", params={"name": CHALLENGE, "type": "TXT"}, timeout=5).json()["rrsets"]
        assert found == [{"kind": "dns#resourceRecordSet", **one}], "a refused change is none at all"
        assert change([one], [other]) == 200
        assert change([other], []) == 200
        assert session.get(f"{base}/dns/v1/projects/p/managedZones/none/rrsets", timeout=5).status_code == 404
    finally:
        api.stop()
