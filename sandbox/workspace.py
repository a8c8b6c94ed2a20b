"""A project folder beside a sandbox's cloud, in which the real engine runs this repository's program.

The engine writes into the folder of a stack's YAML (the salt of its passphrase), so it gets a folder of its own: the
repository's `Pulumi.yaml` with `main` pointing back here, and a copy of the stack's settings. State, passphrase and
workspace settings stay inside the sandbox's folder, apart from anything the user has of their own.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping
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
    """All or nothing: the salt in a stack's YAML is half of the key to its secrets, the passphrase the other."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        out.write(text)
    new.replace(file)


class Workspace:
    """One stack in one folder. `attach` is the environment that leads the engine to the sandbox's providers."""

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
        """A file that is there as long as the cloud may have more than the state knows (sandbox/recovery.py)."""
        return self.directory / f"recover-{self.stack}"

    @property
    def environment(self) -> dict[str, str]:
        """What the engine needs in its environment. Nobody's secret: the passphrase is in a file only its owner can
        read, and the token for Gandi opens the stand-in alone."""
        return {
            # The environment's Python first, as the language host takes the first one. `make` puts the engine that
            # tools/bootstrap.py chose before the rest; the one built here is for whoever starts us without it.
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"], str(ROOT / ".engine" / "bin")]),
            "PULUMI_HOME": str(self.directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.directory / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            checkpoints.RETAIN: "true",
            MARK: str(self.directory),
            **self._attach,
        }

    def prepare(self, config: Mapping[str, Any] | None = None) -> None:
        """Write the project folder and make sure the stack exists. Repeatable. Raises `SandboxError`.

        `config` replaces the settings of `Pulumi.<stack>.yaml`.
        """
        wanted = self.shipped_settings() if config is None else config
        for folder in ("home", "state", "project"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self._keep_passphrase()
        checkpoints.mend(self.directory / "state", self.stack, self.note)
        self._write_project()
        self.configure(wanted)
        self._write_wrapper(follow=config is None)
        # Quick where it exists already; another error than "no such stack" shows again, in full, in `init`.
        if self.cli.run("stack", "select", self.stack).returncode:
            self.cli.text("stack", "init", self.stack)

    def shipped_settings(self) -> dict[str, Any]:
        """The settings in `Pulumi.<stack>.yaml`, key to value. Raises `SandboxError`."""
        return settings(self._shipped)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Give the stack these settings, key to value."""
        file = self.project / f"Pulumi.{self.stack}.yaml"
        written = {"config": dict(config), **self._salt(file)}
        _replace(file, yaml.safe_dump(written, sort_keys=False))

    def _salt(self, file: Path) -> dict[str, Any]:
        """The engine's line in the YAML; from the state where it was cut off while it wrote the YAML."""
        try:
            salt = load(file).get(SALT) if file.exists() else None
        except SandboxError:
            salt = checkpoints.salt(self.directory / "state", self.stack)
        return {SALT: salt} if salt else {}

    def follow(self) -> None:
        """Take the settings anew from `Pulumi.<stack>.yaml`: what `wrapper` does when that has changed."""
        self._write_project()
        self.configure(self.shipped_settings())
        self._seen.write_bytes(self._shipped.read_bytes())

    @property
    def _shipped(self) -> Path:
        return self._program / f"Pulumi.{self.stack}.yaml"

    @property
    def _seen(self) -> Path:
        """The shipped settings as they were when they were last taken over."""
        return self.project / f".Pulumi.{self.stack}.seen"

    def _write_project(self) -> None:
        project = load(self._program / "Pulumi.yaml")
        # The engine wants `main` inside the project folder, so it goes through a link.
        project["main"] = "program"
        # The environment that runs us, as it is. With uv the language host would bring it to what the lock says before
        # each run, which needs the lock beside the project and may ask a package index.
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

    def _write_wrapper(self, *, follow: bool) -> None:
        """The engine with the sandbox's own environment, and nothing of the caller's that configures it. With `follow`
        it looks first whether the shipped settings have changed: a check must not pass on old ones."""
        lines = ["#!/bin/sh"]
        lines += [
            f"for name in $(env | sed -n 's/^\\({CONFIGURES}[A-Za-z0-9_]*\\)=.*/\\1/p'); do",
            f'  case $name in {REPORTS}*) ;; *) unset "$name" ;; esac',
            "done",
        ]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        lines += [f"export {RUNNER}=$$"]
        if follow:
            self._seen.write_bytes(self._shipped.read_bytes())
            seen, shipped, python = (shlex.quote(str(each)) for each in (self._seen, self._shipped, sys.executable))
            these = shlex.join([str(self.directory), self.stack, str(self._program)])
            take = f"PYTHONPATH={shlex.quote(str(ROOT))} {python} -m sandbox.workspace {these}"
            lines += [f"cmp -s {shipped} {seen} || {take} >&2 || exit"]
        lines += [f'exec pulumi --cwd {shlex.quote(str(self.project))} "$@"', ""]
        _replace(self.wrapper, "\n".join(lines), 0o755)


def main() -> int:
    """`python -m sandbox.workspace DIRECTORY STACK PROGRAM`: take the shipped settings over."""
    directory, stack, program = sys.argv[1:]
    try:
        Workspace(Path(directory), stack, {}, program=Path(program)).follow()
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Pulumi.{stack}.yaml has changed: its settings are taken over", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
