"""Sandboxes separate from the user's do not interfere with each other, however many run at once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_cloud import LocalCloudError, aside
from sandbox import Sandbox
from tests.stacks import ROOT

HOLD = (
    "from local_cloud.aside import _own_octet\nwith _own_octet() as octet:\n    print(octet, flush=True)\n    input()"
)


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.mark.usefixtures("own_locks")
def test_no_two_have_one_network_and_with_all_in_use_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LAST", aside.FIRST + 3)
    with ExitStack() as stack:
        held = [stack.enter_context(aside._own_octet()) for _ in range(3)]
        assert sorted(held) == [100, 101, 102]
        with pytest.raises(LocalCloudError, match=r"127\.100 to 127\.102, are in use"):
            stack.enter_context(aside._own_octet())
    with aside._own_octet() as again:
        assert again in held


@pytest.mark.usefixtures("own_locks")
def test_another_process_holds_its_network_until_it_is_gone_even_when_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        held = int(other.stdout.readline())
        monkeypatch.setattr(aside, "FIRST", held)
        monkeypatch.setattr(aside, "LAST", held + 1)
        with pytest.raises(LocalCloudError), aside._own_octet():
            pass
    finally:
        other.kill()
        other.communicate()
    with aside._own_octet() as again:
        assert again == held


TESTS = """
import pytest
from pathlib import Path
from tests.kept import sandbox_aside

def noted(folder):
    with Path({notes!r}).open("a") as notes:
        print(__name__, folder, file=notes)

@pytest.fixture(scope="module")
def cloud():
    with sandbox_aside() as (sandbox, folder):
        noted(folder)
        yield sandbox

def test_of_a_module(cloud):
    assert "good" in __name__
"""
ALONE = """
def test_with_a_cloud_of_its_own():
    with sandbox_aside() as (sandbox, folder):
        noted(folder)
        assert False
"""


@pytest.mark.parametrize(
    ("option", "files", "ends", "kept"),
    [
        ("--keep-failed", {"bad": TESTS + ALONE, "good": TESTS}, "2 failed, 1 passed", ["test_bad", "test_bad"]),
        ("--keep", {"good": TESTS}, "1 passed", ["test_good"]),
    ],
)
def test_the_cloud_of_a_failed_test_stays_where_that_is_asked_for(
    tmp_path: Path, option: str, files: dict[str, str], ends: str, kept: list[str]
) -> None:
    notes = tmp_path / "notes"
    for name, text in files.items():
        (tmp_path / f"test_{name}.py").write_text(text.replace("{notes!r}", repr(str(notes))))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", "1", "-p", "no:cacheprovider"]
    command += [f"--rootdir={ROOT}", f"--basetemp={tmp_path / 'base'}", option, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    noted = [line.split() for line in notes.read_text().splitlines()]
    there = [Path(folder) for _, folder in noted if Path(folder).exists()]
    try:
        assert ends in done.stdout, done.stdout + done.stderr
        assert [name for name, folder in noted if Path(folder) in there] == kept
        assert not [each for each in there if Sandbox(each / "cloud").running()]
        assert all(f"\n{each}" in done.stdout for each in there)
        looks = re.findall(r"^  (\(cd .+\))$", done.stdout, re.MULTILINE)
        assert len(looks) == len(kept)
        done = subprocess.run(["/bin/sh", "-ec", looks[0]], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        for each in there:
            shutil.rmtree(each)
