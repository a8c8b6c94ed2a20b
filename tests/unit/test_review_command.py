"""`python -m review`: what it reads, and what it refuses to read."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from review.preview import Preview, UnreadableError, read
from tests.unit.commands import called_with_bytes
from tests.unit.review_events import (
    RECORD,
    step,
    streamed,
)

Json = dict[str, Any]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: no such stack",
        "[]",
        "{}",
        '{"sequence": 0}\n{"sequence": 1, "resourcePreEvent": {',
        '{"sequence": 0, "preludeEvent": {"config": {}}}',
        '{"steps": [{"op": "create"}]}',
        '{"steps": [{"op": "create", "urn": "nonsense"}]}',
        '{"steps": 1}',
        '{"sequence": 0, "resourcePreEvent": []}',
        "[" * 100_000,
        # Half a character; the engine writes whole ones.
        '{"sequence": 0, "diagnosticEvent": {"severity": "error", "message": "\\ud800", "urn": "\\ud800"}}',
    ],
)
def test_what_is_no_whole_preview_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return called_with_bytes("review", *arguments, given=stdin)


@pytest.mark.parametrize("stdin", [b"", b"\xff\xfe", b'{"sequence": 0}', b"error: no such stack\n"])
def test_unreadable_input_ends_with_two_and_a_remedy_and_no_report(stdin: bytes) -> None:
    done = run(stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"  -> PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_missing_file_and_outputs_that_are_none_are_refused_too(tmp_path: Path) -> None:
    assert run("--preview", str(tmp_path / "none")).returncode == 2
    outputs = tmp_path / "outputs.json"
    outputs.write_text("[1]")
    done = run("--outputs", str(outputs), stdin=streamed().encode())
    assert done.returncode == 2
    assert b"it is not an object of outputs\n  -> pulumi stack output --json" in done.stderr


def test_a_marker_is_the_first_line_and_nothing_but_a_comment() -> None:
    done = run("--marker", "<!-- warp-edge review: prod -->", stdin=streamed().encode())
    assert done.returncode == 0
    assert done.stdout.startswith(b"<!-- warp-edge review: prod -->\n## Preview")
    for wrong in ("prod", "<!-- a --> <b>", "<!-- a --><!-- b -->", "<!-- \n -->"):
        assert run("--marker", wrong, stdin=streamed().encode()).returncode == 2


def test_a_preview_is_read_line_by_line_also_between_other_lines() -> None:
    lines = streamed(step("create", RECORD, "r", None, {"name": "r."})).splitlines()
    assert isinstance(read("\n".join(["warning: a plugin says hello", *lines, ""])), Preview)
