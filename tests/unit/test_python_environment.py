"""When the project's Python environment is current, what it is made of, and where its packages come from."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sandbox.workspace import Workspace
from tests.unit.toolchain import (
    ROOT,
    executable,
    get_uv,
    project_folder,
    python_environment,
    python_lock,
    stamped_venv,
    steps,
)

SANDBOX, DEV = python_environment.SANDBOX_SET, python_environment.DEV_SET


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_folder(tmp_path)


def package(project: Path, name: str) -> Path:
    """A package in the environment, as an installer leaves it."""
    folder = project / ".venv" / "lib" / "python3.11" / "site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_every_library_is_pinned_exactly_where_it_is_chosen() -> None:
    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = chosen["dependency-groups"]
    libraries = [*chosen["project"]["dependencies"], *groups[SANDBOX], *groups[DEV], *groups["reloader"]]
    for included in (SANDBOX, "reloader"):
        assert libraries.pop(libraries.index({"include-group": included}))
    assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", each) for each in libraries)
    assert chosen["tool"]["uv"] == {"package": False, "default-groups": []}


@pytest.mark.parametrize(("file", "least"), [(python_lock.EXPORT, 50), ("kamailio/reloader/requirements.txt", 2)])
def test_an_export_has_a_hash_for_everything_and_names_no_host(file: str, least: int) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.-]+==[\w.]+(?: ; .+?)? \\$", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\w", text, re.MULTILINE)) > least
    assert text.count(" \\\n    --hash=sha256:") >= len(pinned)
    assert "://" not in text
    assert not re.search(r"^(dnslib|pytest|uv)==", text, re.MULTILINE), "the program's libraries alone"


def test_the_lock_was_made_with_one_index_and_its_files_lie_in_one_place() -> None:
    text = (ROOT / get_uv.LOCK).read_text(encoding="utf-8")
    assert python_lock.index_of(text)
    assert len(set(re.findall(r'url = "(\w+://[^/]+)/', text))) == 1, "a mirror that only one machine can reach"
    other = text.replace("registry = ", 'registry = "https://mirror.example/simple" }\nsource = { registry = ', 1)
    with pytest.raises(steps.BootstrapError, match="made with 2 package indexes"):
        python_lock.index_of(other)


def test_an_environment_is_current_until_something_it_depends_on_changes(project: Path) -> None:
    assert not python_environment.venv_is_current(project, SANDBOX)
    stamped_venv(project, SANDBOX)
    assert python_environment.venv_is_current(project, SANDBOX)
    assert not python_environment.venv_is_current(project, DEV)
    stamped_venv(project, SANDBOX, DEV)
    assert python_environment.venv_is_current(project, DEV)
    for change in ({"python": "3.9"}, {"place": "/somewhere/else"}):
        stamped_venv(project, SANDBOX, **change)
        assert not python_environment.venv_is_current(project, SANDBOX)
    stamped_venv(project, SANDBOX)
    (project / get_uv.LOCK).write_text("version = 1\n", encoding="utf-8")
    assert not python_environment.venv_is_current(project, SANDBOX)


def test_an_environment_that_another_tool_took_packages_from_is_completed_again(project: Path) -> None:
    """`pulumi install` is a `uv sync`: it removes what the program alone does not need."""
    for name in ("pulumi-1", "dnslib-2"):
        package(project, name)
    assert python_environment.installed(project / ".venv") == {"pulumi-1", "dnslib-2"}
    stamped_venv(project, SANDBOX, packages="dnslib-2 pulumi-1")
    package(project, "something_of_mine-3")
    assert python_environment.venv_is_current(project, SANDBOX)
    package(project, "dnslib-2").rmdir()
    assert not python_environment.venv_is_current(project, SANDBOX)


def test_a_link_in_the_place_of_the_environment_is_refused_and_what_it_points_to_kept(project: Path) -> None:
    other = project.parent / "other"
    executable(other / "bin" / "python", "exit 0")
    (project / ".venv").symlink_to(other)
    with pytest.raises(steps.BootstrapError, match=r"is a link to .*other; remove the link"):
        python_environment.make_venv(project, SANDBOX)
    assert [str(each.relative_to(other)) for each in sorted(other.rglob("*"))] == ["bin", "bin/python"]


@pytest.fixture
def made(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose .venv has a Python that answers as pip and a uv that writes down how it was called."""
    monkeypatch.setattr(python_environment, "venv_works", lambda _: True)
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    listing = "echo \"global.index-url='https://mirror.example/simple'\""
    executable(project / ".venv" / "bin" / "python", f'[ "$4" = list ] && {listing} || echo "$@" >> "$0.calls"')
    uv = 'echo "$@ $UV_COMPILE_BYTECODE $UV_DEFAULT_INDEX" >> "$0.calls"'
    executable(project / ".venv" / "bin" / "uv", f'[ "$1" = --version ] && echo "uv 0.9.1 (x)" || {uv}')
    return project


def test_uv_installs_an_export_of_the_lock_with_hashes_from_pips_index(made: Path) -> None:
    python_environment.make_venv(made, SANDBOX)
    export, sync = (made / ".venv" / "bin" / "uv.calls").read_text().splitlines()
    wanted, python = made / ".engine" / "requirements-sandbox.txt", made / ".venv" / "bin" / "python"
    rest = f"{wanted} --quiet --python {python} 1 https://mirror.example/simple"
    assert export == f"export --frozen --group sandbox --output-file {rest}"
    assert sync == f"pip sync --require-hashes {rest}"
    assert not (made / ".venv" / "bin" / "python.calls").exists(), "uv is there in the version that the lock has"
    assert python_environment.venv_is_current(made, SANDBOX)
    assert not python_environment.venv_is_current(made, DEV)


def test_who_has_the_larger_group_keeps_it(made: Path) -> None:
    python_environment.make_venv(made, DEV)
    (made / get_uv.LOCK).write_text((made / get_uv.LOCK).read_text() + "\n# newer\n")
    python_environment.make_venv(made, SANDBOX)
    assert python_environment.venv_is_current(made, DEV)
    assert "--group dev" in (made / ".venv" / "bin" / "uv.calls").read_text().splitlines()[-2]


def test_uv_itself_comes_as_a_wheel_with_the_hashes_that_the_lock_has(made: Path) -> None:
    uv = made / ".venv" / "bin" / "uv"
    executable(uv, "echo uv 0.8.0")
    assert get_uv.install_uv(made, made / ".venv", made / ".engine" / "venv.log") == uv
    assert (made / ".engine" / "uv.txt").read_text() == "uv==0.9.1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"
    call = (made / ".venv" / "bin" / "python.calls").read_text().split()
    assert call[:3] == ["-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(call)


def test_the_locked_uv_can_be_had_as_a_wheel(tmp_path: Path) -> None:
    version, hashes = get_uv.locked(ROOT)
    assert f'"uv=={version}"' in (ROOT / "pyproject.toml").read_text()
    assert len(hashes) > 5
    (tmp_path / get_uv.LOCK).write_text("version = 1\n")
    with pytest.raises(steps.BootstrapError, match=r"uv\.lock has no package uv; restore it"):
        get_uv.locked(tmp_path)


LISTING = """\
:env:.extra-index-url='https://b.example/x https://c.example/y'
:env:.find-links='/not/here https://d.example/wheels'
global.cert='/etc/own.pem'
global.default-timeout='180'
global.index-url='https://a.example/simple'
install.index-url='https://for-install.example/simple'
list.format='columns'
"""


def test_what_pip_is_configured_with_uv_is_called_with(tmp_path: Path) -> None:
    assert get_uv.as_uv_reads_it(get_uv.pip_settings(LISTING), {}, tmp_path) == {
        "UV_DEFAULT_INDEX": "https://for-install.example/simple",
        "UV_INDEX": "https://b.example/x https://c.example/y",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "https://d.example/wheels",
        "SSL_CERT_FILE": "/etc/own.pem",
        "UV_HTTP_TIMEOUT": "180",
    }
    assert get_uv.as_uv_reads_it(get_uv.pip_settings(""), {}, tmp_path) == {}


def test_a_uv_that_has_been_configured_itself_keeps_its_indexes(tmp_path: Path) -> None:
    settings = get_uv.pip_settings(LISTING)
    connection = {"SSL_CERT_FILE": "/etc/own.pem", "UV_HTTP_TIMEOUT": "180"}
    for own in ({"UV_INDEX_URL": "https://own.example"}, {"UV_INDEX": "https://own.example"}):
        assert get_uv.as_uv_reads_it(settings, own, tmp_path) == connection
    assert get_uv.as_uv_reads_it(settings, {**own, "UV_HTTP_TIMEOUT": "5"}, tmp_path) == {
        "SSL_CERT_FILE": "/etc/own.pem"
    }
    (tmp_path / ".config" / "uv").mkdir(parents=True)
    (tmp_path / ".config" / "uv" / "uv.toml").write_text("")
    assert get_uv.as_uv_reads_it(settings, {}, tmp_path) == connection
    assert "UV_INDEX" in get_uv.as_uv_reads_it(settings, {"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)


def test_a_deployment_runs_with_uv_and_the_sandbox_runs_in_the_environment_that_is_there(tmp_path: Path) -> None:
    for file in ("Pulumi.yaml", "policies/PulumiPolicy.yaml"):
        options = yaml.safe_load((ROOT / file).read_text())["runtime"]["options"]
        assert options["toolchain"] == "uv"
        assert ((ROOT / file).parent / options["virtualenv"]).resolve() == ROOT / ".venv"
    workspace = Workspace(tmp_path, "sandbox", {})
    workspace.project.mkdir()
    workspace._write_project()
    written = yaml.safe_load((workspace.project / "Pulumi.yaml").read_text())["runtime"]
    assert written == {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}


def test_where_pyproject_the_lock_and_the_export_differ_the_check_says_what_to_run(tmp_path: Path) -> None:
    for name in ("pyproject.toml", get_uv.LOCK, *python_lock.EXPORTS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    with pytest.raises(steps.BootstrapError, match="does not exist; run `make setup-dev`"):
        python_lock.exported(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "uv").symlink_to(Path(sys.prefix) / "bin" / "uv")
    assert python_lock.problems(tmp_path) == []
    export = tmp_path / python_lock.EXPORT
    export.write_text(export.read_text().replace("\npyyaml==", "\npyyaml==0"))
    (said,) = python_lock.problems(tmp_path)
    assert said.startswith("requirements.txt does not match uv.lock; run `make lock`")
    assert "pyyaml==0" in said
    export.write_text(export.read_text().replace("\npyyaml==0", "\npyyaml=="))
    reloaders = tmp_path / "kamailio" / "reloader" / "requirements.txt"
    reloaders.write_text(reloaders.read_text().replace("\npsycopg==", "\npsycopg==0"))
    (said,) = python_lock.problems(tmp_path)
    assert said.startswith("kamailio/reloader/requirements.txt does not match uv.lock; run `make lock`")
    chosen = tmp_path / "pyproject.toml"
    chosen.write_text(chosen.read_text().replace("PyYAML==", "PyYAML==1"))
    (said,) = python_lock.problems(tmp_path)
    assert said.startswith("uv.lock does not match pyproject.toml; run `make lock`")
