"""The engine is killed in the middle; the next run finishes the work, and nothing is made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from adopt.adoption import adopt
from sandbox import Sandbox
from sandbox.aside import sandbox_aside
from sandbox.stack import record_what_a_crash_left
from settings import Settings
from tests.engine.conftest import Stack
from tests.stacks import as_engine_gives_it, stack_config

PATIENCE = 60.0


def kill_when(stack: Stack, reached: Callable[[], bool], *command: str) -> None:
    """Start an engine command and kill all of it (SIGKILL) at a moment of its work."""
    environment = {**os.environ, **stack.workspace.environment}
    engine = subprocess.Popen(
        ["pulumi", "--cwd", str(stack.workspace.project), *command, "--stack", stack.cli.stack, "--yes"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    began = time.monotonic()
    while not reached() and engine.poll() is None:
        assert time.monotonic() - began < PATIENCE, "the moment never came"
        time.sleep(0.002)
    assert engine.poll() is None, "the engine was done before it could be killed"
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()


def finish(stack: Stack) -> None:
    """What `make up` does after a crash."""
    stack.workspace.prepare(stack.config)
    record_what_a_crash_left(stack.workspace, lambda _: None)
    stack.up()


@pytest.mark.parametrize("writes", [1, 5, 12])
def test_an_update_killed_in_the_middle_is_finished_by_the_next(writes: int) -> None:
    with sandbox_aside() as (cloud, folder):
        stack = Stack(folder / "stack", cloud, stack_config("sandbox"))
        kill_when(stack, lambda: len(cloud.writes()) >= writes, "up", "--skip-preview")
        finish(stack)
        assert stack.planned() == {}
        assert len(cloud.resources("gcp:compute/address:Address")) == 5
        created = [(row.type, row.id) for row in cloud.writes() if row.op == "create"]
        assert len(created) == len(set(created))


def test_an_adoption_killed_in_the_middle_is_finished_by_running_it_again() -> None:
    with sandbox_aside() as (cloud, folder):
        cloud.seed("live-edge")
        stack = Stack(folder / "stack", cloud, stack_config("prod"), "prod")
        settings = Settings.parse(as_engine_gives_it(stack_config("prod")))
        _adopt_and_die(stack, cloud)
        adoption = adopt(stack.cli, settings, lambda _: None)
        assert adoption.comparison.creations == ("User warp_edge",)
        assert adoption.comparison.replacements == ()
        assert cloud.writes() == []


def _adopt_and_die(stack: Stack, cloud: Sandbox) -> None:
    """An import that dies while it reads: some resources are recorded, a lock is left behind."""
    cloud.add_fault("latency", milliseconds=300, operation="read")
    environment = {**os.environ, **stack.workspace.environment}
    adopting = subprocess.Popen(
        ["python", "-m", "adopt", "--stack", "prod", "--cwd", str(stack.workspace.project)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    began = time.monotonic()
    while sum(row.op == "read" for row in cloud.log()) < 6:
        assert time.monotonic() - began < PATIENCE, "nothing was read"
        assert adopting.poll() is None, "the adoption was done before it could be killed"
        time.sleep(0.002)
    os.killpg(adopting.pid, signal.SIGKILL)
    adopting.wait()
    cloud.clear_faults()
