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

from adopt.differences import OURS, Comparison, compare, logical_name
from components import database, dns, egress, ingress
from engine_cli import Cli, EngineError, Failure
from settings import Settings

# The logical names that `__main__.py` gives its components.
COMPONENTS = {"ingress": ingress, "egress": egress, "dns": dns, "database": database}
ABSENT = "does not exist"  # the engine's words for an id that the cloud does not know

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
    recorded: list[str] = []
    absent: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "import.json"
        say("asking the engine what it would create")
        _refuse_failures(cli.preview("--import-file", str(file)).failures)
        wanted = json.loads(file.read_text()) if file.exists() else {"resources": []}
        while True:
            chosen = _with_ids(wanted, ids, absent)
            names = [entry["name"] for entry in _adoptable(chosen)]
            if not names:
                break
            file.write_text(json.dumps(chosen))
            say(f"recording {len(names)} resources that exist already")
            failures = cli.import_resources(file, protect=settings.protect).failures
            missing = [logical_name(each.urn) for each in failures if each.urn and ABSENT in each.message]
            if not failures:
                recorded = names
                break
            if not missing:
                _refuse_failures(failures)
            say(f"not in the cloud, left to be created: {', '.join(missing)}")
            absent += missing
    say("comparing the cloud with the settings")
    events = cli.preview()
    _refuse_failures(events.failures)
    return Adoption(tuple(recorded), tuple(absent), compare(events.steps), events.outputs)


def _with_ids(wanted: Mapping[str, Any], ids: Mapping[str, str], absent: list[str]) -> dict[str, Any]:
    """The engine's list with its placeholders filled in, less what cannot be adopted and what is not there."""
    kept = [
        entry if entry.get("component") else {**entry, "id": ids[entry["name"]]}
        for entry in wanted["resources"]
        if entry.get("component") or (entry["name"] in ids and entry["name"] not in absent)
    ]
    return {**wanted, "resources": kept}


def _adoptable(wanted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (entry for entry in wanted["resources"] if not entry.get("component") and not entry["type"].startswith(OURS))


def _refuse_failures(failures: list[Failure]) -> None:
    if failures:
        raise EngineError("pulumi", "\n".join(dict.fromkeys(failure.message for failure in failures)))
