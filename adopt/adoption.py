"""The two-step import: the engine lists what it would create, we add the ids of existing objects, the engine imports.

Nothing is written to the cloud: `pulumi import` only reads, and changes the state. Every step can be repeated; objects
that a crash left out are in the next run's list.
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

ABSENT = "does not exist"  # the engine's message for an id that does not exist in the cloud
EXISTS = "already exists"  # the kubernetes plugin's message in a preview
HANGERS = ("warp:", "pulumi:providers:")  # others depend on them: components and explicit providers

Entry = dict[str, Any]  # one resource in an import file
Say = Callable[[str], None]


@dataclass(frozen=True)
class Adoption:
    """Imported resources, resources that do not exist in the cloud, and what an update would change."""

    recorded: tuple[str, ...]
    absent: tuple[str, ...]
    comparison: Comparison
    outputs: Mapping[str, Any]

    @property
    def inventory(self) -> Mapping[str, Any] | None:
        """The output `ipInventory`; None while one of its addresses is not reserved yet."""
        found = self.outputs.get("ipInventory")
        return found if isinstance(found, dict) else None


def adopt(cli: Cli, settings: Settings, say: Say) -> Adoption:
    """Import existing resources and compare. Raises `EngineError` if the engine fails."""
    if cli.deleting():
        cli.forget_deletions()
        say("a deletion was interrupted: removing resources from the state that no longer exist")
    recorded, absent = record(cli, settings, say)
    say("comparing the cloud with the settings")
    events = cli.preview()
    _refuse_failures(events.failures)
    return Adoption(recorded, absent, compare(events.steps), events.outputs)


def record(
    cli: Cli, settings: Settings, say: Say, only: Collection[str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Import existing resources, all or `only` these names; returns the imported names, and those that do not exist in
    the cloud. Raises `EngineError`.

    It can be killed at any point: the engine's pending operations are cleared last; until then they show the next run
    that there is something to import.
    """
    # The logical names of the database's resources are known before the instance's name is.
    possible = only is None or bool(import_ids(settings, "any").keys() & set(only))
    found = _record(cli, settings, say, only) if possible else ((), ())
    if cli.interrupted():
        say("an update was interrupted: refreshing the state")
        cli.forget_interruption()
    return found


def _record(
    cli: Cli, settings: Settings, say: Say, only: Collection[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An import ends at the first id that does not exist in the cloud, with only some of the others imported: repeat
    until the engine lists nothing more to import."""
    tried: dict[str, None] = {}
    absent: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        while True:
            say("listing the resources that the engine would create")
            wanted = _wanted(cli, file)
            ids = import_ids(settings, wanted.suffix)
            open_ = ids.keys() - absent if only is None else ids.keys() & set(only) - set(absent)
            names = [entry["name"] for entry in wanted.entries if entry["name"] in open_]
            if not names:
                break
            tried |= dict.fromkeys(names)
            file.write_text(json.dumps(wanted.chosen(ids, names)))
            say(f"importing {len(names)} existing resources")
            failures = cli.import_resources(file, protect=settings.protect).failures
            if not failures:
                break
            missing = [logical_name(each.urn) for each in failures if each.urn and ABSENT in each.message]
            if not missing:
                _refuse_failures(failures)
            absent += missing
            say(f"not in the cloud, to be created by an update: {', '.join(missing)}")
    return tuple(name for name in tried if name not in absent), tuple(absent)


@dataclass(frozen=True)
class Wanted:
    """The resources that the engine would create, as in its import file.

    `known`: URNs of parents and providers by name; `suffix`: of the database instance's name, once it is generated.
    """

    entries: list[Entry]
    known: Mapping[str, str]
    suffix: str

    def chosen(self, ids: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
        """An import file for `names`: placeholders filled in, with their parent components and providers."""
        kept = [
            {**entry, "id": ids[entry["name"]]} if entry["name"] in names else entry
            for entry in self.entries
            if entry["name"] in names or entry["type"].startswith(HANGERS)
        ]
        # Resources already in the state are referenced by URN; a name may be defined only once.
        listed = {entry["name"] for entry in kept}
        return {"resources": kept, "nameTable": {name: urn for name, urn in self.known.items() if name not in listed}}


def _wanted(cli: Cli, file: Path) -> Wanted:
    """List what the engine would create.

    The kubernetes plugin (from 4.29) checks the cluster already in the preview, and refuses existing objects. They are
    missing in the engine's list and added from its error messages.
    """
    clashing: dict[str, Entry] = {}
    file.unlink(missing_ok=True)  # of the previous import
    while True:
        excluded = [argument for urn in clashing for argument in ("--exclude", urn)]
        events = cli.preview("--import-file", str(file), *excluded)
        new = {failure.urn for failure in events.failures if EXISTS in failure.message} - clashing.keys() - {""}
        if not new:
            break
        clashing |= {step["urn"]: _entry(step) for step in events.steps if step["urn"] in new}
    _refuse_failures(events.failures)
    # `{}` if nothing is left to create, no file after some failures.
    text = file.read_text() if file.exists() else ""
    document = json.loads(text) if text.strip() else None
    listed: list[Entry] = list((document or {}).get("resources") or [])
    hangers = [step["urn"] for step in events.steps if type_of(step["urn"]).startswith(HANGERS)]
    return Wanted(
        listed + list(clashing.values()), {logical_name(urn): urn for urn in hangers}, _drawn_suffix(events.steps)
    )


def _drawn_suffix(steps: Sequence[Mapping[str, Any]]) -> str:
    """The random suffix of the database instance's name from an earlier update; empty before that."""
    drawn = (step.get("oldState") for step in steps if logical_name(step["urn"]) == "database-suffix")
    return next((str((state.get("outputs") or {}).get("hex") or "") for state in drawn if state), "")


def _entry(step: Mapping[str, Any]) -> Entry:
    """One resource as in the engine's import file."""
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
