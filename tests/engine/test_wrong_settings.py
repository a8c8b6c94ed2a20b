"""Wrong settings, and look-ups that fail, end before anything is declared: all problems at once, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_a_way_to_the_database_that_there_is_not_is_refused_at_once(cloud: Sandbox, tmp_path: Path) -> None:
    """It passed the preview, and the update waited for this machine's own Unix socket."""
    network = {"public": False, "privateNetwork": "projects/warp-sandbox/global/networks/default"}
    config = changed(stack_config("sandbox"), ("warp-edge:database", "network"), network)
    writes = len(cloud.writes())
    told = Stack(tmp_path, cloud, config).failing("up", "--yes", "--skip-preview")
    assert "reach.address is public (the default), and the database has no public address" in told
    assert "-> set trunkAcl.reach.address: private" in told
    assert "Traceback" not in told
    assert len(cloud.writes()) == writes


@pytest.mark.parametrize(
    ("path", "value", "wrong", "remedy"),
    [
        (
            ("warp-edge:cluster", "name"),
            "warp-clutser",
            "there is no GKE cluster warp-clutser in us-central1 of project warp-sandbox",
            "correct warp-edge:cluster.name",
        ),
        (
            ("warp-edge:dns", "zone"),
            {"name": "nobodys", "manage": False},
            "there is no zone nobodys at Cloud DNS",
            "correct warp-edge:dns.zone.name",
        ),
    ],
)
def test_a_look_up_that_fails_is_refused_before_anything_is_declared(
    cloud: Sandbox, tmp_path: Path, path: tuple[str, ...], value: object, wrong: str, remedy: str
) -> None:
    writes = len(cloud.writes())
    told = Stack(tmp_path, cloud, changed(stack_config("sandbox"), path, value)).failing(
        "up", "--yes", "--skip-preview"
    )
    assert wrong in told
    assert f"-> {remedy}" in told
    for raw in ("Traceback", "invoke of", "Future exception"):
        assert raw not in told
    assert len(cloud.writes()) == writes
