"""The command that sets up the toolchain, and what its steps have in common."""

from __future__ import annotations

import ast
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.toolchain import (
    BUILDS,
    ROOT,
    bootstrap,
    fake_go,
    project_folder,
    pulumi_engine,
    python_environment,
    stamped_venv,
    steps,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.260.0", (3, 260, 0)),
        ("3.260.1-dev.0+abc", (3, 260, 1)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.25rc1 linux/amd64", (1, 25)),
        ("", None),
        ("pulumi: not a version", None),
    ],
)
def test_versions_are_read_from_what_tools_print(text: str, version: tuple[int, ...] | None) -> None:
    assert steps.parse_version(text) == version


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null"])
def test_a_stamp_cut_short_counts_as_none(tmp_path: Path, content: str) -> None:
    stamp = tmp_path / "stamp.json"
    stamp.write_text(content, encoding="utf-8")
    assert steps.read_stamp(stamp) == {}
    steps.write_stamp(stamp, {"a": "b"})
    assert steps.read_stamp(stamp) == {"a": "b"}
    assert [path.name for path in tmp_path.iterdir()] == ["stamp.json"]


def test_the_environment_s_python_comes_before_the_engine_and_nothing_twice() -> None:
    path = "/engine:/usr/bin::/p/.venv/bin:/bin"
    given = bootstrap.environment(Path("/p"), Path("/engine"), path)
    assert given["PATH"] == "/p/.venv/bin:/engine:/usr/bin:/bin"
    assert given["PULUMI_SKIP_UPDATE_CHECK"] == "1"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("go: dial tcp: lookup proxy: no such host", "a package registry could not be reached"),
        ("NewConnectionError: Failed to establish\nERROR: no match", "a package registry could not be reached"),
        (
            "ERROR: Could not find a version of x==1 (from versions: none)\nERROR: No match",
            "registry could not be reached",
        ),
        (
            "Err:1 bookworm InRelease\n  Temporary failure resolving 'mirror'\nE: Unable to locate package x",
            "registry could not be reached",
        ),
        ("write x: no space left on device", "the disk is full"),
        ("first\nERROR: no matching distribution for nonsense==1\n\n", "failed: ERROR: no matching .*; do this"),
        ("", "failed: no output; do this"),
    ],
)
def test_a_failed_step_is_one_line_with_cause_remedy_and_log(output: str, words: str) -> None:
    line = steps.explain(output, Path("/p/build.log"), "pip install", "do this")
    assert re.search(words, line)
    assert "\n" not in line
    assert line.endswith("(log: /p/build.log)")


def test_the_output_of_a_step_goes_to_its_log_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "step.log"
    said = steps.run("step", ["/bin/echo", "details"], cwd=tmp_path, log=log, remedy="x")
    assert said == "details\n"
    with pytest.raises(steps.BootstrapError, match="step failed: it went wrong"):
        steps.run("step", ["/bin/sh", "-c", "echo it went wrong >&2; exit 3"], cwd=tmp_path, log=log, remedy="x")
    assert "details\n" in log.read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")


def test_a_long_step_shows_that_it_works(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "HEARTBEAT_SECONDS", 0.05)
    steps.run("building", ["/bin/sleep", "0.3"], cwd=tmp_path, log=tmp_path / "log", remedy="x")
    assert capfd.readouterr().err.splitlines()[0] == "  building: 0:00 so far"


WHILE_IT_STARTS = """
class Interrupted(subprocess.Popen):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        while not (pid_file.exists() and pid_file.read_text().strip()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
subprocess.Popen = Interrupted
"""


@pytest.mark.parametrize("patch", ["", WHILE_IT_STARTS], ids=["at any time", "while the tool is started"])
def test_an_interrupted_step_ends_with_what_it_started(tmp_path: Path, patch: str) -> None:
    pid_file = tmp_path / "pid"
    script = f"""
import os, signal, subprocess, sys, time
sys.path.insert(0, {str(ROOT / "tools")!r})
from pathlib import Path
import bootstrap, steps
def long_step(*_, **__):
    steps.run("step", ["/bin/sh", "-c", "echo $$ > {pid_file}; sleep 600; true"], cwd=Path("/"),
                  log=Path({str(tmp_path / "log")!r}), remedy="x")
bootstrap.set_up = long_step
pid_file = Path({str(pid_file)!r})
{patch}
sys.exit(bootstrap.main([]))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (pid_file.exists() and pid_file.read_text(encoding="utf-8").strip()) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not patch:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "bootstrap: interrupted; the next run continues from here\n")
    started, deadline = Path("/proc") / pid_file.read_text(encoding="utf-8").strip(), time.monotonic() + 60
    while runs(started):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(process: Path) -> bool:
    """Whether it is running; a zombie is not."""
    try:
        return (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_set_up_that_cannot_go_on_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> Path:
        raise steps.BootstrapError("go is missing; install it")

    def full(*_: object, **__: object) -> Path:
        raise OSError(28, "No space left on device", "/p/.engine")

    monkeypatch.setattr(bootstrap, "set_up", failing)
    assert bootstrap.main(["--print-env"]) == 1
    assert capsys.readouterr() == ("", "bootstrap: go is missing; install it\n")
    monkeypatch.setattr(bootstrap, "set_up", full)
    assert bootstrap.main([]) == 1
    assert capsys.readouterr().err.startswith("bootstrap: /p/.engine: No space left on device; ")


def test_the_lines_to_evaluate_survive_odd_folder_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Path("/tmp/a b'c$d")
    monkeypatch.setattr(bootstrap, "ROOT", odd)
    monkeypatch.setattr(bootstrap, "set_up", lambda *_, **__: odd / ".engine" / "bin")
    assert bootstrap.main(["--print-env"]) == 0
    shell = f'{capsys.readouterr().out}\nprintf "%s" "$PATH"'
    said = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{odd}/.venv/bin:{odd}/.engine/bin:")


def written(folder: Path) -> dict[Path, int]:
    """Every file with the time of its last change."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_a_second_run_is_silent_and_does_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{fake_go(project, build=BUILDS)}:/usr/bin:/bin")
    for module in (ROOT / "tools").glob("*.py"):
        shutil.copy(module, project / "tools")
    (project / ".engine").mkdir(exist_ok=True)
    pulumi_engine.build_engine(project, "no pulumi on PATH")
    stamped_venv(project, python_environment.SANDBOX_SET, python_environment.DEV_SET)
    before = written(project)
    result = subprocess.run(
        [sys.executable, "-B", project / "tools" / "bootstrap.py"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert written(project) == before
    assert json.loads((project / ".engine" / "bin" / "stamp.json").read_text(encoding="utf-8"))["pins"]


def test_a_python_too_old_for_the_program_gets_as_far_as_saying_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ROOT / "tools").glob("*.py"):
        ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(
        steps.BootstrapError, match=r"3\.11 or newer is required; install one and start tools/bootstrap\.py"
    ):
        python_environment.check_python()
