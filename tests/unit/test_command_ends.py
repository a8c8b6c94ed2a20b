"""How a command of the sandbox ends when something is in its way: in words, with a remedy, without a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from engine.cli import EngineError
from sandbox import SandboxError
from sandbox.stack import ended


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def work() -> NoReturn:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/somewhere/state"), "/somewhere/state: No space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (PermissionError(errno.EACCES, "Permission denied", "/somewhere"), "/somewhere: Permission denied"),
        (sqlite3.OperationalError("database or disk is full"), "cloud.db: database or disk is full"),
        (SandboxError("wrong\n  -> remedy"), "wrong"),
        (EngineError("pulumi up", "it says why"), "it says why"),
    ],
)
def test_it_is_one_message_with_a_remedy(capsys: pytest.CaptureFixture[str], error: Exception, reported: str) -> None:
    assert ended(raising(error)) == 2
    said = capsys.readouterr().err
    assert reported in said
    assert "Traceback" not in said
    assert "  -> " in said or isinstance(error, EngineError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_as_ctrl_c_does(capsys: pytest.CaptureFixture[str], number: int) -> None:
    def work() -> int:
        os.kill(os.getpid(), number)
        return 0

    assert ended(work) == 130
    assert "interrupted: run the same command again to continue" in capsys.readouterr().err


def test_its_own_exit_status_is_kept() -> None:
    assert ended(lambda: 7) == 7
