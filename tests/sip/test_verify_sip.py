"""`python -m verify` against a real Kamailio: a customer is served, a stranger is refused, no ACL is no edge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.acl import Acl
from tests.promises import outputs
from tests.sandbox.zone_server import Zone, serving
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, UNKNOWN, Edge, seconds_until
from tests.sip.test_outages import emptied, reloaded
from verify.__main__ import main

Run = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, and what -> what was found, of a run against an edge."""

    def verified(edge: Edge, *options: str) -> tuple[int, dict[str, str]]:
        proxy = edge.proxy
        promised = outputs(proxy.udp_address, proxy.tcp_address, ())
        (tmp_path / "outputs.json").write_text(json.dumps(promised))
        parts = ["--only", "sip", "--only", "tls", "--ca", str(proxy.authority_file)]
        with serving(Zone({})) as resolver:
            places = ["--resolver", f"127.0.0.1:{resolver}"]
            status = main(["--outputs", str(tmp_path / "outputs.json"), "--json", *places, *parts, *options])
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return status, {each["what"]: each["found"] for each in report["findings"]}

    return verified


OPTIONS = ("OPTIONS UDP (primary)", "OPTIONS TCP (secondary)", "OPTIONS TLS (tls)")


def test_a_customer_is_served_and_a_stranger_refused_on_every_transport(
    acl: Acl, new_proxy: ProxyMaker, run: Run
) -> None:
    edge = new_proxy("mtree", names=("sip-tcp.ringer.tel", "ringer.tel"))
    edge.proxy.start()
    for source, expect, wrong in ((KNOWN, "200", "403"), (UNKNOWN, "403", "200")):
        status, found = run(edge, "--source", source, "--expect", expect)
        assert status == 0
        assert {found[what][:3] for what in OPTIONS} == {expect}
        assert all("Server: kamailio" in found[what] for what in OPTIONS)
        assert all("ringer.tel" in found[f"certificate for {name}"] for name in ("sip-tcp.ringer.tel", "ringer.tel"))
        assert run(edge, "--source", source)[0] == 0
        assert run(edge, "--source", source, "--expect", wrong)[0] == 3


def test_a_certificate_without_the_names_customers_set_out_for_breaks_the_promise(
    acl: Acl, new_proxy: ProxyMaker, run: Run
) -> None:
    edge = new_proxy("mtree", reload=False)
    edge.proxy.start()
    status, found = run(edge, "--source", KNOWN)
    assert status == 3
    assert "not for ringer.tel" in found["certificate for ringer.tel"]


def test_a_proxy_that_lost_its_acl_breaks_the_promise(own_acl: Acl, new_proxy: ProxyMaker, run: Run) -> None:
    edge = new_proxy("mtree", own_acl, reload=False, names=("sip-tcp.ringer.tel", "ringer.tel"))
    edge.proxy.start()
    assert run(edge, "--source", UNKNOWN)[0] == 0
    with emptied(own_acl, "acl_hosts"):
        seconds_until(lambda: reloaded(edge, ("htable.reload", "acl_hosts")), 5)
        status, found = run(edge, "--source", UNKNOWN)
    assert status == 3
    assert {found[what][:3] for what in OPTIONS} == {"503"}


def test_a_proxy_that_is_gone_is_refused_on_every_transport(acl: Acl, new_proxy: ProxyMaker, run: Run) -> None:
    edge = new_proxy("mtree", reload=False)
    edge.proxy.start()
    edge.proxy.stop()
    status, found = run(edge, "--source", KNOWN)
    assert status == 3
    assert {found[what] for what in OPTIONS[:2]} == {"refused: nothing listens there"}
