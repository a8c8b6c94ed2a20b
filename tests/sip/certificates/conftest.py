"""A real CA, the sandbox's Gandi with its name server, and a renewer with a Secret and a proxy of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from kamailio.renewer import authority, gandi, issuing
from sandbox.pebble import Pebble
from sandbox.secret_api import SecretApi, mount_at
from tests.sip.conftest import NETWORK
from tests.sip.renewals import CHALLENGE, Renewer, TlsProxy, Zones

HOST, PROXY = f"{NETWORK}.90", f"{NETWORK}.91"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The renewer's pauses, not its patience; no growing one between failures, which tests make many of."""
    caplog.set_level("INFO")
    monkeypatch.setattr(issuing, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(issuing, "LONGEST_LOOK", 0.05)
    monkeypatch.setattr(authority, "FIRST_LOOK", 0.05)
    monkeypatch.setattr(gandi, "APART", (0.005, 0.05))
    monkeypatch.setattr("kamailio.renewer.patience.GROWTH", 1.0)
    monkeypatch.setattr("kamailio.renewer.patience.RESTS", (0.1,))
    monkeypatch.setattr("acme.client.time", SimpleNamespace(sleep=lambda _: time.sleep(0.05)))


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    zones = Zones(tmp_path_factory.mktemp("zones"))
    yield zones
    zones.stop()


@pytest.fixture(scope="module")
def pebble(zones: Zones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    # What was validated for an account is valid for its next order, as with real CAs.
    pebble = Pebble(tmp_path_factory.mktemp("pebble"), HOST, zones.place, reuse=100)
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
