"""An interrupt of ours reaches the engine once, and we end after it: with an engine that notes what it gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Ends by itself after the first interrupt, as the real one does when what it has begun is done.
ENGINE = """#!{python}
import pathlib, signal, sys, time
got, note = [], pathlib.Path({note!r})
def noted(word):
    got.append(word)
    note.write_text(" ".join(got))
signal.signal(signal.SIGINT, lambda *_: noted("INT"))
signal.signal(signal.SIGTERM, lambda *_: noted("TERM"))
note.write_text("")
end = time.monotonic() + 60
while len(got) < {ends_after} and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)  # for one that should not come
noted("ended")
sys.exit(255)
"""
RUNNER = """
import sys
from pathlib import Path
from command_line import run
from engine.cli import Cli
sys.exit(run(lambda: Cli(Path("."), "s").{call}))
"""


def engine(folder: Path, ends_after: int = 1) -> Path:
    """A `pulumi` in a folder for PATH; where it notes the signals that it got, empty from when it takes them."""
    note = folder / "note"
    program = folder / "pulumi"
    program.write_text(ENGINE.format(python=sys.executable, ends_after=ends_after, note=str(note)))
    program.chmod(0o755)
    return note


def start(folder: Path, call: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER.format(call=call)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(note: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while not note.exists() or note.read_text() != text:
        assert time.monotonic() < deadline, note.read_text() if note.exists() else "the engine has not begun"
        time.sleep(0.01)


@pytest.mark.parametrize("call", ['show("up")', 'run("up").returncode'])
@pytest.mark.parametrize(
    ("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]
)
def test_the_engine_gets_one_interrupt_and_is_waited_for(
    tmp_path: Path, call: str, number: int, whole_group: bool
) -> None:
    """A terminal sends it to the whole foreground group, other programs to us alone."""
    note = engine(tmp_path)
    runner = start(tmp_path, call)
    wait_for(note, "")
    (os.killpg if whole_group else os.kill)(runner.pid, number)
    _, reported = runner.communicate(timeout=30)
    assert note.read_text() == "INT ended"
    assert runner.returncode == 130
    assert "the engine finishes the operations under way" in reported
    assert "interrupted" in reported
    assert "Traceback" not in reported


def test_a_second_interrupt_is_the_engines_second(tmp_path: Path) -> None:
    note = engine(tmp_path, ends_after=2)
    runner = start(tmp_path, 'show("up")')
    wait_for(note, "")
    for got in ("INT", "INT INT"):
        os.killpg(runner.pid, signal.SIGINT)
        wait_for(note, got)
    _, reported = runner.communicate(timeout=30)
    assert note.read_text() == "INT INT ended"
    assert "the engine ends at once" in reported


def test_a_third_interrupt_kills_it(tmp_path: Path) -> None:
    note = engine(tmp_path, ends_after=9)
    runner = start(tmp_path, 'show("up")')
    wait_for(note, "")
    for got in ("INT", "INT INT"):
        os.kill(runner.pid, signal.SIGINT)
        wait_for(note, got)
    os.kill(runner.pid, signal.SIGINT)
    _, reported = runner.communicate(timeout=10)
    assert runner.returncode == 130
    assert note.read_text() == "INT INT"
    assert "the engine is killed" in reported


def test_an_interrupt_that_was_ignored_from_the_start_stays_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nohup make up`, or `make up &` in a script."""
    note = engine(tmp_path, ends_after=1)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        runner = start(tmp_path, 'show("up")')
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(note, "")
    os.kill(runner.pid, signal.SIGINT)
    os.kill(runner.pid, signal.SIGTERM)
    runner.communicate(timeout=30)
    assert note.read_text() == "INT ended"


@pytest.mark.parametrize(
    "command", [("settings",), ("policies.reference",), ("inventory", "--help")], ids=lambda command: command[0]
)
def test_a_reader_that_leaves_early_is_no_error(command: Sequence[str]) -> None:
    """`| head`: the pipe is closed before a byte is read."""
    program = subprocess.Popen(
        [sys.executable, "-u", "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout and program.stderr
    program.stdout.close()
    reported = program.stderr.read()
    assert (program.wait(), reported) == (0, b"")


def test_a_finding_is_the_exit_status_even_if_its_reader_closes_early() -> None:
    script = (
        "import sys; from command_line import run\nsys.exit(run(lambda: [print('x' * 99) for _ in range(9999)] and 3))"
    )
    program = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout and program.stderr
    program.stdout.read(10)
    program.stdout.close()
    reported = program.stderr.read()
    assert (program.wait(), reported) == (3, b"")


@pytest.mark.parametrize("command", [("policies.reference",), ("inventory", "schema")], ids=lambda command: command[0])
def test_an_output_that_cannot_be_written_is_one_line(command: Sequence[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (74, b"the output cannot be written: No space left on device\n")
