"""When the project's Python environment is current, and what it is made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.toolchain import ROOT, executable, project_folder, python_environment, stamped_venv, steps


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_folder(tmp_path)


def test_every_requirement_is_pinned_exactly() -> None:
    for file in python_environment.requirement_files(ROOT / python_environment.DEV_SET):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"(#.*|-r \S+|[\w.-]+(\[\w+\])?==[\w.]+)?", line), f"{file.name}: {line}"


def test_a_set_of_requirements_includes_what_it_refers_to(project: Path) -> None:
    names = [file.name for file in python_environment.requirement_files(project / python_environment.DEV_SET)]
    assert names == ["requirements.txt", python_environment.SANDBOX_SET, python_environment.DEV_SET]


def test_an_environment_is_current_until_something_it_depends_on_changes(project: Path) -> None:
    assert not python_environment.venv_is_current(project, python_environment.SANDBOX_SET)
    stamped_venv(project, python_environment.SANDBOX_SET)
    assert python_environment.venv_is_current(project, python_environment.SANDBOX_SET)
    assert not python_environment.venv_is_current(project, python_environment.DEV_SET)
    stamped_venv(project, python_environment.SANDBOX_SET, python_environment.DEV_SET)
    assert python_environment.venv_is_current(project, python_environment.DEV_SET)
    for change in ({"python": "3.9"}, {"place": "/somewhere/else"}):
        stamped_venv(project, python_environment.SANDBOX_SET, **change)
        assert not python_environment.venv_is_current(project, python_environment.SANDBOX_SET)
    stamped_venv(project, python_environment.SANDBOX_SET)
    (project / "requirements.txt").write_text("pulumi==2\n", encoding="utf-8")
    assert not python_environment.venv_is_current(project, python_environment.SANDBOX_SET)


def test_a_link_in_the_place_of_the_environment_is_refused_and_what_it_points_to_kept(project: Path) -> None:
    other = project.parent / "other"
    executable(other / "bin" / "python", "exit 0")
    (project / ".venv").symlink_to(other)
    with pytest.raises(steps.BootstrapError, match=r"is a link to .*other; remove the link"):
        python_environment.make_venv(project, python_environment.SANDBOX_SET)
    assert [str(each.relative_to(other)) for each in sorted(other.rglob("*"))] == ["bin", "bin/python"]
