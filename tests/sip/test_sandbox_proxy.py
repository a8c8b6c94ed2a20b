"""The sandbox's proxy as a thing to start and stop."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from sandbox import SandboxError, sip_proxy
from sandbox.acl import Acl
from sandbox.sip_probe import options
from tests.sip.conftest import ProxyMaker
from tests.sip.edge import KNOWN, UNKNOWN
from tests.sip.test_reloading import kill_kamailio


def test_it_starts_once_and_stops_cleanly(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree")
    assert edge.proxy.start()
    assert not edge.proxy.start()
    assert edge.proxy.running()
    assert (options(edge.proxy.udp_address, source=KNOWN), options(edge.proxy.udp_address, source=UNKNOWN)) == (
        200,
        403,
    )
    assert edge.proxy.stop()
    assert not edge.proxy.stop()
    assert not edge.proxy.running()
    assert sorted(path.name for path in edge.proxy.directory.iterdir()) == [
        "kamailio.log",
        "relay.log",
        "reloader.log",
        "sip-ca.pem",
    ]
    with pytest.raises(SandboxError, match=r"no SIP answer from .*:5060/udp"):
        options(edge.proxy.udp_address, source=KNOWN)


def test_other_wishes_restart_it(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree", reload=False)
    edge.proxy.start()
    other = dataclasses.replace(edge.proxy, table="permissions")
    assert other.start()
    assert other.rpc().call("permissions.subnetDump")


def test_what_a_crash_left_is_cleared_away(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree")
    edge.proxy.start()
    kill_kamailio(edge)
    (edge.proxy.directory / "sip.json").unlink()
    assert edge.proxy.start()
    assert edge.proxy.running()


def test_it_runs_in_a_folder_with_a_space_in_its_name(acl: Acl, new_proxy: ProxyMaker, tmp_path: Path) -> None:
    edge = new_proxy("mtree", reload=False)
    spaced = dataclasses.replace(edge.proxy, directory=tmp_path / "with a space")
    try:
        assert spaced.start()
        assert options(spaced.udp_address, source=KNOWN) == 200
    finally:
        spaced.stop()


def test_it_never_runs_as_root_and_else_as_whoever_started_it(acl: Acl, new_proxy: ProxyMaker) -> None:
    edge = new_proxy("mtree", reload=False)
    edge.proxy.start()
    owners = {
        Path(f"/proc/{pid}").stat().st_uid
        for pid in edge.proxy._processes()
        if b"kamailio.cfg" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }
    assert len(owners) == 1
    assert 0 not in owners
    assert os.geteuid() in {0, *owners}


def test_without_kamailio_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(
        SandboxError, match=r"apt-get install .* kamailio kamailio-postgres-modules kamailio-tls-modules"
    ):
        sip_proxy.require_kamailio()
