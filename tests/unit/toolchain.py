"""The modules of `tools/`, which is a folder of commands and no package, and stand-ins for what they call."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import actionlint  # noqa: E402
import bootstrap  # noqa: E402
import debian_packages  # noqa: E402
import pulumi_engine  # noqa: E402
import python_environment  # noqa: E402
import steps  # noqa: E402

__all__ = ["ROOT", "actionlint", "bootstrap", "debian_packages", "pulumi_engine", "python_environment", "steps"]


BUILDS = 'name="$out/$(basename "$last")"; printf "#!/bin/sh\\necho v3.260.0\\n" > "$name"; chmod 755 "$name"'


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def project_folder(tmp_path: Path) -> Path:
    """A project folder with three requirement sets and the pins of an engine."""
    (tmp_path / "requirements.txt").write_text("pulumi==1\n", encoding="utf-8")
    (tmp_path / python_environment.SANDBOX_SET).write_text("-r requirements.txt\ndnslib==1\n", encoding="utf-8")
    (tmp_path / python_environment.DEV_SET).write_text(
        f"-r {python_environment.SANDBOX_SET}\npytest==1\n", encoding="utf-8"
    )
    for module in ("engine", "language-host"):
        (tmp_path / "tools" / module).mkdir(parents=True)
        (tmp_path / "tools" / module / "go.mod").write_text("module x\n\ngo 1.25.11\n", encoding="utf-8")
        (tmp_path / "tools" / module / "go.sum").write_text("sum\n", encoding="utf-8")
    return tmp_path


def stamped_venv(project: Path, *sets: str, **changes: str) -> Path:
    executable(project / ".venv" / "bin" / "python", "exit 0")
    content = {"python": steps.show_version(sys.version_info[:2]), "place": str(project)}
    content |= {name: steps.digest(python_environment.requirement_files(project / name)) for name in sets}
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
