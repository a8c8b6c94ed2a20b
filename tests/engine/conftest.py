"""A cloud of its own for every module of tests, and stacks on it. Everything runs on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from sandbox.workspace import Workspace
from tests import kept
from tests.kept import sandbox_aside
from tests.stacks import changed, stack_config, without_site

LONGEST = "test_walk_through.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of files that run two at once, the longest is begun first, or one half waits for it in the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """A running sandbox, gone afterwards."""
    with sandbox_aside() as (sandbox, _):
        yield sandbox


class Stack:
    """One stack on a cloud, and what tests ask of it."""

    def __init__(self, folder: Path, cloud: Sandbox, config: dict[str, Any], name: str = "sandbox") -> None:
        self.config = config
        kept.note_stack(folder)
        self.workspace = Workspace(folder, name, cloud.env())
        self.workspace.prepare(config)
        self.cli = self.workspace.cli

    def set(self, value: Any, *path: str) -> None:
        """Change one setting, as an editor of the YAML would."""
        self.config = changed(self.config, path, value)
        self.workspace.configure(self.config)

    def up(self) -> str:
        """An update that must succeed; what it printed."""
        return self.cli.text("up", "--stack", self.cli.stack, "--yes", "--skip-preview")

    def failing(self, command: str, *arguments: str) -> str:
        """A command that must fail; what it printed."""
        done = self.cli.run(command, "--stack", self.cli.stack, *arguments)
        assert done.returncode, f"pulumi {command} was expected to fail:\n{done.stdout}"
        return done.stdout + done.stderr

    def planned(self) -> dict[str, str]:
        """Logical name -> operation, of everything a preview would do."""
        events = self.cli.preview()
        assert not events.failures, events.failures
        return {step["urn"].split("::", 3)[3]: step["op"] for step in events.steps if step["op"] != "same"}

    def state(self) -> str:
        """The whole state as the engine keeps it, secrets as it keeps them."""
        return self.cli.text("stack", "export", "--stack", self.cli.stack)


@pytest.fixture(scope="module")
def edge(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sandbox's stack, up; its site is in `test_site.py`."""
    stack = Stack(tmp_path_factory.mktemp("stack"), cloud, without_site(stack_config("sandbox")))
    stack.up()
    return stack
