"""A cloud of its own for every module of tests, and stacks on it. Everything runs on the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.tokens import logical_name
from sandbox import Sandbox
from sandbox.workspace import Workspace
from tests import kept
from tests.kept import sandbox_aside
from tests.order import longest_first
from tests.stacks import ROOT, changed, stack_config, without_site

LONGEST = (
    *("walk_through", "crashes", "adoption", "gandi", "trunk_acl"),
    *("regions", "addresses", "life_of_a_stack", "settled"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items, Path(__file__).parent, LONGEST)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """A running sandbox, gone afterwards."""
    with sandbox_aside() as (sandbox, _):
        yield sandbox


def operations(printed: str) -> dict[str, str]:
    """Logical name -> operation, of everything that an update did which printed this with `--json`."""
    events = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    steps = (event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event)
    return {logical_name(step["urn"]): step["op"] for step in steps if step["op"] != "same"}


class Stack:
    """One stack on a cloud, and what tests ask of it."""

    def __init__(
        self, folder: Path, cloud: Sandbox, config: dict[str, Any], name: str = "sandbox", program: Path = ROOT
    ) -> None:
        self.config = self.deployed = config
        kept.note_stack(folder)
        self.workspace = Workspace(folder, name, cloud.env(), program=program)
        self.workspace.prepare(config)
        self.cli = self.workspace.cli
        _stacks.append(self)

    def set(self, value: Any, *path: str) -> None:
        """Change one setting, as an editor of the YAML would."""
        self.config = changed(self.config, path, value)
        self.workspace.configure(self.config)

    def up(self, *more: str) -> str:
        """An update that must succeed; what it printed."""
        printed = self.cli.text("up", "--stack", self.cli.stack, "--yes", "--skip-preview", *more)
        self.deployed = self.config
        return printed

    def as_deployed(self) -> None:
        """Settings that no update took over are undone."""
        if self.config != self.deployed:
            self.config = self.deployed
            self.workspace.configure(self.config)

    def changes(self) -> dict[str, str]:
        """An update that must succeed. Logical name -> operation, of everything that it did; a preview would cost
        another run of the program and say the same."""
        return operations(self.up("--json"))

    def failing(self, command: str, *arguments: str) -> str:
        """A command that must fail; what it printed."""
        done = self.cli.run(command, "--stack", self.cli.stack, *arguments)
        assert done.returncode, f"pulumi {command} was expected to fail:\n{done.stdout}"
        return done.stdout + done.stderr

    def planned(self) -> dict[str, str]:
        """Logical name -> operation, of everything a preview would do."""
        events = self.cli.preview()
        assert not events.failures, events.failures
        return {logical_name(step["urn"]): step["op"] for step in events.steps if step["op"] != "same"}

    def state(self) -> str:
        """The whole state as the engine keeps it, secrets as it keeps them."""
        return self.cli.text("stack", "export", "--stack", self.cli.stack)


_stacks: list[Stack] = []


@pytest.fixture(autouse=True)
def as_deployed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whether a test fails or not, it leaves to the next one neither settings that were not deployed nor faults."""
    cloud = request.getfixturevalue("cloud") if "cloud" in request.fixturenames else None
    yield
    for stack in _stacks:
        stack.as_deployed()
    if cloud:
        cloud.clear_faults()


@pytest.fixture(scope="module")
def edge(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sandbox's stack, up; its site is in `test_site.py`."""
    stack = Stack(tmp_path_factory.mktemp("stack"), cloud, without_site(stack_config("sandbox")))
    stack.up()
    return stack
