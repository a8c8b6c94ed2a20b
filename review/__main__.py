"""`python -m review --stack prod --preview FILE`: a preview as a Markdown report for a pull request.

    PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json --stack prod > preview.json
    python -m review --stack prod --preview preview.json > report.md

With --settled it is the preview after an update, and has to be empty. With --failed it is the log of
`pulumi up --event-log`, and the report says what stopped it; the status is 4. With --again, --preview is a refresh that
failed with the program: the report of one without it follows; the status is 4.

exit status:
  0  no change visible outside (of a refresh: no drift)
  3  a change is or may be visible to vendors or customers (of a refresh: there is drift); the report says who and what
  4  the preview failed, or a mandatory policy refused it: there is a report, and nothing to deploy
  2  the input is not a complete preview; standard error says why, and there is no report
with --settled:
  0  nothing is left to do
  3  the update did not take effect: the report lists what is left, by property; or only outputs need another update
  4, 2  as above
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from command_line import run
from engine.cli import Json
from refusal import Refusal
from review.markdown import markdown, twice
from review.preview import Preview, UnreadableError, read
from review.report import report
from review.settled import failure, page, settled

VISIBLE, FAILED, UNREADABLE = 3, 4, 2


def main() -> int:
    """Exit status as in the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m review", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preview", type=Path, help="the engine's output; default: standard input")
    parser.add_argument("--outputs", type=Path, help="the stack's current outputs (default: those in the preview)")
    parser.add_argument("--stack", default="", help="the stack's name, for the heading")
    parser.add_argument("--marker", default="", help="first line, an HTML comment that identifies the report")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--settled", action="store_true", help="FILE is the preview after an update; report what is left to do"
    )
    kind.add_argument(
        "--failed", action="store_true", help="FILE is the --event-log of a failed update; report the reason"
    )
    kind.add_argument(
        "--again", type=Path, help="FILE is a refresh that failed with the program; this one ran without it"
    )
    chosen = parser.parse_args()
    if chosen.marker and not _is_comment(chosen.marker):
        parser.error("--marker is one HTML comment of letters, digits, spaces, dots, colons and dashes")
    try:
        preview = _read(chosen.preview, conclusive=not chosen.failed)
        again = _read(chosen.again) if chosen.again else None
        published = _outputs(chosen.outputs) if chosen.outputs else None
    except Refusal as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    if chosen.failed:
        sys.stdout.write(failure(preview, chosen.stack))
        return FAILED
    if chosen.settled:
        after = settled(preview, chosen.stack)
        sys.stdout.write(page(after))
        return FAILED if after.failed else 0 if after.holds else VISIBLE
    if again:
        # If the program refuses before it declares anything, the stream does not show that it is a refresh.
        failed, rest = replace(preview, refresh=True), report(again, chosen.stack, published)
        sys.stdout.write(twice(report(failed, chosen.stack, published), rest, chosen.marker))
        return FAILED
    found = report(preview, chosen.stack, published)
    sys.stdout.write(markdown(found, chosen.marker))
    if found.failed:
        return FAILED
    return VISIBLE if found.visible else 0


def _is_comment(marker: str) -> bool:
    inside = marker.removeprefix("<!--").removesuffix("-->")
    plain = all(character.isascii() and (character.isalnum() or character in " .:-_/") for character in inside)
    return marker == f"<!--{inside}-->" and "--" not in inside and plain


def _read(file: Path | None, *, conclusive: bool = True) -> Preview:
    """`conclusive`: refuse a preview that does not show what would change."""
    name, remedy = file or "standard input", "PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json > FILE"
    try:
        found = read(file.read_text(encoding="utf-8") if file else sys.stdin.buffer.read().decode("utf-8"))
    except (UnreadableError, OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{name}: {_reason(error)}", remedy) from None
    if conclusive and not found.conclusive:
        raise Refusal(f"{name}: it has no step of the stack itself, so it does not show what would change", remedy)
    return found


def _outputs(file: Path) -> Json:
    remedy = "pulumi stack output --json > FILE"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise Refusal(f"{file}: {_reason(error)}", remedy) from None
    if not isinstance(found, dict):
        raise Refusal(f"{file}: it is not an object of outputs", remedy)
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) if isinstance(error, UnreadableError) else "it is not JSON in UTF-8"


if __name__ == "__main__":
    sys.exit(run(main))
