"""A program built once into `.engine/` from a pinned Go module of tools/. Standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pulumi_engine import find_go
from steps import digest, only_one, read_stamp, run, say, write_stamp


@dataclass(frozen=True)
class GoTool:
    """`module`: its folder with go.mod and go.sum; `what`: the same program in words, for errors."""

    name: str
    module: str
    package: str
    what: str

    def pins(self, root: Path) -> str:
        """The files that determine the build."""
        return digest([root / self.module / name for name in ("go.mod", "go.sum")], *os.uname()[::4])

    def build(self, root: Path) -> Path:
        """The executable, rebuilt if the pins have changed since the last build."""
        folder, engine = root / ".engine" / self.name, root / ".engine"
        executable, stamp, log = folder / self.name, folder / "stamp.json", engine / f"{self.name}.log"
        if executable.exists() and read_stamp(stamp).get("pins") == self.pins(root):
            return executable
        with only_one(engine / f"{self.name}.lock"):
            if not executable.exists() or read_stamp(stamp).get("pins") != self.pins(root):
                go = find_go(root / self.module / "go.mod", self.what)
                say(f"Building {self.name} from its pinned Go module into .engine (once, half a minute).")
                stamp.unlink(missing_ok=True)
                log.unlink(missing_ok=True)
                folder.mkdir(parents=True, exist_ok=True)
                run(
                    self.name,
                    [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o", executable, self.package],
                    cwd=root / self.module,
                    log=log,
                    remedy="check that tools/ is unchanged and that the module proxy in `go env` answers",
                    env={"GOFLAGS": "", "GOWORK": "off", "GOOS": "", "GOARCH": "", "CGO_ENABLED": "0"},
                )
                write_stamp(stamp, {"pins": self.pins(root)})
        return executable
