"""Which Debian packages are missing, who may install them, and what is said and run; nothing is ever installed here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.toolchain import (
    bootstrap,
    debian_packages,
    executable,
    project_folder,
    python_environment,
    stamped_venv,
)

DebianPackage, Setting = debian_packages.DebianPackage, debian_packages.Setting


def package(folder: Path, name: str, setting: debian_packages.Setting | None = None) -> debian_packages.DebianPackage:
    return DebianPackage(name, folder / name, f"{name} for calls", f"calls do without {name}", 20, setting)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_folder(tmp_path)


def test_a_package_is_missing_until_its_file_is_there(tmp_path: Path) -> None:
    first, second = package(tmp_path, "first"), package(tmp_path, "second")
    assert debian_packages.missing([first, second]) == [first, second]
    first.file.touch()
    assert debian_packages.missing([first, second]) == [second]
    second.file.touch()
    assert debian_packages.missing([first, second]) == []


@pytest.mark.parametrize(
    ("user", "apt_get", "may"),
    [(0, "/usr/bin/apt-get", True), (0, None, False), (1000, "/usr/bin/apt-get", False), (1000, None, False)],
)
def test_only_root_with_apt_get_installs(user: int, apt_get: str | None, may: bool) -> None:
    assert debian_packages.may_install(user, apt_get) is may


def test_the_tests_database_is_production_s_major_version_and_starts_no_cluster() -> None:
    (database,) = (one for one in debian_packages.NEEDED_BY_TESTS if one.name.startswith("postgresql"))
    assert (database.name, str(database.file)) == ("postgresql-15", "/usr/lib/postgresql/15/bin/postgres")
    assert database.setting is not None
    # pg_createcluster(1); the folder is what the package's createcluster.conf includes
    assert "create_main_cluster = false" in database.setting.content.splitlines()
    assert str(database.setting.path.parent) == "/etc/postgresql-common/createcluster.d"
    assert database.setting.path.suffix == ".conf"


def test_the_sip_proxy_of_the_tests_starts_no_service() -> None:
    by_name = {one.name: one for one in debian_packages.NEEDED_BY_TESTS}
    assert {
        "kamailio",
        "kamailio-postgres-modules",
        "kamailio-tls-modules",
        "kamailio-websocket-modules",
        "sip-tester",
    } <= by_name.keys()
    setting = by_name["kamailio"].setting
    # systemd.unit(5): a drop-in, and a condition that is never met
    assert setting is not None
    assert (setting.path.parent.name, setting.path.suffix) == ("kamailio.service.d", ".conf")
    assert setting.content.splitlines()[-2:] == ["[Unit]", "ConditionPathExists=/nonexistent"]


def test_prometheus_starts_no_service(tmp_path: Path) -> None:
    (prometheus,) = (one for one in debian_packages.NEEDED_BY_TESTS if one.name == "prometheus")
    setting = prometheus.setting
    assert setting is not None
    # policy-rc.d(8): invoke-rc.d and deb-systemd-invoke ask it before any action.
    assert (str(setting.path), setting.content.splitlines()[-1]) == ("/usr/sbin/policy-rc.d", "exit 101")
    here = Setting(tmp_path / "policy-rc.d", setting.content, setting.mode)
    with debian_packages.settings_in_place([package(tmp_path, "a", here)]):
        assert subprocess.run([here.path], check=False).returncode == 101
    assert not here.path.exists()


def test_a_setting_that_the_system_has_stays_as_it_is(tmp_path: Path) -> None:
    """Containers have a policy-rc.d of their own."""
    path = tmp_path / "policy-rc.d"
    path.write_text("theirs")
    with debian_packages.settings_in_place([package(tmp_path, "a", Setting(path, "ours"))]):
        assert path.read_text() == "theirs"
    assert path.read_text() == "theirs"


def test_what_happens_without_several_packages_is_said_once(tmp_path: Path) -> None:
    two = [DebianPackage(name, tmp_path / name, "", "nothing rings", 1) for name in ("one", "two")]
    assert debian_packages.consequence(two) == "until then nothing rings"


def test_an_installation_asks_nothing_and_removes_nothing() -> None:
    command = debian_packages.install_command(["one", "two"])
    assert command[:2] == ["apt-get", "install"]
    assert command[-2:] == ["one", "two"]
    assert {"--yes", "--no-install-recommends", "--no-remove"} <= set(command)


def test_package_lists_are_fetched_only_when_those_of_the_system_do_not_do() -> None:
    first, second = debian_packages.attempts(["one"])
    assert first == debian_packages.install_command(["one"])
    assert second[:2] == ["/bin/sh", "-c"]
    assert second[2].startswith("apt-get update -o Acquire::Retries=0; apt-get install --yes ")


def test_what_is_said_names_packages_purpose_duration_and_remedy(tmp_path: Path) -> None:
    two = [package(tmp_path, "one"), package(tmp_path, "two")]
    said = debian_packages.announcement(two)
    assert said == "Installing Debian's one, two: one for calls; two for calls (about 40 s, once)."
    assert debian_packages.advice(two) == (
        "Missing: Debian's one, two, one for calls; two for calls; install manually, as root: apt-get update && "
        "apt-get install --no-install-recommends one two; until then calls do without one; calls do without two"
    )


def test_a_setting_is_there_during_the_installation_only(tmp_path: Path) -> None:
    alone = Setting(tmp_path / "etc" / "x.d" / "warp-edge.conf", "start = false\n")
    beside = Setting(tmp_path / "etc" / "y.d" / "warp-edge.conf", "start = false\n")
    other = tmp_path / "etc" / "y.d" / "other.conf"
    other.parent.mkdir(parents=True)
    other.touch()
    packages = [package(tmp_path, "a", alone), package(tmp_path, "b"), package(tmp_path, "c", beside)]
    with pytest.raises(KeyboardInterrupt), debian_packages.settings_in_place(packages):
        assert alone.path.read_text(encoding="utf-8") == beside.path.read_text(encoding="utf-8") == "start = false\n"
        raise KeyboardInterrupt
    assert sorted(path.name for path in (tmp_path / "etc").rglob("*")) == ["other.conf", "y.d"]


def fake_apt_get(folder: Path, *, works: str) -> str:
    """An `apt-get` that writes down how it was called; `works` decides about an installation."""
    script = f"""
echo "$1 $DEBIAN_FRONTEND" >> {folder}/called
case "$1" in
update) touch {folder}/updated;;
install) {works} || {{ echo "E: Unable to locate package"; exit 100; }};;
esac"""
    return str(executable(folder / "apt-bin" / "apt-get", script).parent)


def called(folder: Path) -> list[str]:
    return (folder / "called").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("works", "calls"),
    [
        ("true", ["install"]),
        ('[ -e "{}/updated" ]', ["install", "update", "install"]),
        ("false", ["install", "update", "install"]),
    ],
)
def test_an_installation_is_tried_with_fresh_lists_before_it_is_given_up(
    project: Path, works: str, calls: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    apt_get = fake_apt_get(project, works=works.format(project))
    monkeypatch.setenv("PATH", f"{apt_get}:/usr/bin:/bin")
    setting = Setting(project / "etc" / "x.conf", "")
    debian_packages.install([package(project, "one", setting)], project)
    assert called(project) == [f"{call} noninteractive" for call in calls]
    out, err = capfd.readouterr()
    assert out == ""
    installing, *problem = err.splitlines()
    assert installing == "Installing Debian's one: one for calls (about 20 s, once)."
    if works == "false":
        (line,) = problem
        assert line == (
            "bootstrap: apt-get failed: E: Unable to locate package; install manually, as root: apt-get update && "
            f"apt-get install --no-install-recommends one (log: {project}/.engine/debian.log); "
            "until then calls do without one"
        )
    else:
        assert problem == []
    assert not setting.path.exists()


def test_a_system_that_root_cannot_write_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{fake_apt_get(project, works='true')}:/usr/bin:/bin")
    (project / "file").touch()
    debian_packages.install([package(project, "one", Setting(project / "file" / "x.d" / "x.conf", ""))], project)
    _, problem = capfd.readouterr().err.splitlines()
    assert problem.startswith(f"bootstrap: {project}/file/x.d: Not a directory; install manually, as root: ")
    assert problem.endswith("; until then calls do without one")


def set_up_with(project: Path, monkeypatch: pytest.MonkeyPatch, *, user: int, dev: bool, works: str = "true") -> None:
    """The set-up where all but one package is there."""
    path = f"{fake_apt_get(project, works=works)}:/usr/bin:/bin"
    executable(project / "opt" / "pulumi", "echo v3.300.0")
    executable(project / "opt" / "pulumi-language-python", "exit 0")
    stamped_venv(project, python_environment.SANDBOX_SET, python_environment.DEV_SET)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(bootstrap, "NEEDED_BY_TESTS", (package(project, "one"),))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert bootstrap.set_up(project, dev=dev, path=f"{project}/opt:{path}") == project / "opt"


def test_tests_have_their_packages_installed_and_programs_do_not(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_with(project, monkeypatch, user=0, dev=False)
    assert capfd.readouterr() == ("", "")
    assert not (project / "called").exists()
    set_up_with(project, monkeypatch, user=0, dev=True, works=f"touch {project}/one")
    assert called(project) == ["install noninteractive"]
    assert capfd.readouterr().err.startswith("Installing Debian's one: ")
    set_up_with(project, monkeypatch, user=0, dev=True)
    assert called(project) == ["install noninteractive"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("user", [0, 1000])
def test_a_package_that_cannot_be_installed_does_not_stop_the_set_up(
    project: Path, user: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_with(project, monkeypatch, user=user, dev=True, works="false")
    said = capfd.readouterr().err.splitlines()
    assert (project / "called").exists() is (user == 0)
    assert [line.split(":")[0] for line in said] == (
        ["Installing Debian's one", "bootstrap"] if user == 0 else ["Missing"]
    )
