"""The certificate of `make up`: a real CA's, over Cloud DNS and its name server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.request
from pathlib import Path

import pytest
import requests

from local_cloud.cloud import Cloud
from local_cloud.dns_server import DnsServer
from local_cloud.gcp.dns_api import TOKEN_PATH, DnsApi
from local_cloud.gcp.dns_zones import RECORD_SET, ZONE
from local_cloud.server import served_zones
from sandbox import certificates
from sandbox.certificates import STATUS_PORT, Wish
from sandbox.pebble import MANAGEMENT_PORT, PORT
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN
from tests.sip.renewals import DOMAIN, NAMES
from verify.sip import Peer, ask, request

ZONE_ID = "projects/p/managedZones/ringer-tel"
CHALLENGE = f"_acme-challenge.{DOMAIN}."


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path / "cloud.db")
    with cloud.change("hand") as tx:
        tx.put(ZONE, ZONE_ID, {"dnsName": f"{DOMAIN}.", "name": "ringer-tel", "project": "p", "visibility": "public"})
        soa = ["ns. hostmaster. 1 300 300 300 300"]
        tx.put(RECORD_SET, f"{ZONE_ID}/rrsets/{DOMAIN}./SOA", {"name": f"{DOMAIN}.", "type": "SOA", "rrdatas": soa})
    return cloud


def test_the_sandbox_s_proxy_serves_a_certificate_of_the_ca_and_ends_with_it(
    cloud: Cloud, new_proxy: ProxyMaker
) -> None:
    edge = new_proxy("mtree", names=NAMES, reload=False)
    edge.proxy.start()
    server = DnsServer("127.0.0.1", 0, lambda: list(served_zones(cloud)))
    server.start()
    try:
        own = edge.proxy.authority
        wish = Wish(
            directory=str(edge.proxy.directory),
            host=edge.proxy.tcp_address,
            names=NAMES,
            name_server=f"127.0.0.1:{server.port}",
            cloud=str(cloud.path),
            dns={"host": "cloudDns", "api": "", "project": "p", "zone": "ringer-tel", "domain": DOMAIN},
            token="",
        )
        assert certificates.start(edge.proxy, wish) == ""
        assert edge.proxy.authority != own
        context = ssl.create_default_context(cadata=edge.proxy.authority.decode())
        peer = Peer(edge.proxy.tcp_address, edge.proxy.tls_port, "tls", KNOWN)
        answer = asyncio.run(ask(request("OPTIONS", peer), peer, tls=context, server_name=DOMAIN))
        assert answer.status == 200, "verified with the CA's root"
        url = f"http://{edge.proxy.tcp_address}:{STATUS_PORT}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert 'warp_tls_attempts_total{result="issued"} 1' in answer.read().decode()
        with cloud.view() as tx:
            assert [each.id for each in tx.all(RECORD_SET) if "_acme" in each.id] == []
        assert certificates.start(edge.proxy, wish) == "", "a second one finds it there"
    finally:
        edge.proxy.stop()
        server.stop()
    for port in (STATUS_PORT, PORT, MANAGEMENT_PORT):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((edge.proxy.tcp_address, port), 5)


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
