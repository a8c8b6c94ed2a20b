"""Certificates from a real CA, Pebble: first issue and renewal, of one region and of two."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from kamailio.renewer import issuing
from kamailio.renewer.gandi import GandiHost
from sandbox.acl import Acl
from sandbox.pebble import Pebble
from sandbox.secret_api import SecretApi
from sandbox.sip_proxy import Certificate, SipProxy
from tests.sip.certificates.conftest import HOST, PROXY
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import seconds_until
from tests.sip.renewals import CHALLENGE, DOMAIN, NAMES, Renewer, TlsProxy, Zones, expired, served, told
from tests.sip.test_tls import Held, connect

OTHERS = '"of another region"'


def test_the_first_certificate_reaches_the_proxy_with_its_chain(
    renewer: Renewer, proxy: TlsProxy, zones: Zones, cluster: SecretApi, caplog: Any
) -> None:
    zones.put(DOMAIN, CHALLENGE, "TXT", OTHERS)
    renewer.start()
    renewer.until(lambda: proxy.reloads and served(PROXY) == renewer.pair().leaf)
    pair = renewer.pair()
    root = x509.load_pem_x509_certificate(renewer.pebble.issuer().encode())
    assert pair.lacks(NAMES) == []
    x509.load_pem_x509_certificates(pair.chain)[-1].verify_directly_issued_by(root)
    renewer.until(lambda: renewer.metric(f'warp_tls_served_not_after_seconds{{proxy="{PROXY}:9064"}}'))
    assert renewer.metric("warp_tls_not_after_seconds") == pair.ends.timestamp()
    assert renewer.metric('warp_tls_attempts_total{result="issued"}') == 1
    assert renewer.metric(f'warp_tls_reloads_total{{proxy="{PROXY}:9064"}}') == 1
    assert "warp_tls_last_failure{" not in renewer.status.text()
    # Only what is ours goes.
    renewer.until(lambda: zones.values(CHALLENGE) == [OTHERS])
    zones.remove(CHALLENGE, "TXT")
    renewer.until(lambda: zones.values(f"{CHALLENGE}.sip") == [])
    assert set(cluster.asked) == {("get", cluster.asked[0][1]), ("patch", cluster.asked[0][1])}
    assert cluster.record["uri"].startswith(f"https://{HOST}")
    assert told(caplog, f"account {cluster.record['uri']}")
    renewer.until(lambda: not cluster.record["leftover"])
    # A pod that starts again applies for nothing and reloads nothing.
    renewer.stop()
    version = cluster.version
    renewer.start()
    renewer.until(lambda: renewer.metric(f'warp_tls_served_not_after_seconds{{proxy="{PROXY}:9064"}}'))
    renewer.stop()
    assert (cluster.version, proxy.reloads) == (version, 1)


def test_a_certificate_is_renewed_when_the_ca_says_so_with_a_new_key_and_the_same_account(
    renewer: Renewer, proxy: TlsProxy, cluster: SecretApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kamailio.renewer.service.ARI_SECONDS", (0.1, 0.1))
    renewer.start()
    renewer.until(lambda: renewer.issued() and not cluster.record["order"])
    before, account = renewer.pair(), cluster.record["uri"]
    renewer.pebble.renew_at(before.chain, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    renewer.until(lambda: renewer.pair().chain != before.chain and served(PROXY) == renewer.pair().leaf)
    assert renewer.pair().key != before.key
    assert cluster.record["uri"] == account
    assert proxy.reloads == 2


def test_a_name_that_is_added_is_applied_for_at_once(renewer: Renewer, cluster: SecretApi) -> None:
    renewer.start()
    renewer.until(renewer.issued)
    renewer.stop()
    renewer.more["names"] = [*NAMES, f"sip-tcp.{DOMAIN}"]
    renewer.start()
    renewer.until(lambda: not renewer.pair().lacks(renewer.more["names"]))


def test_a_real_kamailio_loses_no_call_while_its_expired_certificate_is_replaced_and_renewed(
    renewer: Renewer, cluster: SecretApi, acl: Acl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of 5.6: one worker serves TLS and does the reloads."""
    monkeypatch.setattr("kamailio.renewer.service.ARI_SECONDS", (0.1, 0.1))
    maker = ProxyMaker(acl, tmp_path)
    kamailio = maker("mtree", reload=False).proxy
    kamailio.start()

    def serves() -> bool:
        return served(kamailio.tcp_address) == renewer.pair().leaf

    try:
        cluster.followers.append(lambda data: kamailio.put_certificate(Certificate(data["tls.crt"], data["tls.key"])))
        chain, key = expired()
        cluster.put(tls_crt=chain, tls_key=key)
        kamailio.reload_certificate()
        assert serves()
        renewer.proxy = kamailio.tcp_address
        renewer.environment["WARP_ACL_RPC_TOKEN"] = kamailio.token
        with Calls(kamailio, 3) as calls:
            renewer.start()
            renewer.until(lambda: renewer.pair().chain != chain and serves())
            first = renewer.pair()
            renewer.until(lambda: not cluster.record["order"])
            renewer.pebble.renew_at(first.chain, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
            renewer.until(lambda: renewer.pair().chain != first.chain and serves())
            calls.go_on(20)
        assert calls.lost == []
        assert renewer.metric(f'warp_tls_reloads_total{{proxy="{kamailio.tcp_address}:9064"}}') == 2
    finally:
        renewer.stop()
        kamailio.stop()


class Calls:
    """Callers over TLS, each with a connection that it keeps, and one that makes a new one for each call."""

    def __init__(self, proxy: SipProxy, callers: int) -> None:
        self._proxy, self.lost, self.answered, self._over = proxy, list[str](), 0, threading.Event()
        self._threads = [threading.Thread(target=self._keep) for _ in range(callers)]
        self._threads.append(threading.Thread(target=self._anew))

    def _keep(self) -> None:
        held = connect(self._proxy)
        with held.socket:
            while not self._over.wait(0.01):
                self._call(held)

    def _anew(self) -> None:
        while not self._over.wait(0.01):
            try:
                held = connect(self._proxy)
            except OSError as error:
                self.lost.append(f"connection: {error}")
                continue
            with held.socket:
                self._call(held)

    def _call(self, held: Held) -> None:
        try:
            status = held.ask("INVITE")
        except (OSError, AssertionError) as error:
            self.lost.append(str(error))
            self._over.set()
        else:
            self.answered += 1
            if status != 200:
                self.lost.append(str(status))

    def go_on(self, more: int) -> None:
        until = self.answered + more
        seconds_until(lambda: self.answered > until or bool(self.lost), 60)

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        self.go_on(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_two_regions_answer_for_the_same_name_at_the_same_time(
    renewer: Renewer, zones: Zones, pebble: Pebble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the record set before either writes it, and both values stand there before either answers."""
    other_cluster = SecretApi(tmp_path / "other-cluster", "127.0.0.1")
    other = Renewer(tmp_path / "other", other_cluster, pebble, zones, PROXY)
    both = threading.Barrier(2, timeout=60)
    values, answer = GandiHost.values, issuing.Issuer._answer
    met = threading.local()

    def read_together(self: Any, name: str) -> list[str]:
        found = values(self, name)
        if not getattr(met, "once", False):
            met.once = True
            both.wait()
        return found

    def answer_together(self: Any, challenges: Any) -> None:
        both.wait()
        assert len(zones.values(CHALLENGE)) == 2
        both.wait()
        answer(self, challenges)

    monkeypatch.setattr(GandiHost, "values", read_together)
    monkeypatch.setattr(issuing.Issuer, "_answer", answer_together)
    try:
        for each in (renewer, other):
            each.start()
        for each in (renewer, other):
            each.until(each.issued)
        assert renewer.pair().chain != other.pair().chain
        assert renewer.cluster.record["uri"] != other_cluster.record["uri"]
        renewer.until(lambda: zones.values(CHALLENGE) == [])
    finally:
        other.stop()
        other_cluster.stop()


def test_a_delegated_challenge_is_written_in_its_own_zone_alone(renewer: Renewer, zones: Zones, caplog: Any) -> None:
    target = "acme.example.net"
    renewer.more |= {"challengeDomain": target, "dns": renewer_dns(zones, target)}
    renewer.start()
    renewer.until(lambda: renewer.fails("propagation"))
    assert told(caplog, f"has no `{CHALLENGE}.{DOMAIN} CNAME {DOMAIN}.{target}.`")
    try:
        for name, label in ((NAMES[0], CHALLENGE), (NAMES[1], f"{CHALLENGE}.sip")):
            zones.put(DOMAIN, label, "CNAME", f"{name}.{target}.")
        renewer.until(renewer.issued)
        renewer.until(lambda: zones.values(DOMAIN, target) == [])
    finally:
        for label in (CHALLENGE, f"{CHALLENGE}.sip"):
            zones.remove(label, "CNAME")


def renewer_dns(zones: Zones, zone: str) -> dict[str, str]:
    return {"host": "gandi", "api": f"http://127.0.0.1:{zones.gandi.port}/v5", "zone": zone}
