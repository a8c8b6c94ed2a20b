"""Sandboxes beside the user's own keep out of each other's way, however many run at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import SandboxError, aside
from tests.stacks import ROOT

HOLD = "from sandbox.aside import _own_octet\nwith _own_octet() as octet:\n    print(octet, flush=True)\n    input()"


@pytest.fixture(autouse=True)
def _locks_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_no_two_have_one_network_and_with_all_in_use_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LAST", aside.FIRST + 3)
    with ExitStack() as stack:
        held = [stack.enter_context(aside._own_octet()) for _ in range(3)]
        assert sorted(held) == [100, 101, 102]
        with pytest.raises(SandboxError, match=r"127\.100 to 127\.102, are in use"):
            stack.enter_context(aside._own_octet())
    with aside._own_octet() as again:
        assert again in held


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
        with pytest.raises(SandboxError), aside._own_octet():
            pass
    finally:
        other.kill()
        other.communicate()
    with aside._own_octet() as again:
        assert again == held
