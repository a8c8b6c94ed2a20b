"""Reading trunk files, as every preview and every update does: against PyYAML's loader alone, which checks nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from benchmarks.measuring import Result, side_by_side
from benchmarks.trunk_acl_data import trunks
from components.trunk_acl.trunk_files import read
from settings.trunk_acl import Limits

ENTRIES = 100_000
TRUNKS_PER_FILE = 200
RUNS = 3


def run() -> Iterator[Result]:
    """Yield results: entries as plain ranges, and as mappings, `{range: ..., active: true}`."""
    for kind in ("ranges", "mappings"):
        with tempfile.TemporaryDirectory(prefix="warp-edge-bench-") as folder:
            files = _write(Path(folder), kind)
            yield _compared(kind, Path(folder), files)


def _compared(kind: str, folder: Path, files: Sequence[Path]) -> Result:
    def load() -> list[object]:
        return [yaml.load(each.read_text(), Loader=yaml.CSafeLoader) for each in files]

    name = f"read {ENTRIES} entries, {kind} / yaml.CSafeLoader"
    return side_by_side(name, ENTRIES, lambda: read(folder, Limits()), load, RUNS)


def _write(folder: Path, kind: str) -> list[Path]:
    files = []
    made = list(trunks(ENTRIES))
    for place in range(0, len(made), TRUNKS_PER_FILE):
        lines = []
        for trunk in made[place : place + TRUNKS_PER_FILE]:
            lines += [
                f'- ban: "{trunk.ban}"',
                f"  trunk: {trunk.name}",
                "  callsPerSecond: 50",
                "  concurrentCalls: 500",
            ]
            lines.append("  ranges:")
            for entry in trunk.entries:
                flag = str(entry.active).lower()
                plain = kind == "ranges" and entry.active
                lines.append(f'    - "{entry.range}"' if plain else f'    - {{range: "{entry.range}", active: {flag}}}')
        files.append(folder / f"{place:05}.yaml")
        files[-1].write_text("\n".join(lines) + "\n")
    return files
