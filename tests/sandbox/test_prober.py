"""The prober as a process, against SIP servers that answer, refuse, and are silent; and its numbers as Prometheus reads
them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from kamailio.reloader.status import Status
from local_cloud import marks
from tests.sandbox.sip_servers import answer, servers
from tests.stacks import ROOT
from verify.prober import HELP, Target, probe
from verify.sip import Answer, NoWayError, Peer, SilentError

ENDS = datetime(2099, 1, 1, tzinfo=UTC)


def configuration(targets: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"targets": targets, "names": {}, "everySeconds": 0.2, "expected": 200, **more}


@contextmanager
def probing(folder: Path, config: object) -> Iterator[Callable[[], dict[tuple[str, str], float]]]:
    """The process; gives its numbers by metric and the value of its first label."""
    (folder / "probe.json").write_text(config if isinstance(config, str) else json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
    environment = {
        "PATH": os.defpath, "WARP_PROBE_CONFIG": str(folder / "probe.json"), "WARP_PROBE_LISTEN": place,
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "verify.prober"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:

        def numbers() -> dict[tuple[str, str], float]:
            try:
                with urllib.request.urlopen(f"http://{place}/metrics", timeout=5) as page:
                    families = list(text_string_to_metric_families(page.read().decode()))
            except OSError:
                return {}
            assert all(family.type == "gauge" for family in families)
            return {
                (sample.name, next(iter(sample.labels.values()))): sample.value
                for family in families
                for sample in family.samples
            }

        try:
            yield numbers
            assert process.poll() is None, process.stderr and process.stderr.read()
        finally:
            process.send_signal(signal.SIGTERM)


def within(met: Callable[[], bool]) -> bool:
    return marks.within(30, met)


def test_what_answers_counts_and_what_does_not_is_an_alert(tmp_path: Path) -> None:
    with servers() as sip, socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((f"{sip.network}.9", 0))
        status = {"first": "SIP/2.0 200 OK"}
        udp = sip.udp(lambda request: answer(request, status["first"]))
        tcp = sip.tcp(lambda request: answer(request, "SIP/2.0 403 Forbidden"))
        certificate = trustme.CA().issue_cert("ringer.tel", not_after=ENDS)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        tls = sip.tcp(answer, last=3, tls=context)
        targets = [
            {"name": "udp", "address": f"{sip.network}.1", "port": udp, "transport": "udp"},
            {"name": "tcp", "address": f"{sip.network}.2", "port": tcp, "transport": "tcp"},
            {"name": "gone", "address": f"{sip.network}.8", "port": 5060, "transport": "tcp"},
            {"name": "tls", "address": f"{sip.network}.3", "port": tls, "transport": "tls"},
        ]
        here = sorted({str(each[4][0]) for each in socket.getaddrinfo("localhost", None)})
        names = {"localhost": here, "nothing.invalid.": ["192.0.2.1"]}
        with probing(tmp_path, configuration(targets, names=names)) as numbers:
            last = ("warp_dns_probe_success", "nothing.invalid"), ("warp_sip_probe_not_after_seconds", "tls")
            assert within(lambda: numbers().keys() >= {*last})
            found = numbers()
            assert {name for name, _ in found} == set(HELP)
            assert {which: found["warp_sip_probe_success", which] for which in ("udp", "tcp", "gone")} == {
                "udp": 1, "tcp": 0, "gone": 0,
            }  # fmt: skip
            assert {which: found["warp_sip_probe_status", which] for which in ("udp", "tcp", "gone")} == {
                "udp": 200, "tcp": 403, "gone": 0,
            }  # fmt: skip
            # Of a CA that the prober does not know: a certificate ends all the same.
            assert found["warp_sip_probe_not_after_seconds", "tls"] == ENDS.timestamp()
            assert found["warp_sip_probe_not_before_seconds", "tls"] < ENDS.timestamp()
            assert {which for name, which in found if name.startswith("warp_sip_probe_not_")} == {"tls"}
            assert 0 < found["warp_sip_probe_seconds", "udp"] < 4
            assert found["warp_dns_probe_success", "nothing.invalid"] == 0
            assert found["warp_dns_probe_success", "localhost"] == 1
            status["first"] = "SIP/2.0 503 Service Unavailable"
            assert within(lambda: numbers().get(("warp_sip_probe_success", "udp")) == 0)
            status["first"] = "SIP/2.0 200 OK"
            assert within(lambda: numbers().get(("warp_sip_probe_success", "udp")) == 1)


def test_a_target_that_cannot_be_asked_any_more_has_no_number() -> None:
    """Its last one would be green for ever."""
    status, target = Status(described=HELP), Target("x", Peer("2001:db8::1", 5060, "udp"), None)
    seen: list[set[str]] = []
    for came in (Answer(200, {}, 3), SilentError("no answer"), NoWayError("Network is unreachable")):
        with patch("verify.prober.options", side_effect=[came]):
            asyncio.run(probe(target, 200, status))
        families = text_string_to_metric_families(status.text())
        seen.append({sample.name for family in families for sample in family.samples})
    answered, silent, no_way = seen
    assert answered == silent == {f"warp_sip_probe_{each}" for each in ("configured", "success", "status", "seconds")}
    assert no_way == {"warp_sip_probe_configured"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not what it must be"),
        ({"targets": []}, "key 'everySeconds' is missing"),
        (configuration([], colour="red"), "no such key: colour"),
        (
            configuration([{"name": "x", "address": "192.0.2.1", "port": "a", "transport": "udp"}]),
            "not what it must be",
        ),
    ],
)
def test_a_wrong_configuration_ends_it_with_one_line(config: object, words: str, tmp_path: Path) -> None:
    (tmp_path / "probe.json").write_text(config if isinstance(config, str) else json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "verify.prober"], cwd=ROOT, env={"WARP_PROBE_CONFIG": str(tmp_path / "probe.json")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
