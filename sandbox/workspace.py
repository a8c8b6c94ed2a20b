"""A project folder next to a sandbox's cloud, in which the real engine runs this repository's program.

The engine writes to the folder of a stack's YAML (the salt of its passphrase), so it gets a separate folder: the
repository's `Pulumi.yaml` with `main` pointing back here, and a copy of the stack's settings. State, passphrase and
workspace settings stay inside the sandbox's folder, separate from the user's own.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.cli import CONFIGURES, REPORTS, Cli
from engine.run import RUNNER
from sandbox import checkpoints
from sandbox.layout import SandboxError
from sandbox.leftovers import MARK
from sandbox.stack_settings import load, settings

ROOT = Path(__file__).resolve().parent.parent
SALT = "encryptionsalt"


def _replace(file: Path, text: str, mode: int = 0o644) -> None:
    """Atomic: the salt in a stack's YAML is half of the key to its secrets, the passphrase the other."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        out.write(text)
    new.replace(file)


@dataclass(frozen=True)
class Followed:
    """Settings that a folder's command copies when their file has changed: a check must not pass on old ones.

    `shipped`: the file; `seen`: its content when last copied; `take`: the command that copies it, for `python -m`.
    """

    shipped: Path
    seen: Path
    take: tuple[str, ...]

    def mark(self) -> None:
        """Record that its current content was copied."""
        self.seen.parent.mkdir(parents=True, exist_ok=True)
        self.seen.write_bytes(self.shipped.read_bytes())

    @property
    def line(self) -> str:
        """The check as a line of shell."""
        shipped, seen, python = (shlex.quote(str(each)) for each in (self.shipped, self.seen, sys.executable))
        take = f"PYTHONPATH={shlex.quote(str(ROOT))} {python} -m {shlex.join(self.take)}"
        return f"cmp -s {shipped} {seen} || {take} >&2 || exit"


class Workspace:
    """One stack in one folder. `attach`: environment that attaches the engine to the sandbox's providers."""

    def __init__(self, directory: Path, stack: str, attach: Mapping[str, str], *, program: Path = ROOT) -> None:
        self.directory = directory.resolve()
        self.stack = stack
        self.project = self.directory / "project"
        self._attach = dict(attach)
        self._program = program

    @property
    def cli(self) -> Cli:
        """The engine on this stack."""
        return Cli(self.project, self.stack, self.environment, apart=True)

    @property
    def wrapper(self) -> Path:
        """A command that runs the engine on this stack from anywhere."""
        return self.directory / "pulumi"

    @property
    def note(self) -> Path:
        """A file that exists as long as the cloud may have more than the state records (sandbox/recovery.py)."""
        return self.directory / f"recover-{self.stack}"

    @property
    def environment(self) -> dict[str, str]:
        """The engine's environment. It holds no real secret: the passphrase is in a file that only its owner can read,
        and the token is valid for the simulated Gandi only."""
        return {
            # The environment's Python first, because the language host takes the first one. `make` puts the engine that
            # tools/bootstrap.py chose before the rest; .engine/bin is the fallback without `make`.
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"], str(ROOT / ".engine" / "bin")]),
            "PULUMI_HOME": str(self.directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.directory / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            checkpoints.RETAIN: "true",
            MARK: str(self.directory),
            **self._attach,
        }

    def prepare(self, config: Mapping[str, Any] | None = None, followed: Followed | None = None) -> None:
        """Write the project folder and make sure the stack exists. Idempotent. Raises `SandboxError`.

        `config` replaces the settings of `Pulumi.<stack>.yaml`; `followed` is then their source.
        """
        wanted = self.shipped_settings() if config is None else config
        if config is None:
            followed = self._followed
            followed.mark()
        for folder in ("home", "state", "project"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self._keep_passphrase()
        checkpoints.mend(self.directory / "state", self.stack, self.note)
        self._write_project()
        self.configure(wanted)
        self._write_wrapper(followed)
        # Fast if it exists; any error other than "no such stack" appears again, in full, in `init`.
        if self.cli.run("stack", "select", self.stack).returncode:
            self.cli.text("stack", "init", self.stack)

    def shipped_settings(self) -> dict[str, Any]:
        """The settings in `Pulumi.<stack>.yaml`, key to value. Raises `SandboxError`."""
        return settings(self._shipped)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Set the stack's settings, key to value."""
        file = self.project / f"Pulumi.{self.stack}.yaml"
        written = {"config": dict(config), **self._salt(file)}
        _replace(file, yaml.safe_dump(written, sort_keys=False))

    def _salt(self, file: Path) -> dict[str, Any]:
        """The engine's line in the YAML; from the state if the YAML was only partly written."""
        try:
            salt = load(file).get(SALT) if file.exists() else None
        except SandboxError:
            salt = checkpoints.salt(self.directory / "state", self.stack)
        return {SALT: salt} if salt else {}

    def follow(self) -> None:
        """Copy the settings from `Pulumi.<stack>.yaml` again: what `wrapper` does when that has changed."""
        self.take_over(self.shipped_settings())
        self._followed.mark()

    def take_over(self, config: Mapping[str, Any]) -> None:
        """Write these settings and the current project file for a stack that was prepared before."""
        self._write_project()
        self.configure(config)

    @property
    def _shipped(self) -> Path:
        return self._program / f"Pulumi.{self.stack}.yaml"

    @property
    def _followed(self) -> Followed:
        take = ("sandbox.workspace", str(self.directory), self.stack, str(self._program))
        return Followed(self._shipped, self.project / f".Pulumi.{self.stack}.seen", take)

    def _write_project(self) -> None:
        project = load(self._program / "Pulumi.yaml")
        # The engine requires `main` inside the project folder, hence the link.
        project["main"] = "program"
        # The current Python environment, unchanged. With uv the language host would sync it to the lock file before
        # each run, which needs the lock file beside the project and may access a package index.
        project["runtime"]["options"] |= {"toolchain": "pip", "virtualenv": str(Path(sys.prefix))}
        _replace(self.project / "Pulumi.yaml", yaml.safe_dump(project, sort_keys=False))
        link = self.project / "program"
        if not link.is_symlink() or link.readlink() != self._program:
            link.unlink(missing_ok=True)
            link.symlink_to(self._program)

    def _keep_passphrase(self) -> None:
        file = self.directory / "passphrase"
        if not file.exists() or not file.stat().st_size:
            _replace(file, secrets.token_urlsafe(32), 0o600)

    def _write_wrapper(self, followed: Followed | None) -> None:
        """The engine with the sandbox's environment, without the caller's engine settings."""
        lines = ["#!/bin/sh"]
        lines += [
            f"for name in $(env | sed -n 's/^\\({CONFIGURES}[A-Za-z0-9_]*\\)=.*/\\1/p'); do",
            f'  case $name in {REPORTS}*) ;; *) unset "$name" ;; esac',
            "done",
        ]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        lines += [f"export {RUNNER}=$$"]
        if followed:
            lines += [followed.line]
        lines += [f'exec pulumi --cwd {shlex.quote(str(self.project))} "$@"', ""]
        _replace(self.wrapper, "\n".join(lines), 0o755)


def main() -> int:
    """`python -m sandbox.workspace DIRECTORY STACK PROGRAM`: copy the settings again."""
    directory, stack, program = sys.argv[1:]
    try:
        Workspace(Path(directory), stack, {}, program=Path(program)).follow()
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Pulumi.{stack}.yaml has changed: its settings are updated", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
