"""The engine's state files after an interrupted write: a truncated state is replaced by its newest complete copy.

A full disk truncates the state and its `.bak`: the engine's storage library renames what it could write, and the next
write backs that up (gocloud.dev/blob/fileblob; pulumi/pkg/backend/diy/state.go, saveCheckpoint). With RETAIN the engine
also keeps every state under its own name. No operation starts before the state that records it is written, so the
newest complete copy names everything that recovery must look for; the state after an earlier update does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from sandbox.layout import SandboxError
from settings.problems import PROJECT

RETAIN: Final = "PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS"
KEPT: Final = 3  # copies beside a complete state; one `up` writes hundreds


def mend(state: Path, stack: str, note: Path) -> None:
    """Make a stack's state in the folder `state` readable. Raises `SandboxError` if no copy is complete.

    If it is replaced by the state after an earlier update, `note` is created first: the cloud may have anything.
    """
    folder = _folder(state)
    # They hold content type and checksum, which the engine does not need.
    for attributes in folder.glob(f"{stack}.json*.attrs"):
        if not whole(attributes):
            attributes.unlink()
    checkpoint = folder / f"{stack}.json"
    if checkpoint.exists() and not whole(checkpoint):
        written, earlier = [folder / f"{stack}.json.bak", *_retained(folder, stack)], _earlier(state, stack)
        copy = next(filter(whole, [*written, *earlier]), None)
        if copy is None:
            raise SandboxError(
                f"{checkpoint}: the state is truncated, and no complete copy is left\n"
                f"  -> make reset, then make up: recreates everything in this sandbox"
            )
        if copy in earlier:
            note.touch()
        # Written to a new file, then renamed: if the disk is still full, nothing is lost.
        draft = checkpoint.with_name(f".{checkpoint.name}.new")
        draft.write_bytes(copy.read_bytes())
        draft.replace(checkpoint)
        checkpoint.with_name(f"{checkpoint.name}.attrs").unlink(missing_ok=True)
    tidy(folder, stack)


def tidy(folder: Path, stack: str) -> None:
    """Remove all but the newest of the engine's copies, and its temporary files."""
    for each in [*_retained(folder, stack)[KEPT:], *folder.glob(f"{stack}.json*.tmp*")]:
        each.with_name(f"{each.name}.attrs").unlink(missing_ok=True)
        each.unlink(missing_ok=True)


def salt(state: Path, stack: str) -> str:
    """Salt of the passphrase that encrypts a stack's secrets; empty if there is no state yet."""
    checkpoint = _folder(state) / f"{stack}.json"
    if not whole(checkpoint):
        return ""
    latest = json.loads(checkpoint.read_bytes())["checkpoint"].get("latest") or {}
    return str((latest.get("secrets_providers") or {}).get("state", {}).get("salt", ""))


def _folder(state: Path) -> Path:
    return state / ".pulumi" / "stacks" / PROJECT


def whole(file: Path) -> bool:
    """Whether the file is a complete JSON object."""
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except (ValueError, FileNotFoundError):
        return False


def _earlier(state: Path, stack: str) -> list[Path]:
    """States after earlier updates, newest first."""
    found = [
        *(state / ".pulumi" / "history" / PROJECT / stack).glob("*.checkpoint.json"),
        *(state / ".pulumi" / "backups" / PROJECT / stack).glob("*.json"),
    ]
    return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)


def _retained(folder: Path, stack: str) -> list[Path]:
    """`STACK.json.NANOSECONDS`, newest first."""
    found = [each for each in folder.glob(f"{stack}.json.*") if each.suffix[1:].isdigit()]
    return sorted(found, key=lambda file: int(file.suffix[1:]), reverse=True)
