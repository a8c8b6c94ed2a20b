"""What can go wrong on the way to a certificate, and what is told of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme

from kamailio.renewer import record
from local_cloud import faults
from local_cloud.gandi.zones import RECORD
from sandbox.pebble import Pebble
from sandbox.secret_api import SecretApi
from tests.sip.certificates.conftest import HOST, PROXY
from tests.sip.conftest import NETWORK
from tests.sip.front import Front
from tests.sip.renewals import CHALLENGE, NAMES, Renewer, TlsProxy, Zones, expired, served, told

FRONT = f"{NETWORK}.92"


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
