"""The two-step import: the engine lists what it would create, we name what exists, the engine records it.

Nothing is written to the cloud: `pulumi import` reads, and changes the state alone. Every step can be repeated, and
what a crash left half done is simply still in the next run's list.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adopt.differences import Comparison, compare, logical_name
from components import database, dns, egress, ingress
from engine_cli import Cli, EngineError, Failure
from settings import Settings

# The logical names that `__main__.py` gives its components.
COMPONENTS = {"ingress": ingress, "egress": egress, "dns": dns, "database": database}
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


def import_ids(settings: Settings) -> dict[str, str]:
    """Logical name -> import id of everything that may exist already."""
    return {
        logical: identity
        for name, component in COMPONENTS.items()
        for logical, identity in component.import_ids(name, settings).items()
    }


def adopt(cli: Cli, settings: Settings, say: Say) -> Adoption:
    """Record what exists and compare. Raises `EngineError` when the engine cannot go on."""
    ids = import_ids(settings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        say("asking the engine what it would create")
        recorded, absent = _record(cli, _wanted(cli, file), ids, file, protect=settings.protect, say=say)
    say("comparing the cloud with the settings")
    events = cli.preview()
    _refuse_failures(events.failures)
    return Adoption(recorded, absent, compare(events.steps), events.outputs)


def _wanted(cli: Cli, file: Path) -> list[Entry]:
    """What the engine would create, as it writes it for an import.

    The kubernetes plugin (from 4.29) asks the cluster already in the preview, and refuses what exists there. Those are
    left out of the engine's list and put in from what it said about them.
    """
    clashing: dict[str, Entry] = {}
    while True:
        excluded = [argument for urn in clashing for argument in ("--exclude", urn)]
        events = cli.preview("--import-file", str(file), *excluded)
        new = {failure.urn for failure in events.failures if EXISTS in failure.message} - clashing.keys() - {""}
        if not new:
            break
        clashing |= {step["urn"]: _entry(step) for step in events.steps if step["urn"] in new}
    _refuse_failures(events.failures)
    listed: list[Entry] = json.loads(file.read_text())["resources"] if file.exists() else []
    return listed + list(clashing.values())


def _entry(step: Mapping[str, Any]) -> Entry:
    """One resource as the engine's import file would have it."""
    state = step["newState"]
    provider = state.get("provider", "").rpartition("::")[0]
    return {
        "type": state["type"],
        "name": logical_name(step["urn"]),
        "id": "<PLACEHOLDER>",
        "parent": logical_name(state["parent"]),
        "provider": logical_name(provider),
    }


def _record(
    cli: Cli, wanted: list[Entry], ids: Mapping[str, str], file: Path, *, protect: bool, say: Say
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Import what exists of `wanted`; the names that were recorded, and those that the cloud does not have."""
    absent: list[str] = []
    while True:
        names = [entry["name"] for entry in wanted if entry["name"] in ids and entry["name"] not in absent]
        if not names:
            return (), tuple(absent)
        file.write_text(json.dumps({"resources": list(_with_ids(wanted, ids, names))}))
        say(f"recording {len(names)} resources that exist already")
        failures = cli.import_resources(file, protect=protect).failures
        if not failures:
            return tuple(names), tuple(absent)
        missing = [logical_name(each.urn) for each in failures if each.urn and ABSENT in each.message]
        if not missing:
            _refuse_failures(failures)
        absent += missing
        say(f"not in the cloud, left to be created: {', '.join(missing)}")


def _with_ids(wanted: list[Entry], ids: Mapping[str, str], names: list[str]) -> Iterator[Entry]:
    """The chosen ones with their placeholders filled in, and the components and providers that they hang on."""
    for entry in wanted:
        if entry["name"] in names:
            yield {**entry, "id": ids[entry["name"]]}
        elif entry.get("component") or entry["type"].startswith("pulumi:providers:"):
            yield entry


def _refuse_failures(failures: list[Failure]) -> None:
    if failures:
        raise EngineError("pulumi", "\n".join(dict.fromkeys(failure.message for failure in failures)))
