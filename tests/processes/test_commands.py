"""Our commands as processes of their own: the same as in `tests/unit`, which calls them without one."""

from __future__ import annotations

import json
import subprocess
import sys

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


def test_the_program_does_not_need_the_sandbox_to_be_verified() -> None:
    """Whoever verifies a region has no sandbox, and the program's own libraries alone."""
    import_all = (
        "import sys, verify.__main__; sys.exit(any(m.split('.')[0] in ('sandbox', 'pulumi') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", import_all], cwd=ROOT, check=False).returncode == 0
