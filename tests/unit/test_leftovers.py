"""Leftovers of a killed engine or runner are ended; runs in progress are not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import RUNNER
from local_cloud import marks
from sandbox import leftovers

Process = subprocess.Popen[bytes]
# Starts a program, notes its process id, and waits for it.
PARENT = (
    "import subprocess, sys; p = subprocess.Popen(sys.argv[2:]); open(sys.argv[1], 'w').write(str(p.pid)); p.wait()"
)


class Folder:
    """A sandbox's folder and processes that carry its mark."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.began: list[int] = []
        self.engine = path / "pulumi"
        shutil.copy(shutil.which("sleep") or "", self.engine)

    def start(self, *command: str | Path, **environment: str) -> Process:
        marked = {**os.environ, leftovers.MARK: str(self.path.resolve()), **environment}
        process = subprocess.Popen([*command], env=marked)
        self.began.append(process.pid)
        return process

    def below(self, parent: str, *command: str | Path, **environment: str) -> tuple[Process, int]:
        """A process and its child, of the given programs."""
        note = self.path / f"child-{len(self.began)}"
        process = self.start(parent, "-c", PARENT, str(note), *map(str, command), **environment)
        assert marks.within(10, lambda: note.exists() and note.read_text() != "")
        child = int(note.read_text())
        self.began.append(child)
        return process, child

    def end(self) -> list[str]:
        said: list[str] = []
        leftovers.end(self.path, said.append)
        return said


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    for pid in folder.began:
        if not marks.dead(pid):
            os.kill(pid, signal.SIGKILL)


def test_plugins_of_a_killed_engine_are_ended(folder: Folder) -> None:
    plugin = folder.start("sleep", "60")
    elsewhere = folder.start("sleep", "60", **{leftovers.MARK: "/another"})
    assert folder.end() == ["ending 1 process left over from a killed engine"]
    assert plugin.wait(10) == -signal.SIGTERM
    assert elsewhere.poll() is None
    assert folder.end() == []


def test_an_engine_that_runs_is_left_alone_and_so_are_its_plugins(folder: Folder) -> None:
    """Started from a shell, by the command in the folder (workspace.py), or by a run of ours that lives: this test."""
    wrapper = f'export {RUNNER}=$$; exec "$0" 60'
    engines = [
        folder.start(folder.engine, "60"),
        folder.start("sh", "-c", wrapper, folder.engine),
        folder.start(folder.engine, "60", **{RUNNER: str(os.getpid())}),
    ]
    assert marks.within(10, lambda: all(marks.name_of(each.pid) == "pulumi" for each in engines))
    assert marks.variable(engines[1].pid, RUNNER) == str(engines[1].pid)
    assert folder.end() == []
    assert [each.poll() for each in engines] == [None, None, None]


def test_an_engine_whose_runner_was_killed_is_asked_to_end(folder: Folder) -> None:
    runner, engine = folder.below(sys.executable, folder.engine, "60")
    runner.kill()
    runner.wait()
    assert marks.variable(engine, RUNNER) == ""
    assert folder.end() == []  # started from a shell that has ended, not by a runner
    os.kill(engine, signal.SIGKILL)
    runner, engine = folder.below(sys.executable, folder.engine, "60", **{RUNNER: "1" + "0" * 9})
    runner.kill()
    runner.wait()
    said = folder.end()
    assert said[0] == "the engine of a killed run is still running: interrupting it"
    assert marks.dead(engine)


def test_an_update_that_runs_is_known_by_its_engine_and_its_lock(folder: Folder) -> None:
    """A preview has no lock, and a lock without an engine is left over."""
    lock = folder.path / "state" / ".pulumi" / "locks" / "organization" / "warp-edge" / "sandbox" / "1.json"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert leftovers.updating(folder.path) is None
    engine = folder.start(folder.engine, "60")
    assert marks.within(10, lambda: leftovers.updating(folder.path) == engine.pid)
    lock.unlink()
    assert leftovers.updating(folder.path) is None
