"""A project folder beside a sandbox's cloud, in which the real engine runs this repository's program.

The engine writes into the folder of a stack's YAML (the salt of its passphrase), so it gets a folder of its own: the
repository's `Pulumi.yaml` with `main` pointing back here, and a copy of the stack's settings. State, passphrase and
workspace settings stay inside the sandbox's folder, apart from anything the user has of their own.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine_cli import Cli
from settings.problems import PROJECT

ROOT = Path(__file__).resolve().parent.parent
SALT = "encryptionsalt"


def _replace(file: Path, text: str) -> None:
    """All or nothing: the salt in a stack's YAML is half of the key to its secrets."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    return True


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
        return Cli(self.project, self.stack, self.environment)

    @property
    def wrapper(self) -> Path:
        """A command that runs the engine on this stack from anywhere."""
        return self.directory / "pulumi"

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
            **self._attach,
        }

    def prepare(self, config: Mapping[str, Any] | None = None) -> None:
        """Write the project folder and make sure the stack exists. Repeatable.

        `config` replaces the settings of `Pulumi.<stack>.yaml`.
        """
        for folder in ("home", "state", "project"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self._keep_passphrase()
        self._mend_checkpoint()
        self._write_project()
        self.configure(config if config is not None else self.shipped_settings())
        self._write_wrapper()
        # Quick where it exists already; another error than "no such stack" shows again, in full, in `init`.
        if self.cli.run("stack", "select", self.stack).returncode:
            self.cli.text("stack", "init", self.stack)

    def shipped_settings(self) -> dict[str, Any]:
        """The settings in `Pulumi.<stack>.yaml`, key to value."""
        return dict(self._settings(self._program)["config"])

    def configure(self, config: Mapping[str, Any]) -> None:
        """Give the stack these settings, key to value."""
        written = {"config": dict(config)}
        if salt := self._settings(self.project).get(SALT):
            written[SALT] = salt
        _replace(self._settings_file(self.project), yaml.safe_dump(written, sort_keys=False))

    def _settings_file(self, folder: Path) -> Path:
        return folder / f"Pulumi.{self.stack}.yaml"

    def _settings(self, folder: Path) -> dict[str, Any]:
        file = self._settings_file(folder)
        return dict(yaml.safe_load(file.read_text()) or {}) if file.exists() else {}

    def _write_project(self) -> None:
        project = yaml.safe_load((self._program / "Pulumi.yaml").read_text())
        # The engine wants `main` inside the project folder, so it goes through a link.
        project["main"] = "program"
        # The environment that runs us, as it is. With uv the language host would bring it to what the lock says before
        # each run, which needs the lock beside the project and may ask a package index.
        project["runtime"]["options"] |= {"toolchain": "pip", "virtualenv": str(Path(sys.prefix))}
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
        link = self.project / "program"
        if not link.is_symlink() or link.readlink() != self._program:
            link.unlink(missing_ok=True)
            link.symlink_to(self._program)

    def _mend_checkpoint(self) -> None:
        """An engine killed while it writes leaves a cut file behind: the state, or the attributes beside it.

        The state before lies beside it as well; attributes (content type, checksum) are nothing the engine needs.
        """
        folder = self.directory / "state" / ".pulumi" / "stacks" / PROJECT
        for attributes in folder.glob(f"{self.stack}.json*.attrs"):
            if not _is_json(attributes):
                attributes.unlink()
        checkpoint = folder / f"{self.stack}.json"
        backup = checkpoint.with_suffix(".json.bak")
        if checkpoint.exists() and backup.exists() and not _is_json(checkpoint):
            backup.replace(checkpoint)

    def _keep_passphrase(self) -> None:
        file = self.directory / "passphrase"
        if not file.exists() or not file.stat().st_size:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_urlsafe(32))

    def _write_wrapper(self) -> None:
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.environment.items())
        self.wrapper.write_text(f'#!/bin/sh\n{exports}\nexec pulumi --cwd {shlex.quote(str(self.project))} "$@"\n')
        self.wrapper.chmod(0o755)
