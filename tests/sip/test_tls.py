"""TLS at the shipped fragments, with a real Kamailio: who is let in, what a reload changes, and what it leaves."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest
import trustme

from kamailio.reloader.rpc import Refused
from sandbox.acl import Acl
from sandbox.sip_proxy import Certificate, SipProxy
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, UNKNOWN, Edge
from verify.sip import Peer, request

NAME, WSS, SECONDS = "ringer.tel", 8443, 20


@dataclass
class Held:
    """A caller's TLS connection that stays open."""

    peer: Peer
    socket: ssl.SSLSocket

    def ask(self, method: str = "OPTIONS") -> int:
        """Status of the answer."""
        self.socket.sendall(request(method, self.peer).encode())
        return int(self.head().split()[1])

    def head(self) -> str:
        found = b""
        while b"\r\n\r\n" not in found:
            more = self.socket.recv(4096)
            assert more, f"closed after {found!r}"
            found += more
        return found.decode()

    @property
    def certificate(self) -> str:
        return ssl.DER_cert_to_PEM_cert(self.socket.getpeercert(binary_form=True) or b"")


def connect(proxy: SipProxy, source: str = KNOWN, port: int = 0, version: ssl.TLSVersion | None = None) -> Held:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        # Also what OpenSSL itself no longer offers by default.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    peer = Peer(proxy.tcp_address, port or proxy.tls_port, "tls", source)
    plain = socket.create_connection((peer.address, peer.port), timeout=SECONDS, source_address=(source, 0))
    try:
        return Held(peer, context.wrap_socket(plain, server_hostname=NAME))
    except BaseException:
        plain.close()
        raise


def served(proxy: SipProxy) -> str:
    """The certificate that a new connection gets, as PEM."""
    held = connect(proxy)
    with held.socket:
        return held.certificate


def issued() -> tuple[Certificate, str]:
    """A new one, and its first certificate."""
    one = trustme.CA().issue_cert(NAME, key_type=trustme.KeyType.RSA)
    pems = [blob.bytes() for blob in one.cert_chain_pems]
    return Certificate(b"".join(pems), one.private_key_pem.bytes()), pems[0].decode()


@pytest.fixture(scope="module")
def tls(acl: Acl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    edge = ProxyMaker(acl, tmp_path_factory.mktemp("tls"))("mtree", wss_port=WSS, reload=False)
    edge.proxy.start()
    yield edge
    edge.proxy.stop()


def test_a_source_is_known_over_tls_as_over_udp(tls: Edge) -> None:
    assert (tls.ask(KNOWN, transport="tls").status, tls.ask(UNKNOWN, transport="tls").status) == (200, 403)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_versions_of_today_are_spoken(tls: Edge, version: ssl.TLSVersion) -> None:
    held = connect(tls.proxy, version=version)
    with held.socket:
        assert held.ask() == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_an_older_version_is_refused(tls: Edge) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(tls.proxy, version=ssl.TLSVersion.TLSv1_1)


def test_a_reload_changes_the_certificate_and_open_connections_go_on(tls: Edge) -> None:
    proxy = tls.proxy
    held = connect(proxy)
    with held.socket:
        before = held.certificate
        new, pem = issued()
        proxy.put_certificate(new)
        assert served(proxy) == before, "the files alone change nothing"
        proxy.reload_certificate()
        assert served(proxy) == pem != before
        assert held.ask() == 200


def test_a_wrong_key_is_refused_the_old_certificate_stays_and_the_next_good_one_is_taken(tls: Edge) -> None:
    proxy = tls.proxy
    first, pem = issued()
    second, next_pem = issued()
    proxy.put_certificate(first)
    proxy.reload_certificate()
    held = connect(proxy)
    with held.socket:
        for wrong in (Certificate(second.chain, first.key), Certificate(b"", b""), Certificate(b"no PEM", second.key)):
            proxy.put_certificate(wrong)
            with pytest.raises(Refused, match="TLS configuration"):
                proxy.reload_certificate()
            assert served(proxy) == pem
            assert held.ask() == 200
        proxy.put_certificate(second)
        proxy.reload_certificate()
        assert served(proxy) == next_pem
        assert held.ask() == 200


def test_one_worker_serves_tls_and_takes_the_reloads(tls: Edge) -> None:
    """What holds with 5.6 (kamailio/tls_listen.cfg): a socket without workers of its own is the generic one's."""
    described = [each["DSC"] for each in tls.proxy.rpc().call("core.psx") if "tcp receiver" in each["DSC"]]
    assert sum("generic" in each for each in described) == 1
    own = f":{tls.proxy.reload_port})", "tls:"
    assert not [each for each in described if any(one in each for one in own)]


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer wrong"])
def test_a_reload_without_the_token_is_refused(tls: Edge, token: str) -> None:
    connection = HTTPConnection(tls.proxy.tcp_address, tls.proxy.reload_port, timeout=SECONDS)
    body = json.dumps({"jsonrpc": "2.0", "method": "tls.reload", "id": 1})
    connection.request(
        "POST", "/", body, {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
    )
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize(("protocol", "status"), [("sip", 101), ("chat", 400)])
def test_a_websocket_is_opened_for_sip_alone(tls: Edge, protocol: str, status: int) -> None:
    held = connect(tls.proxy, port=WSS)
    lines = (
        "GET / HTTP/1.1", f"Host: {NAME}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Sec-WebSocket-Protocol: {protocol}", "", "",
    )  # fmt: skip
    with held.socket:
        held.socket.sendall("\r\n".join(lines).encode())
        head = held.head()
    assert int(head.split()[1]) == status
    # RFC 6455, section 1.3: the answer to the key above.
    assert ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head) == (status == 101)
