"""The two-step import: the engine lists what it would create, we name what exists, the engine records it.

Nothing is written to the cloud: `pulumi import` reads, and changes the state alone. Every step can be repeated, and
what a crash left half done is simply still in the next run's list.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cli import Cli, EngineError, Failure
from engine.differences import Comparison, compare
from engine.tokens import logical_name, type_of
from plan.import_ids import import_ids
from settings import Settings

ABSENT = "does not exist"  # the engine's words for an id that the cloud does not know
EXISTS = "already exists"  # the kubernetes plugin's words in a preview

Entry = dict[str, Any]  # one resource of an import file
Say = Callable[[str], None]


@dataclass(frozen=True)
class Adoption:
    """What was recorded, what the cloud does not have, and what an update would change."""

    recorded: tuple[str, ...]
    absent: tuple[str, ...]
    comparison: Comparison
    outputs: Mapping[str, Any]

    @property
    def inventory(self) -> Mapping[str, Any] | None:
        """The output `ipInventory`; None while an address of it is still to be reserved."""
        found = self.outputs.get("ipInventory")
        return found if isinstance(found, dict) else None


def adopt(cli: Cli, settings: Settings, say: Say) -> Adoption:
    """Record what exists and compare. Raises `EngineError` when the engine cannot go on."""
    if cli.deleting():
        cli.forget_deletions()
        say("a deletion was cut off: what the cloud no longer has is recorded no longer")
    recorded, absent = record(cli, settings, say)
    say("comparing the cloud with the settings")
    events = cli.preview()
    _refuse_failures(events.failures)
    return Adoption(recorded, absent, compare(events.steps), events.outputs)


def record(
    cli: Cli, settings: Settings, say: Say, only: Collection[str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Import what exists, of everything or of `only` these names; the names that were recorded, and those that the
    cloud does not have. Raises `EngineError`.

    It can be killed at any point: the engine's notes of what was cut off go last, and until then they tell the next run
    that there is something to record.
    """
    # Of the database's ids the names are known before its own name is.
    possible = only is None or bool(import_ids(settings, "any").keys() & set(only))
    found = _record(cli, settings, say, only) if possible else ((), ())
    if cli.interrupted():
        say("an update was cut off: reading anew what is recorded")
        cli.forget_interruption()
    return found


def _record(
    cli: Cli, settings: Settings, say: Say, only: Collection[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An import ends at the first id that the cloud does not know, with some of the others recorded and some not: the
    engine is asked anew what is left, until nothing is."""
    tried: dict[str, None] = {}
    absent: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        while True:
            say("asking the engine what it would create")
            wanted = _wanted(cli, file)
            ids = import_ids(settings, wanted.suffix)
            open_ = ids.keys() - absent if only is None else ids.keys() & set(only) - set(absent)
            names = [entry["name"] for entry in wanted.entries if entry["name"] in open_]
            if not names:
                break
            tried |= dict.fromkeys(names)
            file.write_text(json.dumps(wanted.chosen(ids, names)))
            say(f"recording {len(names)} resources that exist already")
            failures = cli.import_resources(file, protect=settings.protect).failures
            if not failures:
                break
            missing = [logical_name(each.urn) for each in failures if each.urn and ABSENT in each.message]
            if not missing:
                _refuse_failures(failures)
            absent += missing
            say(f"not in the cloud, left to be created: {', '.join(missing)}")
    return tuple(name for name in tried if name not in absent), tuple(absent)


@dataclass(frozen=True)
class Wanted:
    """What the engine would create, as it writes it for an import.

    `known`: URNs of parents and providers by name; `suffix`: of the database instance's name, once it is drawn.
    """

    entries: list[Entry]
    known: Mapping[str, str]
    suffix: str

    def chosen(self, ids: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
        """An import file for `names`: placeholders filled in, with the components and providers that they hang on."""
        kept = [
            {**entry, "id": ids[entry["name"]]} if entry["name"] in names else entry
            for entry in self.entries
            if entry["name"] in names or _hanger(entry["type"])
        ]
        # Those that are recorded already are named by their URN; a name must stand in one place only.
        listed = {entry["name"] for entry in kept}
        return {"resources": kept, "nameTable": {name: urn for name, urn in self.known.items() if name not in listed}}


def _hanger(type_token: str) -> bool:
    """Whether resources hang on this: components and explicit providers."""
    return type_token.startswith(("warp:", "pulumi:providers:"))


def _wanted(cli: Cli, file: Path) -> Wanted:
    """Ask the engine.

    The kubernetes plugin (from 4.29) asks the cluster already in the preview, and refuses what exists there. Those are
    left out of the engine's list and put in from what it said about them.
    """
    clashing: dict[str, Entry] = {}
    file.unlink(missing_ok=True)  # of the import before
    while True:
        excluded = [argument for urn in clashing for argument in ("--exclude", urn)]
        events = cli.preview("--import-file", str(file), *excluded)
        new = {failure.urn for failure in events.failures if EXISTS in failure.message} - clashing.keys() - {""}
        if not new:
            break
        clashing |= {step["urn"]: _entry(step) for step in events.steps if step["urn"] in new}
    _refuse_failures(events.failures)
    listed = _listed(file)
    hangers = [step["urn"] for step in events.steps if _hanger(type_of(step["urn"]))]
    return Wanted(
        listed + list(clashing.values()), {logical_name(urn): urn for urn in hangers}, _drawn_suffix(events.steps)
    )


def _listed(file: Path) -> list[Entry]:
    """What the engine's import file lists; it is `{}` where nothing is left to create, and none after some failures."""
    text = file.read_text() if file.exists() else ""
    document = json.loads(text) if text.strip() else None
    return list((document or {}).get("resources") or [])


def _drawn_suffix(steps: Sequence[Mapping[str, Any]]) -> str:
    """What was drawn for the database instance's name in an earlier update; empty before that."""
    drawn = (step.get("oldState") for step in steps if logical_name(step["urn"]) == "database-suffix")
    return next((str((state.get("outputs") or {}).get("hex") or "") for state in drawn if state), "")


def _entry(step: Mapping[str, Any]) -> Entry:
    """One resource as the engine's import file would have it."""
    state = step.get("newState") or {}
    provider = str(state.get("provider") or "").rpartition("::")[0]
    hangs = {"parent": str(state.get("parent") or ""), "provider": provider}
    return {
        "type": type_of(step["urn"]),
        "name": logical_name(step["urn"]),
        "id": "<PLACEHOLDER>",
        **{key: logical_name(urn) for key, urn in hangs.items() if urn},
    }


def _refuse_failures(failures: list[Failure]) -> None:
    if failures:
        raise EngineError("pulumi", "\n".join(dict.fromkeys(failure.message for failure in failures)))
