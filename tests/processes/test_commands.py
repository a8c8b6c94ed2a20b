"""Our commands as processes of their own: the same as in `tests/unit`, which calls them without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import outputs
from tests.review_goldens import FOLDER
from tests.stacks import ROOT
from tests.unit.commands import called_with_bytes
from tests.unit.published import LIVE


@pytest.mark.parametrize(
    ("command", "given", "status"),
    [
        (("inventory", "render"), json.dumps(LIVE), 0),
        (("inventory", "render", "--format", "nftables"), json.dumps(LIVE), 0),
        (("inventory", "site", "--out", "README.md"), json.dumps(LIVE), 2),
        (("review", "--stack", "sandbox", "--preview", str((FOLDER / "announce.json").relative_to(ROOT))), "", 3),
        (("review", "--settled", "--preview", "/nonexistent"), "", 2),
        (("verify", "--only", "web"), json.dumps(outputs()), 2),
        (("verify",), "{", 2),
        (("settings",), "", 0),
    ],
    ids=lambda each: " ".join(each)[:40] if isinstance(each, tuple) else None,
)
def test_a_process_of_its_own_says_and_ends_as_a_call_does(command: tuple[str, ...], given: str, status: int) -> None:
    module, *options = command
    done = subprocess.run(
        [sys.executable, "-m", module, *options], input=given.encode(), cwd=ROOT, capture_output=True, check=False
    )
    call = called_with_bytes(module, *options, given=given.encode())
    assert done.returncode == call.returncode == status, done.stderr
    assert (done.stdout, done.stderr) == (call.stdout, call.stderr)


def test_a_pdf_is_not_written_to_a_terminal() -> None:
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "inventory", "render", "--format", "vendor-sheet-pdf"]
    with os.fdopen(ours, "rb"), os.fdopen(terminal, "wb") as screen:
        done = subprocess.run(
            command, input=json.dumps(LIVE).encode(), cwd=ROOT, stdout=screen, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "vendor-sheet-pdf is not for a terminal\n  -> write it to a file: > vendor-sheet.pdf\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("sandbox.stack", "up"),
        ("sandbox.regions", "up"),
        ("sandbox",),
        ("adopt",),
        ("review",),
        ("verify",),
        ("inventory",),
    ],
    ids="-".join,
)
def test_an_interrupt_while_modules_are_still_imported_ends_without_a_traceback(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    """Libraries that never finish their import stand before the real ones."""
    for library in ("pydantic", "rich"):
        slow = "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"
        (tmp_path / f"{library}.py").write_text(slow)
    started = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "importing\n"
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (-signal.SIGINT, "")


def test_the_program_does_not_need_the_sandbox_to_be_verified() -> None:
    """Whoever verifies a region has no sandbox, and the program's own libraries alone."""
    import_all = (
        "import sys, verify.__main__; sys.exit(any(m.split('.')[0] in ('sandbox', 'pulumi') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", import_all], cwd=ROOT, check=False).returncode == 0
