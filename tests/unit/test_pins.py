"""The pins agree wherever they stand, none is known to be faulty, and the update bot finds them all."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.toolchain import ROOT, debian_packages, known_faults, pins, pulumi_engine, steps

COMMAND = [sys.executable, "tools/pins.py"]
ROW = "| 2026-09-03 | x | 1.2.0 | 1.10.0 | refused | it drops updates | nothing | take 1.10.1 | a source |"
TABLE = f"# Title\n\n| {' | '.join(known_faults.COLUMNS)} |\n|---|---|---|---|---|---|---|---|---|\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of every file that states a version, of the faults, and of the command."""
    files = {file for places in pins.PLACES.values() for file, _ in places} | {pins.LOCK, known_faults.PAGE}
    for name in (*files, "tools/pins.py", "tools/known_faults.py", "tools/steps.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_the_pins_of_this_repository_agree_and_none_is_faulty(project: Path) -> None:
    assert pins.problems(ROOT) == []
    done = subprocess.run(COMMAND, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in pins.PLACES for place in pins.PLACES[name]])
def test_a_place_left_behind_is_named_with_both_versions(project: Path, name: str, place: tuple[str, str]) -> None:
    file, pattern = project / place[0], re.compile(place[1], re.MULTILINE)
    home = pins.PLACES[name][0]
    found = pattern.search(file.read_text(encoding="utf-8"))
    assert found
    text = found.string
    file.write_text(f"{text[: found.start(1)]}0.0.7{text[found.end(1) :]}", encoding="utf-8")
    said = pins.disagreements(project)
    assert said
    assert all(f" {name} " in line and "0.0.7" in line for line in said)
    if place != home:
        assert f"\n  -> this version is chosen in {home[0]}; change {place[0]}" in said[0]
    file.write_text(pattern.sub("", text), encoding="utf-8")
    assert any(f"{place[0]} no longer states a version of {name}" in line for line in pins.disagreements(project))


def test_a_pin_that_is_known_to_be_faulty_is_refused_with_range_fault_and_remedy(project: Path) -> None:
    version = pins.locked(ROOT)["pulumi-gcp"]
    for file in ("pyproject.toml", "local_cloud/gcp/provider.py"):
        change(project / file, version, "9.35.0")
    change(
        project / pins.LOCK, f'name = "pulumi-gcp"\nversion = "{version}"', 'name = "pulumi-gcp"\nversion = "9.35.0"'
    )
    done = subprocess.run(COMMAND, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "pins: pulumi-gcp is pinned to 9.35.0, which is faulty (9.35.0 to 9.36.0, docs/known-faults.md, 2026-09-03): "
        "every update of a DatabaseInstance's `settings` sends the old values and succeeds\n"
        "  -> 9.36.1 or later, then one `pulumi up`\n"
    )


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ("1.1.9", False),
        ("1.2.0", True),
        ("1.9.3", True),
        ("1.10.0", True),
        ("1.10.1", False),
        ("1.2", False),
        ("1.3.post1", True),
    ],
)
def test_a_range_includes_its_ends_and_versions_are_numbers(version: str, faulty: bool) -> None:
    (fault,) = known_faults.read(TABLE + ROW)
    assert bool(known_faults.refused({"x": version}, [fault])) is faulty
    assert known_faults.refused({"x": "1.5.0"}, known_faults.read(TABLE + ROW.replace("refused", "lived with"))) == []


@pytest.mark.parametrize(("bounds", "version"), [(("-", "1.10.0"), "0.1"), (("1.2.0", "-"), "99")])
def test_a_range_may_be_open(bounds: tuple[str, str], version: str) -> None:
    row = ROW.replace("| 1.2.0 | 1.10.0 |", f"| {bounds[0]} | {bounds[1]} |")
    (said,) = known_faults.refused({"x": version}, known_faults.read(TABLE + row))
    assert "all earlier ones to 1.10.0" in said or "1.2.0 to all later ones" in said


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "has no table of faults"),
        (TABLE, "has no table of faults"),
        (TABLE.replace("| pin |", "|") + ROW, r":3: the columns are date, what, from, to, pin"),
        (TABLE + ROW.replace("| nothing ", ""), r":5: a fault has 9 cells"),
        (TABLE + ROW.replace("| nothing |", "| |"), r":5: a fault has 9 cells, none empty"),
        (TABLE + ROW.replace("2026-09-03", "3.9.2026"), r":5: .*a date is 2026-09-03"),
        (TABLE + ROW.replace("1.2.0", "1.2.x"), r":5: .*a version 9\.36\.1 or -"),
        (TABLE + ROW.replace("1.2.0", "1.11.0"), r":5: 1\.10\.0 is before 1\.11\.0; swap"),
        (TABLE + ROW.replace("refused", "maybe"), r":5: `pin` is 'maybe'"),
        (
            f"{TABLE}{ROW}\n{ROW.replace('2026', '2027')}",
            r":6: 2027-09-03 is below 2026-09-03; the newest has to be on top",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(table: str, problem: str) -> None:
    with pytest.raises(steps.BootstrapError, match=problem):
        known_faults.read(table)


def test_a_row_about_something_that_is_not_pinned_says_so() -> None:
    (said,) = known_faults.refused({}, known_faults.read(TABLE + ROW))
    assert "x is not pinned, its row of 2026-09-03 says `refused`" in said
    assert known_faults.refused({}, known_faults.read(TABLE + ROW.replace("refused", "-"))) == []


def test_every_fault_has_a_source_that_others_can_read_or_says_that_we_saw_it() -> None:
    for fault in known_faults.read((ROOT / known_faults.PAGE).read_text(encoding="utf-8")):
        assert "](https://" in fault.source or fault.source.endswith("seen by us"), fault


def test_readme_and_runners_ask_for_a_go_that_builds_every_module() -> None:
    modules = {file: pulumi_engine.needed_go(file.read_text()) for file in (ROOT / "tools").glob("*/go.mod")}
    engine = ROOT / "tools" / "engine" / "go.mod"
    assert modules[engine] == max(modules.values())
    assert f"go-version-file: {engine.relative_to(ROOT)}" in (ROOT / ".github/workflows/checks.yml").read_text()


def managers() -> list[tuple[list[str], list[str], str]]:
    """The update bot's own patterns: of files, of versions, and what they are versions of."""
    config = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
    return [
        (each["managerFilePatterns"], each["matchStrings"], each["depNameTemplate"])
        for each in config["customManagers"]
    ]


def found_by_the_bot(file: str) -> set[tuple[str, str]]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return {
        (name, version)
        for files, patterns, name in managers()
        if any(re.search(each.strip("/"), file) for each in files)
        for pattern in patterns
        for version in re.findall(pattern.replace("(?<", "(?P<"), text)
    }


def test_the_update_bot_finds_every_place_that_no_manager_of_its_own_reads() -> None:
    """pyproject.toml and go.mod it reads by itself; a place added to tools/pins.py is added there."""
    own = ("pyproject.toml", "tools/*/go.mod")
    names = {"pulumi": "pulumi/pulumi"}
    for name, places in pins.PLACES.items():
        for file, pattern in places:
            if name == "Go" or any(fnmatch.fnmatch(file, each) for each in own):
                continue
            for version in re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE):
                assert (names.get(name, name), version) in found_by_the_bot(file), f"{file}: {name} {version}"


def test_what_belongs_together_moves_together() -> None:
    rules = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))["packageRules"]
    groups = {
        name: rule["groupName"] for rule in rules for name in rule.get("matchPackageNames", ()) if "groupName" in rule
    }
    assert groups["pulumi"] == groups["pulumi/pulumi"] == groups["github.com/pulumi/pulumi/pkg/v3"]
    providers = ("pulumi-gcp", "pulumi-kubernetes", "pulumi-random")
    assert {groups[name] for name in providers} == set(providers)
    assert all(name == "pulumi/pulumi" or name in groups for _, _, name in managers())


def test_every_dependency_has_its_line_with_what_it_is_for() -> None:
    """docs/dependencies.md; packages of types have one line together."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned: list[object] = list(project["project"]["dependencies"])
    pinned += [each for group in project["dependency-groups"].values() for each in group]
    pinned += (ROOT / "tools/postgres/requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {found[1] for each in pinned if (found := re.match(r"([\w-]+)(?:\[\w+\])?==", str(each)))}
    npm = json.loads((ROOT / "tools/postgres/package.json").read_text(encoding="utf-8"))["optionalDependencies"]
    names |= {each.removeprefix("npm:").rpartition("@")[0] for each in npm.values()}
    names |= {each.name for each in debian_packages.NEEDED_BY_TESTS}
    tables = " ".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE))
    listed = set(re.findall(r"[@\w/-]+", tables))
    assert not {each for each in names if not each.startswith("types-")} - listed
