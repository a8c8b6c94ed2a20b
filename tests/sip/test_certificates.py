"""Certificates from a real CA, Pebble: first issue, renewal, and everything that can go wrong on the way."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from cryptography import x509

from kamailio.renewer import authority, gandi, issuing, record
from kamailio.renewer.authority import Authority
from kamailio.renewer.gandi import GandiHost
from local_cloud import faults
from local_cloud.gandi.zones import RECORD
from sandbox.pebble import Pebble
from sandbox.secret_api import SecretApi, mount_at
from sandbox.sip_proxy import Certificate, SipProxy
from tests.sip.acl import Acl
from tests.sip.conftest import NETWORK, ProxyMaker
from tests.sip.edge import seconds_until
from tests.sip.front import Front
from tests.sip.renewals import DOMAIN, NAMES, Renewer, TlsProxy, Zones, served, told
from tests.sip.test_tls import Held, connect

HOST, PROXY, FRONT = f"{NETWORK}.90", f"{NETWORK}.91", f"{NETWORK}.92"
CHALLENGE = "_acme-challenge"
OTHERS = '"of another region"'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The renewer's pauses, not its patience; no growing one between failures, which tests make many of."""
    caplog.set_level("INFO")
    monkeypatch.setattr(issuing, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(issuing, "LONGEST_LOOK", 0.05)
    monkeypatch.setattr(authority, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(gandi, "APART", (0.005, 0.05))
    monkeypatch.setattr("kamailio.renewer.service.GROWTH", 1.0)
    monkeypatch.setattr("acme.client.time", SimpleNamespace(sleep=lambda _: time.sleep(0.05)))


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    zones = Zones(tmp_path_factory.mktemp("zones"))
    yield zones
    zones.stop()


@pytest.fixture(scope="module")
def pebble(zones: Zones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    pebble = Pebble(tmp_path_factory.mktemp("pebble"), HOST, zones.place)
    pebble.start()
    yield pebble
    pebble.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SecretApi]:
    cluster = SecretApi(tmp_path / "cluster", "127.0.0.1")
    yield cluster
    cluster.stop()


@pytest.fixture
def proxy(cluster: SecretApi, tmp_path: Path) -> Iterator[TlsProxy]:
    mount = tmp_path / "mount"
    cluster.followers.append(partial(mount_at, mount))
    proxy = TlsProxy(PROXY, mount)
    yield proxy
    proxy.stop()


@pytest.fixture
def renewer(cluster: SecretApi, pebble: Pebble, zones: Zones, tmp_path: Path, proxy: TlsProxy) -> Iterator[Renewer]:
    for label in (CHALLENGE, f"{CHALLENGE}.sip"):
        zones.remove(label, "TXT")
    renewer = Renewer(tmp_path / "renewer", cluster, pebble, zones, PROXY)
    yield renewer
    renewer.stop()


def expired() -> tuple[bytes, bytes]:
    """A pair for the names that ended yesterday, by another CA."""
    issued = trustme.CA().issue_cert(*NAMES, not_after=datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1))
    return b"".join(each.bytes() for each in issued.cert_chain_pems), issued.private_key_pem.bytes()


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
    assert zones.values(CHALLENGE) == [OTHERS]
    zones.remove(CHALLENGE, "TXT")
    assert zones.values(f"{CHALLENGE}.sip") == []
    assert set(cluster.asked) == {("get", cluster.asked[0][1]), ("patch", cluster.asked[0][1])}
    assert cluster.record["uri"].startswith(f"https://{HOST}")
    assert told(caplog, f"account {cluster.record['uri']}")
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


def test_a_key_that_is_not_the_certificate_s_never_gets_to_a_proxy_and_is_replaced(
    renewer: Renewer, proxy: TlsProxy, cluster: SecretApi, caplog: Any
) -> None:
    other, own = trustme.CA().issue_cert(*NAMES), trustme.CA().issue_cert(*NAMES)
    cluster.put(tls_crt=own.cert_chain_pems[0].bytes(), tls_key=other.private_key_pem.bytes())
    renewer.start()
    renewer.until(lambda: proxy.reloads and served(PROXY) == renewer.pair().leaf)
    assert told(caplog, "tls.key is not the key of the first certificate in tls.crt")
    assert proxy.reloads == 1, "not for the wrong pair"


def test_an_account_that_the_ca_forgot_is_registered_again_with_its_key(
    renewer: Renewer, cluster: SecretApi, caplog: Any
) -> None:
    kept = replace(record.new(), directory=renewer.pebble.directory, uri=f"https://{HOST}:14000/my-account/none")
    cluster.put(account_json=kept.json())
    renewer.start()
    renewer.until(renewer.issued)
    assert told(caplog, f"account {kept.uri} is not there any more")
    assert cluster.record["key"] == dict(kept.key)
    assert cluster.record["uri"] not in ("", kept.uri)


def test_an_external_account_is_bound_by_its_key_and_a_wrong_key_is_told(
    renewer: Renewer, zones: Zones, tmp_path: Path, caplog: Any
) -> None:
    right = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    pebble = Pebble(tmp_path / "pebble", f"{NETWORK}.93", zones.place, external_accounts={"kid-1": right})
    pebble.start()
    try:
        file = tmp_path / "hmac"
        file.write_text(right[::-1])
        renewer.pebble = pebble
        renewer.more["externalAccount"] = {"keyId": "kid-1"}
        renewer.environment["WARP_TLS_EAB_HMAC_FILE"] = str(file)
        renewer.start()
        renewer.until(lambda: renewer.fails("account"))
        assert right[::-1] not in caplog.text
        file.write_text(f"{right}\n")
        renewer.until(renewer.issued)
        renewer.until(lambda: not renewer.fails("account"))
    finally:
        pebble.stop()


def test_while_the_ca_is_down_the_proxy_keeps_its_expired_certificate_and_metrics_show_it(
    renewer: Renewer, proxy: TlsProxy, cluster: SecretApi, zones: Zones, tmp_path: Path
) -> None:
    chain, key = expired()
    cluster.put(tls_crt=chain, tls_key=key)
    proxy.reload()
    renewer.pebble = pebble = Pebble(tmp_path / "pebble", f"{NETWORK}.94", zones.place)
    pebble.start()
    pebble.stop()
    renewer.start()
    renewer.until(lambda: renewer.fails("ca-unreachable"))
    renewer.until(lambda: (renewer.metric('warp_tls_attempts_total{result="failed"}') or 0) > 1)
    assert renewer.metric("warp_tls_not_after_seconds") == renewer.pair().ends.timestamp()
    renewer.until(lambda: renewer.metric(f'warp_tls_served_not_after_seconds{{proxy="{PROXY}:9064"}}'))
    assert served(PROXY) == renewer.pair().leaf
    try:
        pebble.start()
        renewer.until(lambda: renewer.pair().chain != chain and served(PROXY) == renewer.pair().leaf)
        renewer.until(lambda: not renewer.fails("ca-unreachable"))
        assert cluster.record["failures"] == 0
    finally:
        pebble.stop()


def test_a_ca_that_limits_is_not_asked_before_its_time_not_even_after_a_restart(
    renewer: Renewer, cluster: SecretApi, tmp_path: Path
) -> None:
    front = Front(tmp_path / "front", FRONT, renewer.pebble)
    front.limits, front.retry_after = "/order-plz", 7200
    renewer.pebble = front
    try:
        renewer.start()
        renewer.until(lambda: renewer.fails("rate-limited"))
        assert cluster.record["notBefore"] > time.time() + 7000
        for _ in range(2):
            renewer.look_again()
            renewer.stop()
            renewer.start()
        assert front.asked.count("/order-plz") == 1
        front.limits = ""
        kept = cluster.record | {"notBefore": 0}
        renewer.stop()
        cluster.put(account_json=json.dumps(kept).encode())
        renewer.start()
        renewer.until(renewer.issued)
    finally:
        renewer.stop()
        front.stop()


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


def test_an_answer_of_dns_that_is_late_is_waited_for_before_the_ca_is_asked(
    renewer: Renewer, zones: Zones, cluster: SecretApi
) -> None:
    zones.held = zones.now()
    try:
        renewer.start()
        renewer.until(lambda: zones.values(CHALLENGE))
        asked = zones.questions
        renewer.until(lambda: zones.questions > asked + 2)
        assert not renewer.issued()
        assert renewer.metric('warp_tls_attempts_total{result="failed"}') == 0
    finally:
        zones.held = None
    renewer.until(renewer.issued)
    assert renewer.metric('warp_tls_attempts_total{result="failed"}') == 0


def test_an_answer_of_dns_that_never_comes_is_an_attempt_that_cost_no_validation(
    renewer: Renewer, zones: Zones, cluster: SecretApi
) -> None:
    renewer.environment["WARP_TLS_PROPAGATION_SECONDS"] = "0.2"
    zones.held = zones.now()
    try:
        renewer.start()
        renewer.until(lambda: renewer.fails("propagation"))
        renewer.stop()
        order = cluster.record["order"]["uri"]
        assert zones.values(CHALLENGE) == []
    finally:
        zones.held = None
    renewer.environment["WARP_TLS_PROPAGATION_SECONDS"] = "60"
    renewer.start()
    renewer.until(renewer.issued)
    log = (renewer.pebble.folder / "pebble.log").read_text()
    assert log.count(f"Order {order.rpartition('/')[2]} is fully authorized") == 1, "the same order was continued"


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
        assert zones.values(CHALLENGE) == []
    finally:
        other.stop()
        other_cluster.stop()


def test_a_secret_that_is_deleted_by_hand_is_told_and_filled_again_without_the_ca(
    renewer: Renewer, cluster: SecretApi, caplog: Any
) -> None:
    renewer.start()
    renewer.until(lambda: renewer.issued() and not cluster.record["order"])
    held = dict(cluster.data or {})
    cluster.delete()
    renewer.until(lambda: renewer.fails("secret"))
    assert not renewer.status.ready
    assert told(caplog, "does not exist; it may only be patched from here")
    cluster.put()
    renewer.until(lambda: not renewer.fails("secret"))
    assert (cluster.get("tls.crt"), cluster.get("tls.key")) == (held["tls.crt"], held["tls.key"])
    assert cluster.record["uri"]
    assert renewer.metric('warp_tls_attempts_total{result="issued"}') == 1


def test_without_leave_to_patch_the_ca_is_not_asked(renewer: Renewer, cluster: SecretApi, caplog: Any) -> None:
    cluster.verbs.remove("patch")
    renewer.start()
    renewer.until(lambda: renewer.fails("secret"))
    assert told(caplog, "needs a Role with get and patch of it")
    assert renewer.metric("warp_tls_last_attempt_seconds") is None
    cluster.verbs.add("patch")
    renewer.until(renewer.issued)


def test_a_host_that_refuses_its_token_is_told_and_no_challenge_is_answered(renewer: Renewer, zones: Zones) -> None:
    with zones.cloud.change("hand") as tx:
        faults.add(tx, "token-expired", RECORD, "read", None, 0)
    try:
        renewer.start()
        renewer.until(lambda: renewer.fails("dns-host"))
    finally:
        with zones.cloud.change("hand") as tx:
            faults.clear(tx)
    renewer.until(renewer.issued)


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
        assert zones.values(DOMAIN, target) == []
    finally:
        for label in (CHALLENGE, f"{CHALLENGE}.sip"):
            zones.remove(label, "CNAME")


def renewer_dns(zones: Zones, zone: str) -> dict[str, str]:
    return {"host": "gandi", "api": f"http://127.0.0.1:{zones.gandi.port}/v5", "zone": zone}


class Crash(BaseException):
    pass


STEPS = ("sign_in", "place", "validation", "answer", "validated", "finished")


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_loses_neither_account_nor_order_nor_values(
    renewer: Renewer, cluster: SecretApi, zones: Zones, monkeypatch: pytest.MonkeyPatch, caplog: Any, step: str
) -> None:
    real, crashed = getattr(Authority, step), threading.Event()

    def crash(self: Any, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if not crashed.is_set():
            crashed.set()
            raise Crash
        return result

    monkeypatch.setattr(Authority, step, crash)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    renewer.start()
    renewer.until(crashed.is_set)
    renewer.stop()
    account = cluster.record
    # What was done before is not done again; a step that crashed before its result was saved is.
    assert bool(account["order"]) == (STEPS.index(step) > STEPS.index("place"))
    placed = sum("order https" in each.getMessage() for each in caplog.records)
    renewer.start()
    renewer.until(lambda: renewer.issued() and not cluster.record["order"])
    assert cluster.record["key"] == account["key"]
    assert account["uri"] in ("", cluster.record["uri"])
    if account["order"]:
        assert sum("order https" in each.getMessage() for each in caplog.records) == placed == 1
    assert zones.values(f"{CHALLENGE}.sip") == []
