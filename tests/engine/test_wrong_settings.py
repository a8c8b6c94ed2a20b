"""Wrong settings, and look-ups that fail, end before anything is declared: all problems at once, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.stacks import changed, stack_config


@pytest.fixture(scope="module")
def stack(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Never up: nothing that is asked of it gets as far as a resource."""
    return Stack(tmp_path_factory.mktemp("stack"), cloud, stack_config("sandbox"))


def refused(stack: Stack, command: str, config: dict[str, Any]) -> str:
    """What a command says that must fail with these settings and write nothing."""
    stack.workspace.configure(config)
    told = stack.failing(command, *(["--yes", "--skip-preview"] if command == "up" else []))
    assert "Traceback" not in told
    return told


@pytest.fixture(autouse=True)
def nothing_is_written(cloud: Sandbox) -> Iterator[None]:
    yield
    assert cloud.writes() == []


def test_every_problem_is_told_at_once_and_nothing_is_declared(stack: Stack) -> None:
    config = stack_config("sandbox")
    for path, value in (
        (("warp-edge:dns", "ttlSeconds"), 0),
        (("warp-edge:ingress", "udp", "ports"), {"sip": 5060, "sips": 5061}),
        (("warp-edge:egress", "slots", "warp-nat-ip-1"), {"state": "activ"}),
        (("gcp:region",), "us-east1"),
        (("warp-edge:colour",), "blue"),
    ):
        config = changed(config, path, value)
    told = refused(stack, "preview", config)
    for key in (
        "warp-edge:dns.ttlSeconds = 0",
        "warp-edge:ingress.udp.ports",
        "warp-edge:egress.slots.warp-nat-ip-1.state = 'activ'",
        "warp-edge:region = 'us-central1'",
        "warp-edge:colour = 'blue'",
    ):
        assert key in told


def test_a_way_to_the_database_that_there_is_not_is_refused_at_once(stack: Stack) -> None:
    """It passed the preview, and the update waited for this machine's own Unix socket."""
    network = {"public": False, "privateNetwork": "projects/warp-sandbox/global/networks/default"}
    config = changed(stack_config("sandbox"), ("warp-edge:database", "network"), network)
    told = refused(stack, "up", config)
    assert "reach.address is public (the default), and the database has no public address" in told
    assert "-> set trunkAcl.reach.address: private" in told


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
    stack: Stack, path: tuple[str, ...], value: object, wrong: str, remedy: str
) -> None:
    told = refused(stack, "up", changed(stack_config("sandbox"), path, value))
    assert wrong in told
    assert f"-> {remedy}" in told
    for raw in ("invoke of", "Future exception"):
        assert raw not in told
