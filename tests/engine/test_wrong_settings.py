"""Wrong settings end before anything is declared: all problems at once, no traceback."""

from __future__ import annotations

from pathlib import Path

from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.stacks import changed, stack_config


def test_every_problem_is_told_at_once_and_nothing_is_declared(cloud: Sandbox, tmp_path: Path) -> None:
    config = stack_config("sandbox")
    for path, value in (
        (("warp-edge:dns", "ttlSeconds"), 0),
        (("warp-edge:ingress", "udp", "ports"), {"sip": 5060, "sips": 5061}),
        (("warp-edge:egress", "slots", "warp-nat-ip-1"), {"state": "activ"}),
        (("gcp:region",), "us-east1"),
        (("warp-edge:colour",), "blue"),
    ):
        config = changed(config, path, value)
    writes = len(cloud.writes())
    told = Stack(tmp_path, cloud, config).failing("preview")
    for key in (
        "warp-edge:dns.ttlSeconds = 0",
        "warp-edge:ingress.udp.ports",
        "warp-edge:egress.slots.warp-nat-ip-1.state = 'activ'",
        "warp-edge:region = 'us-central1'",
        "warp-edge:colour = 'blue'",
    ):
        assert key in told
    assert "Traceback" not in told
    assert len(cloud.writes()) == writes
