"""Which engine is used, and how one is built, with stand-ins for `go` and `pulumi`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.toolchain import BUILDS, ROOT, executable, fake_go, project_folder, pulumi_engine, steps


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_folder(tmp_path)


GOOD = pulumi_engine.Pulumi(Path("/opt/pulumi/pulumi"), pulumi_engine.MIN_PULUMI, True)
NEWER = pulumi_engine.Pulumi(Path("/usr/bin/pulumi"), (4, 0, 0), True)
OLD = pulumi_engine.Pulumi(Path("/usr/local/bin/pulumi"), (3, 99, 0), True)
BROKEN = pulumi_engine.Pulumi(Path("/broken/pulumi"), None, True)
NO_HOST = pulumi_engine.Pulumi(Path("/alone/pulumi"), pulumi_engine.MIN_PULUMI, False)


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
def test_the_first_usable_pulumi_on_path_is_chosen(
    found: list[pulumi_engine.Pulumi], chosen: pulumi_engine.Pulumi | None
) -> None:
    assert pulumi_engine.choose_engine(found) == chosen


def test_the_reason_for_building_names_what_was_found() -> None:
    assert pulumi_engine.why_not([]) == "no pulumi on PATH"
    needed = steps.show_version(pulumi_engine.MIN_PULUMI)
    assert pulumi_engine.why_not([OLD]) == f"/usr/local/bin/pulumi is 3.99.0, {needed} or newer is required"
    assert pulumi_engine.why_not([BROKEN]) == f"/broken/pulumi is of unknown version, {needed} or newer is required"
    assert "no pulumi-language-python" in pulumi_engine.why_not([NO_HOST])


def test_an_engine_as_new_as_the_pinned_one_will_do_and_the_language_host_is_the_last_module() -> None:
    assert f"v{steps.show_version(pulumi_engine.MIN_PULUMI)}" == pulumi_engine.CLI_VERSION
    assert "pulumi/sdk/v3 v3.79.0" in (ROOT / "tools/language-host/go.mod").read_text(encoding="utf-8")


def test_the_engine_s_digest_follows_every_pin(project: Path) -> None:
    before = pulumi_engine.engine_digest(project / "tools")
    for module in ("engine", "language-host"):
        for name in ("go.mod", "go.sum"):
            pin = project / "tools" / module / name
            content = pin.read_text(encoding="utf-8")
            pin.write_text(f"{content}more\n", encoding="utf-8")
            assert pulumi_engine.engine_digest(project / "tools") != before
            pin.write_text(content, encoding="utf-8")
    assert pulumi_engine.engine_digest(project / "tools") == before


def test_every_pulumi_on_path_is_asked_once_and_the_project_s_own_is_left_out(project: Path) -> None:
    asked = project / "asked"
    other = executable(project / "other" / "pulumi", f"echo asked >> {asked}; echo v3.300.0")
    executable(project / "other" / "pulumi-language-python", "exit 0")
    own = executable(project / ".engine" / "bin" / "pulumi", f"echo {pulumi_engine.CLI_VERSION}").parent
    path = os.pathsep.join(map(str, [own, project / "missing", other.parent, other.parent]))
    cache = project / ".engine" / "found.json"
    for _ in range(2):
        assert pulumi_engine.find_pulumi(path, own, cache) == [pulumi_engine.Pulumi(other, (3, 300, 0), True)]
    assert asked.read_text(encoding="utf-8") == "asked\n"
    executable(other, "echo v3.301.0 # a newer one")
    assert pulumi_engine.find_pulumi(path, own, cache) == [pulumi_engine.Pulumi(other, (3, 301, 0), True)]


def test_the_project_s_own_language_host_does_not_complete_another_pulumi(project: Path) -> None:
    other = executable(project / "other" / "pulumi", "echo v3.300.0")
    own = executable(project / ".engine" / "bin" / "pulumi-language-python", "exit 0").parent
    path = os.pathsep.join(map(str, [own, other.parent]))
    assert [one.has_python_host for one in pulumi_engine.find_pulumi(path, own, project / "found.json")] == [False]


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
def test_a_go_that_cannot_build_the_engine_is_recognised(
    have: tuple[int, ...] | None, toolchain: str, problem: str | None
) -> None:
    assert pulumi_engine.go_problem((1, 25, 11), have, toolchain) == problem


def test_the_needed_go_is_what_the_pinned_modules_ask_for() -> None:
    assert pulumi_engine.needed_go("module x\n\ngo 1.25.11\n") == (1, 25, 11)
    with pytest.raises(steps.BootstrapError, match=r"go\.mod has no line"):
        pulumi_engine.needed_go("module x\n")


def test_the_engine_is_complete_or_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = f'case "$last" in *language*) exit 1;; *) {BUILDS};; esac'
    monkeypatch.setenv("PATH", f"{fake_go(project, build=half)}:/usr/bin:/bin")
    with pytest.raises(steps.BootstrapError, match=r"2/2 pulumi-language-python failed.*build\.log"):
        pulumi_engine.build_engine(project, "no pulumi on PATH")
    assert not (project / ".engine" / "bin").exists()
    monkeypatch.setenv("PATH", f"{fake_go(project, build=BUILDS)}:/usr/bin:/bin")
    pulumi_engine.build_engine(project, "no pulumi on PATH")
    assert pulumi_engine.engine_is_current(project)
    built = project / ".engine" / "bin"
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"):
        assert os.access(built / name, os.X_OK), name
    (project / "tools" / "engine" / "go.sum").write_text("newer\n", encoding="utf-8")
    assert not pulumi_engine.engine_is_current(project)
    pulumi_engine.build_engine(project, "the pins have changed")
    assert pulumi_engine.engine_is_current(project)
    left = {path.name for path in (project / ".engine").iterdir()} - {"postgres"}
    assert left == {"bin", "build.log"}


def test_an_engine_that_does_not_run_is_not_put_in_place(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = BUILDS.replace(pulumi_engine.CLI_VERSION, "v1.0.0")
    monkeypatch.setenv("PATH", f"{fake_go(project, build=wrong)}:/usr/bin:/bin")
    with pytest.raises(steps.BootstrapError, match=r"the engine just built reports version 'v1\.0\.0' instead of v3\."):
        pulumi_engine.build_engine(project, "no pulumi on PATH")
    assert not (project / ".engine" / "bin").exists()


def test_without_go_the_two_ways_out_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        steps.BootstrapError, match=r"no `go` on PATH; install Go 1\.25\.11 or newer .* or install Pulumi"
    ):
        pulumi_engine.check_go(project)
