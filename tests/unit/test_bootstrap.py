"""The pure parts of the set-up, and its steps with stand-ins for `go` and `pulumi`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))  # a folder of commands, not a package

import bootstrap  # noqa: E402
from bootstrap import BootstrapError, Pulumi  # noqa: E402


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.258.0", (3, 258, 0)),
        ("3.260.1-dev.0+abc", (3, 260, 1)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.25rc1 linux/amd64", (1, 25)),
        ("", None),
        ("pulumi: not a version", None),
    ],
)
def test_versions_are_read_from_what_tools_print(text: str, version: tuple[int, ...] | None) -> None:
    assert bootstrap.parse_version(text) == version


GOOD = Pulumi(Path("/opt/pulumi/pulumi"), (3, 258, 0), True)
NEWER = Pulumi(Path("/usr/bin/pulumi"), (4, 0, 0), True)
OLD = Pulumi(Path("/usr/local/bin/pulumi"), (3, 99, 0), True)
BROKEN = Pulumi(Path("/broken/pulumi"), None, True)
NO_HOST = Pulumi(Path("/alone/pulumi"), (3, 258, 0), False)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([GOOD, NEWER], GOOD),
        ([OLD, NEWER], NEWER),
        ([BROKEN, NO_HOST, GOOD], GOOD),
        ([OLD], None),
        ([NO_HOST], None),
        ([], None),
    ],
)
def test_the_first_usable_pulumi_on_path_is_chosen(found: list[Pulumi], chosen: Pulumi | None) -> None:
    assert bootstrap.choose_engine(found) == chosen


def test_the_reason_for_building_names_what_was_found() -> None:
    assert bootstrap.why_not([]) == "no pulumi on PATH"
    assert bootstrap.why_not([OLD]) == "/usr/local/bin/pulumi is 3.99.0, 3.258.0 or newer is needed"
    assert bootstrap.why_not([BROKEN]) == "/broken/pulumi is of unknown version, 3.258.0 or newer is needed"
    assert "no pulumi-language-python" in bootstrap.why_not([NO_HOST])


def test_the_pins_of_go_and_of_python_are_of_one_release() -> None:
    version = bootstrap.CLI_VERSION.removeprefix("v")
    assert bootstrap.show_version(bootstrap.MIN_PULUMI) == version
    assert f"pulumi=={version}\n" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(rf"pulumi/pkg/v3 v{version}\b", (ROOT / "tools/engine/go.mod").read_text(encoding="utf-8"))
    assert "pulumi/sdk/v3 v3.79.0" in (ROOT / "tools/language-host/go.mod").read_text(encoding="utf-8")


def test_every_requirement_is_pinned_exactly() -> None:
    for file in bootstrap.requirement_files(ROOT / bootstrap.DEV_SET):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"(#.*|-r \S+|[\w.-]+(\[\w+\])?==[\w.]+)?", line), f"{file.name}: {line}"


# --- stamps ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with three requirement sets and the pins of an engine."""
    (tmp_path / "requirements.txt").write_text("pulumi==1\n", encoding="utf-8")
    (tmp_path / bootstrap.SANDBOX_SET).write_text("-r requirements.txt\ndnslib==1\n", encoding="utf-8")
    (tmp_path / bootstrap.DEV_SET).write_text(f"-r {bootstrap.SANDBOX_SET}\npytest==1\n", encoding="utf-8")
    for module in ("engine", "language-host"):
        (tmp_path / "tools" / module).mkdir(parents=True)
        (tmp_path / "tools" / module / "go.mod").write_text("module x\n\ngo 1.25.11\n", encoding="utf-8")
        (tmp_path / "tools" / module / "go.sum").write_text("sum\n", encoding="utf-8")
    return tmp_path


def test_a_set_of_requirements_includes_what_it_refers_to(project: Path) -> None:
    names = [file.name for file in bootstrap.requirement_files(project / bootstrap.DEV_SET)]
    assert names == ["requirements.txt", bootstrap.SANDBOX_SET, bootstrap.DEV_SET]


def stamped_venv(project: Path, *sets: str, **changes: str) -> Path:
    executable(project / ".venv" / "bin" / "python", "exit 0")
    content = {"python": bootstrap.show_version(sys.version_info[:2]), "place": str(project)}
    content |= {name: bootstrap.digest(bootstrap.requirement_files(project / name)) for name in sets}
    bootstrap.write_stamp(project / ".venv" / "warp-edge.json", {**content, **changes})
    return project


def test_an_environment_is_current_until_something_it_depends_on_changes(project: Path) -> None:
    assert not bootstrap.venv_is_current(project, bootstrap.SANDBOX_SET)
    stamped_venv(project, bootstrap.SANDBOX_SET)
    assert bootstrap.venv_is_current(project, bootstrap.SANDBOX_SET)
    assert not bootstrap.venv_is_current(project, bootstrap.DEV_SET)
    stamped_venv(project, bootstrap.SANDBOX_SET, bootstrap.DEV_SET)
    assert bootstrap.venv_is_current(project, bootstrap.DEV_SET)
    for change in ({"python": "3.9"}, {"place": "/somewhere/else"}):
        stamped_venv(project, bootstrap.SANDBOX_SET, **change)
        assert not bootstrap.venv_is_current(project, bootstrap.SANDBOX_SET)
    stamped_venv(project, bootstrap.SANDBOX_SET)
    (project / "requirements.txt").write_text("pulumi==2\n", encoding="utf-8")
    assert not bootstrap.venv_is_current(project, bootstrap.SANDBOX_SET)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null"])
def test_a_stamp_cut_short_counts_as_none(tmp_path: Path, content: str) -> None:
    stamp = tmp_path / "stamp.json"
    stamp.write_text(content, encoding="utf-8")
    assert bootstrap.read_stamp(stamp) == {}
    bootstrap.write_stamp(stamp, {"a": "b"})
    assert bootstrap.read_stamp(stamp) == {"a": "b"}
    assert [path.name for path in tmp_path.iterdir()] == ["stamp.json"]


def test_the_engine_s_digest_follows_every_pin(project: Path) -> None:
    before = bootstrap.engine_digest(project / "tools")
    for module in ("engine", "language-host"):
        for name in ("go.mod", "go.sum"):
            pin = project / "tools" / module / name
            content = pin.read_text(encoding="utf-8")
            pin.write_text(f"{content}more\n", encoding="utf-8")
            assert bootstrap.engine_digest(project / "tools") != before
            pin.write_text(content, encoding="utf-8")
    assert bootstrap.engine_digest(project / "tools") == before


# --- finding ----------------------------------------------------------------------------------------------------------


def test_every_pulumi_on_path_is_asked_once_and_the_project_s_own_is_left_out(project: Path) -> None:
    asked = project / "asked"
    other = executable(project / "other" / "pulumi", f"echo asked >> {asked}; echo v3.300.0")
    executable(project / "other" / "pulumi-language-python", "exit 0")
    own = executable(project / ".engine" / "bin" / "pulumi", "echo v3.258.0").parent
    path = os.pathsep.join(map(str, [own, project / "missing", other.parent, other.parent]))
    cache = project / ".engine" / "found.json"
    for _ in range(2):
        assert bootstrap.find_pulumi(path, own, cache) == [Pulumi(other, (3, 300, 0), True)]
    assert asked.read_text(encoding="utf-8") == "asked\n"
    executable(other, "echo v3.301.0 # a newer one")
    assert bootstrap.find_pulumi(path, own, cache) == [Pulumi(other, (3, 301, 0), True)]


def test_the_project_s_own_language_host_does_not_complete_another_pulumi(project: Path) -> None:
    other = executable(project / "other" / "pulumi", "echo v3.300.0")
    own = executable(project / ".engine" / "bin" / "pulumi-language-python", "exit 0").parent
    path = os.pathsep.join(map(str, [own, other.parent]))
    assert [one.has_python_host for one in bootstrap.find_pulumi(path, own, project / "found.json")] == [False]


@pytest.mark.parametrize(
    ("have", "toolchain", "problem"),
    [
        ((1, 26, 8), "local", None),
        ((1, 25, 11), "local", None),
        ((1, 25, 10), "local", "Go 1.25.10 is too old"),
        ((1, 24), "auto", None),  # fetches 1.25.11 by itself
        ((1, 19, 8), "auto", "Go 1.19.8 is too old"),
        (None, "", "its version cannot be read"),
    ],
)
def test_a_go_that_cannot_build_the_engine_is_told_apart(
    have: tuple[int, ...] | None, toolchain: str, problem: str | None
) -> None:
    assert bootstrap.go_problem((1, 25, 11), have, toolchain) == problem


def test_the_needed_go_is_what_the_pinned_modules_ask_for() -> None:
    assert bootstrap.needed_go("module x\n\ngo 1.25.11\n") == (1, 25, 11)
    with pytest.raises(BootstrapError, match=r"go\.mod has no line"):
        bootstrap.needed_go("module x\n")


def test_the_environment_s_python_comes_before_the_engine_and_nothing_twice() -> None:
    path = "/engine:/usr/bin::/p/.venv/bin:/bin"
    given = bootstrap.environment(Path("/p"), Path("/engine"), path)
    assert given["PATH"] == "/p/.venv/bin:/engine:/usr/bin:/bin"
    assert given["PULUMI_SKIP_UPDATE_CHECK"] == "1"


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("go: dial tcp: lookup proxy: no such host", "a package registry could not be reached"),
        ("NewConnectionError: Failed to establish\nERROR: no match", "a package registry could not be reached"),
        (
            "ERROR: Could not find a version of x==1 (from versions: none)\nERROR: No match",
            "registry could not be reached",
        ),
        ("write x: no space left on device", "the disk is full"),
        ("first\nERROR: no matching distribution for nonsense==1\n\n", "failed: ERROR: no matching .*; do this"),
        ("", "failed: it said nothing; do this"),
    ],
)
def test_a_failed_step_is_one_line_with_cause_remedy_and_log(output: str, words: str) -> None:
    line = bootstrap.explain(output, Path("/p/build.log"), "pip install", "do this")
    assert re.search(words, line)
    assert "\n" not in line
    assert line.endswith("(log: /p/build.log)")


def test_the_output_of_a_step_goes_to_its_log_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "step.log"
    said = bootstrap.run("step", ["/bin/echo", "details"], cwd=tmp_path, log=log, remedy="x")
    assert said == "details\n"
    with pytest.raises(BootstrapError, match="step failed: it went wrong"):
        bootstrap.run("step", ["/bin/sh", "-c", "echo it went wrong >&2; exit 3"], cwd=tmp_path, log=log, remedy="x")
    assert "details\n" in log.read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")


def test_a_long_step_shows_that_it_works(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "HEARTBEAT_SECONDS", 0.05)
    bootstrap.run("building", ["/bin/sleep", "0.3"], cwd=tmp_path, log=tmp_path / "log", remedy="x")
    assert capfd.readouterr().err.splitlines()[0] == "  building: 0:00 so far"


def fake_go(folder: Path, *, build: str) -> str:
    """A `go` that knows the four commands the set-up uses."""
    sdk = folder / "sdk"
    for script in bootstrap.SDK_SCRIPTS:
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


BUILDS = 'name="$out/$(basename "$last")"; printf "#!/bin/sh\\necho v3.258.0\\n" > "$name"; chmod 755 "$name"'


def test_the_engine_is_complete_or_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = f'case "$last" in *language*) exit 1;; *) {BUILDS};; esac'
    monkeypatch.setenv("PATH", f"{fake_go(project, build=half)}:/usr/bin:/bin")
    with pytest.raises(BootstrapError, match=r"2/2 pulumi-language-python failed.*build\.log"):
        bootstrap.build_engine(project, "no pulumi on PATH")
    assert not (project / ".engine" / "bin").exists()
    monkeypatch.setenv("PATH", f"{fake_go(project, build=BUILDS)}:/usr/bin:/bin")
    bootstrap.build_engine(project, "no pulumi on PATH")
    assert bootstrap.engine_is_current(project)
    built = project / ".engine" / "bin"
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"):
        assert os.access(built / name, os.X_OK), name
    (project / "tools" / "engine" / "go.sum").write_text("newer\n", encoding="utf-8")
    assert not bootstrap.engine_is_current(project)
    bootstrap.build_engine(project, "the pins have changed")
    assert bootstrap.engine_is_current(project)
    assert sorted(path.name for path in (project / ".engine").iterdir()) == ["bin", "build.log"]


def test_an_engine_that_does_not_run_is_not_put_in_place(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = BUILDS.replace("v3.258.0", "v1.0.0")
    monkeypatch.setenv("PATH", f"{fake_go(project, build=wrong)}:/usr/bin:/bin")
    with pytest.raises(BootstrapError, match=r"the engine just built says 'v1\.0\.0' instead of v3\.258\.0"):
        bootstrap.build_engine(project, "no pulumi on PATH")
    assert not (project / ".engine" / "bin").exists()


def test_without_go_the_two_ways_out_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BootstrapError, match=r"no `go` on PATH; install Go 1\.25\.11 or newer .* or install Pulumi"):
        bootstrap.check_go(project)


def test_an_interrupted_step_ends_with_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
from pathlib import Path
import bootstrap
def steps(*_, **__):
    bootstrap.run("step", ["/bin/sh", "-c", "echo $$ > {pid_file}; sleep 60; true"], cwd=Path("/"),
                  log=Path({str(tmp_path / "log")!r}), remedy="x")
bootstrap.set_up = steps
sys.exit(bootstrap.main([]))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 10
        while not (pid_file.exists() and pid_file.read_text(encoding="utf-8").strip()) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "bootstrap: interrupted; the next run goes on from here\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text(encoding="utf-8")), 0)


def test_a_set_up_that_cannot_go_on_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> Path:
        raise BootstrapError("go is missing; install it")

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


def test_a_second_run_is_quick_and_silent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{fake_go(project, build=BUILDS)}:/usr/bin:/bin")
    shutil.copy(ROOT / "tools" / "bootstrap.py", project / "tools" / "bootstrap.py")
    (project / ".engine").mkdir()
    bootstrap.build_engine(project, "no pulumi on PATH")
    stamped_venv(project, bootstrap.SANDBOX_SET, bootstrap.DEV_SET)
    begin = time.monotonic()
    result = subprocess.run(
        [sys.executable, project / "tools" / "bootstrap.py"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert time.monotonic() - begin < 1.0  # 0.1 s on a quiet machine
    assert json.loads((project / ".engine" / "bin" / "stamp.json").read_text(encoding="utf-8"))["pins"]
