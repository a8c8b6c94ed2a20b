"""The engine's state in files, when it was cut off while it wrote: the newest whole copy takes the place of a cut one.

A full disk cuts the state and its `.bak`: the engine's storage library renames what it could write, and the next write
backs that up (gocloud.dev/blob/fileblob; pulumi/pkg/backend/diy/state.go, saveCheckpoint). With RETAIN the engine keeps
every state under a name of its own as well. Nothing is begun before the state that notes it is written whole, so the
newest whole copy of these knows of all that recovery must look for; that of an earlier update does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from sandbox.layout import SandboxError
from settings.problems import PROJECT

RETAIN: Final = "PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS"
KEPT: Final = 3  # copies beside a whole state; one `up` writes hundreds


def mend(state: Path, stack: str, note: Path) -> None:
    """Make a stack's state in the folder `state` readable. Raises `SandboxError` where no copy is whole.

    `note` is made first where the end of an earlier update takes its place: the cloud may have anything.
    """
    folder = _folder(state)
    # Content type and checksum: nothing that the engine needs.
    for attributes in folder.glob(f"{stack}.json*.attrs"):
        if not whole(attributes):
            attributes.unlink()
    checkpoint = folder / f"{stack}.json"
    if checkpoint.exists() and not whole(checkpoint):
        written, earlier = [folder / f"{stack}.json.bak", *_retained(folder, stack)], _earlier(state, stack)
        copy = next(filter(whole, [*written, *earlier]), None)
        if copy is None:
            raise SandboxError(
                f"{checkpoint}: the state was cut off while it was written, and no whole copy is left\n"
                f"  -> make reset, then make up: everything in this sandbox is made anew"
            )
        if copy in earlier:
            note.touch()
        # Beside, then renamed: on a disk that is still full nothing gets worse.
        draft = checkpoint.with_name(f".{checkpoint.name}.new")
        draft.write_bytes(copy.read_bytes())
        draft.replace(checkpoint)
        checkpoint.with_name(f"{checkpoint.name}.attrs").unlink(missing_ok=True)
    tidy(folder, stack)


def tidy(folder: Path, stack: str) -> None:
    """Remove all but the newest of the engine's copies, and what it could not rename."""
    for each in [*_retained(folder, stack)[KEPT:], *folder.glob(f"{stack}.json*.tmp*")]:
        each.with_name(f"{each.name}.attrs").unlink(missing_ok=True)
        each.unlink(missing_ok=True)


def salt(state: Path, stack: str) -> str:
    """Of the passphrase that a stack's secrets are encrypted with; empty where there is no state yet."""
    checkpoint = _folder(state) / f"{stack}.json"
    if not whole(checkpoint):
        return ""
    latest = json.loads(checkpoint.read_bytes())["checkpoint"].get("latest") or {}
    return str((latest.get("secrets_providers") or {}).get("state", {}).get("salt", ""))


def _folder(state: Path) -> Path:
    return state / ".pulumi" / "stacks" / PROJECT


def whole(file: Path) -> bool:
    """Whether it is a JSON object to its last byte."""
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except (ValueError, FileNotFoundError):
        return False


def _earlier(state: Path, stack: str) -> list[Path]:
    """States at the ends of earlier updates, newest first."""
    found = [
        *(state / ".pulumi" / "history" / PROJECT / stack).glob("*.checkpoint.json"),
        *(state / ".pulumi" / "backups" / PROJECT / stack).glob("*.json"),
    ]
    return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)


def _retained(folder: Path, stack: str) -> list[Path]:
    """`STACK.json.NANOSECONDS`, newest first."""
    found = [each for each in folder.glob(f"{stack}.json.*") if each.suffix[1:].isdigit()]
    return sorted(found, key=lambda file: int(file.suffix[1:]), reverse=True)
