"""An address that does not come ends an update with a reason; pods that are not there do not hold it back."""

from __future__ import annotations

from pathlib import Path

from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.stacks import changed, stack_config


def test_pods_that_are_not_there_yet_do_not_hold_up_back(cloud: Sandbox, tmp_path: Path) -> None:
    cloud.pods_ready(False)
    try:
        stack = Stack(tmp_path, cloud, stack_config("sandbox"))
        stack.up()
        stack.cli.text("destroy", "--stack", stack.cli.stack, "--yes", "--skip-preview")
    finally:
        cloud.pods_ready(True)


def test_an_address_that_never_comes_ends_the_update_within_its_bound_and_says_where_to_look(
    cloud: Sandbox, tmp_path: Path
) -> None:
    config = changed(stack_config("sandbox"), ("warp-edge:ingress", "addressTimeoutSeconds"), 10)
    stack = Stack(tmp_path, cloud, config)
    cloud.add_fault("lb-pending")
    try:
        told = stack.failing("up", "--yes", "--skip-preview")
    finally:
        cloud.clear_faults()
    assert "timed out waiting for the condition" in told
    assert "kubectl --namespace warp-core describe service kamailio-sip-udp" in told
    stack.up()
    assert stack.planned() == {}
