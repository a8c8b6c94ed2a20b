"""The modules of `tools/`, which is a folder of commands and no package, and stand-ins for what they call."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import actionlint  # noqa: E402
import bootstrap  # noqa: E402
import debian_packages  # noqa: E402
import get_uv  # noqa: E402
import known_faults  # noqa: E402
import pins  # noqa: E402
import postgres_versions  # noqa: E402
import pulumi_engine  # noqa: E402
import python_environment  # noqa: E402
import python_lock  # noqa: E402
import steps  # noqa: E402

__all__ = [
    "ROOT",
    "actionlint",
    "bootstrap",
    "debian_packages",
    "get_uv",
    "known_faults",
    "pins",
    "postgres_versions",
    "pulumi_engine",
    "python_environment",
    "python_lock",
    "steps",
]

SAYS = f'"#!/bin/sh\\necho {pulumi_engine.CLI_VERSION}\\n"'
BUILDS = f'name="$out/$(basename "$last")"; printf {SAYS} > "$name"; chmod 755 "$name"'


LOCK = """\
version = 1

[[package]]
name = "uv"
version = "0.9.1"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://files.example/uv-0.9.1.tar.gz", hash = "sha256:0" }
wheels = [
    { url = "https://files.example/uv-0.9.1-one.whl", hash = "sha256:1" },
    { url = "https://files.example/uv-0.9.1-two.whl", hash = "sha256:2" },
]
"""


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def project_folder(tmp_path: Path) -> Path:
    """A project folder with a lock, the pins of an engine, and PostgreSQL's versions already there."""
    (tmp_path / postgres_versions.PINS).mkdir(parents=True)
    (tmp_path / postgres_versions.LOCK).write_text("{}", encoding="utf-8")
    versions = tmp_path / postgres_versions.FOLDER / "stamp.json"
    steps.write_stamp(versions, {"lock": steps.digest([tmp_path / postgres_versions.LOCK])})
    (tmp_path / get_uv.LOCK).write_text(LOCK, encoding="utf-8")
    for module in ("engine", "language-host"):
        (tmp_path / "tools" / module).mkdir(parents=True)
        (tmp_path / "tools" / module / "go.mod").write_text("module x\n\ngo 1.25.11\n", encoding="utf-8")
        (tmp_path / "tools" / module / "go.sum").write_text("sum\n", encoding="utf-8")
    return tmp_path


def stamped_venv(project: Path, *sets: str, **changes: str) -> Path:
    executable(project / ".venv" / "bin" / "python", "exit 0")
    content = {"python": steps.show_version(sys.version_info[:2]), "place": str(project)}
    content |= {name: steps.digest([project / get_uv.LOCK]) for name in sets}
    steps.write_stamp(project / ".venv" / "warp-edge.json", {**content, **changes})
    return project


def fake_go(folder: Path, *, build: str) -> str:
    """A `go` that knows the four commands the set-up uses."""
    sdk = folder / "sdk"
    for script in pulumi_engine.SDK_SCRIPTS:
        (sdk / script).parent.mkdir(parents=True, exist_ok=True)
        (sdk / script).write_text("#!/bin/sh\n", encoding="utf-8")
        (sdk / script).chmod(0o444)
    script = f"""
case "$1" in
version) echo "go version go1.26.8 linux/amd64";;
env) echo local;;
list) echo {sdk};;
build) for word; do [ "$last" = -o ] && out=$word; last=$word; done; {build};;
esac"""
    return str(executable(folder / "go-bin" / "go", script).parent)
