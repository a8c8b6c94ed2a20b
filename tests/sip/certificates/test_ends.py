"""A renewer that ends in the middle: what was done is not lost, and not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from kamailio.renewer.authority import Authority
from sandbox.secret_api import SecretApi
from tests.sip.certificates.conftest import PROXY
from tests.sip.renewals import CHALLENGE, RPC_TOKEN, Renewer, TlsProxy, Zones, served
from tests.stacks import ROOT


def test_a_pod_that_is_stopped_in_the_middle_ends_at_once_and_the_next_one_goes_on(
    renewer: Renewer, cluster: SecretApi, zones: Zones
) -> None:
    """A process, as in a cluster: while it waits for DNS."""
    renewer.settings()
    # Another pod of this machine may have the usual port on every address.
    status = {"WARP_TLS_STATUS_LISTEN": f"{PROXY}:19063"}
    zones.held = zones.now()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "kamailio.renewer"], cwd=ROOT, env=os.environ | renewer.variables | status,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        renewer.until(lambda: zones.values(CHALLENGE) or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        zones.held = None
    assert process.returncode == 0, said
    assert said.splitlines()[-1].endswith("INFO stopped")
    assert RPC_TOKEN not in said
    order = cluster.record["order"]["uri"]
    renewer.start()
    renewer.until(renewer.issued)
    renewer.until(lambda: zones.values(CHALLENGE) == [])
    log = (renewer.pebble.folder / "pebble.log").read_text()
    assert log.count(f"Order {order.rpartition('/')[2]} is fully authorized") == 1


def test_a_proxy_with_the_rpc_token_of_before_a_rotation_gets_the_certificate(
    renewer: Renewer, proxy: TlsProxy
) -> None:
    """It takes the token that it was started with."""
    renewer.environment = {"WARP_ACL_RPC_TOKEN": "another", "WARP_ACL_RPC_TOKEN_BEFORE": RPC_TOKEN}
    renewer.start()
    renewer.until(lambda: proxy.reloads and served(PROXY) == renewer.pair().leaf)
    assert renewer.metric(f'warp_tls_reloads_total{{proxy="{PROXY}:9064"}}') == 1
    assert "warp_tls_last_failure{" not in renewer.status.text()


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
    renewer.until(lambda: zones.values(f"{CHALLENGE}.sip") == [])
