"""`make check-update`: whether the last update of stack `sandbox` settled, as `deploy` checks after `pulumi up`."""

from __future__ import annotations

import sys

from command_line import run
from engine.cli import Cli, EngineError
from review import preview
from review.settled import Settled, page, settled
from sandbox import Sandbox, SandboxError
from sandbox.stack import DIRECTORY, REFUSED, STACK, ended
from sandbox.workspace import Workspace

LEFT = 3  # as `python -m review --settled` has it


def after_update(cli: Cli) -> Settled:
    """What a preview with the settings of the last update would still change. Raises `EngineError`."""
    done = cli.preview_stream()
    try:
        return settled(preview.read(done.stdout), cli.stack)
    except preview.UnreadableError:
        raise EngineError("pulumi preview", f"{done.stdout}{done.stderr}") from None


def check() -> int:
    """The exit statuses of `python -m review --settled`."""
    sandbox = Sandbox(DIRECTORY)
    if not (DIRECTORY / "project").exists() or not sandbox.running():
        raise SandboxError("the sandbox is not up\n  -> make up")
    # Not prepared: settings edited since then do not matter here.
    found = after_update(Workspace(DIRECTORY, STACK, sandbox.env()).cli)
    print(page(found))
    return REFUSED if found.failed else 0 if found.holds else LEFT


if __name__ == "__main__":
    sys.exit(run(lambda: ended(check)))
