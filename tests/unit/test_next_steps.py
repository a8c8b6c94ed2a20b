"""What `make up` promises in the end is what runs, and what `make verify` asks is who hosts the zone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, next_steps
from sandbox.stack import asked

OUTPUTS: dict[str, Any] = {
    "dns": {"domain": "ringer.tel"},
    "customerEndpoints": {
        "endpoints": [
            {"transport": "UDP", "address": "127.77.0.2", "port": 5060},
            {"transport": "TLS", "address": "127.77.0.3", "port": 5061},
        ]
    },
}
CLOUD, GANDI = ("127.0.0.1", 5300), ("127.0.0.1", 41000)


def commands(*, at_gandi: bool = False, proxy: bool = True) -> str:
    steps = next_steps.of_one_stack(Sandbox(Path("none")), OUTPUTS, at_gandi=at_gandi, proxy=proxy)
    return "\n".join(f"{command}  {why}" for command, why in steps)


def test_an_answer_is_promised_where_a_proxy_runs_and_nowhere_else() -> None:
    assert "sip-options 127.77.0.2 --from 127.0.0.2  200" in commands()
    assert "403" in commands()
    looks = "openssl s_client -connect 127.77.0.3:5061 -servername ringer.tel -CAfile .sandbox/sip/sip-ca.pem"
    assert (looks in commands()) == bool(shutil.which("openssl"))
    without = commands(proxy=False)
    assert "openssl" not in without
    assert "200" not in without
    assert "403" not in without
    assert "SIP" not in without


@pytest.mark.parametrize("at_gandi", [True, False])
def test_the_zone_is_asked_where_it_is_and_with_what_is_installed_here(at_gandi: bool) -> None:
    said = commands(at_gandi=at_gandi)
    assert ("dns-query _sip._udp.ringer.tel SRV --gandi" in said) is at_gandi
    for line in said.splitlines():
        program = line.split()[0]
        ours = program.startswith((".venv/", ".sandbox/")) or program == "make"
        assert ours or shutil.which(program), line
    assert "dig" not in said


def test_verify_asks_the_hosts_of_the_zone() -> None:
    assert asked([GANDI]) == ["--resolver", "127.0.0.1:41000", "--authority", "127.0.0.1:41000"]
    both = ["--resolver", "127.0.0.1:5300", "--authority", "127.0.0.1:5300", "--authority", "127.0.0.1:41000"]
    assert asked([CLOUD, GANDI]) == both
