"""Where trunks and their ranges stand in the files, for the errors of the database, which knows no files.

Strings, because they are inputs of the resource: BAN -> `trunks/a.yaml:1`, its first trunk; `BAN trunk` ->
`trunks/a.yaml:9`, a tab, `13-15 20`: the trunk, and the lines of its ranges as its text has them (`trunk_text.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from trunk_text import Network, by_trunk


def written(ban: str, trunk: str, file: str, line: int, lines: Sequence[int]) -> tuple[str, str]:
    """Key and value of one trunk."""
    return f"{ban} {trunk}", f"{file}:{line}\t{' '.join(_runs(lines))}"


def of_trunk(places: Mapping[str, str], ban: str, trunk: str = "") -> str:
    """Of a trunk, or else of its customer; empty when it is in no file."""
    return places.get(f"{ban} {trunk}", places.get(ban, "")).partition("\t")[0]


def of_range(places: Mapping[str, str], customers: Mapping[str, str], range_: Network) -> str:
    """Of a range in customers' texts, or else of its trunk; empty when it is in no file."""
    text = str(range_)
    for trunk, entries in by_trunk(customers):
        for position, (entry, _) in enumerate(entries):
            if entry == text:
                first, _, runs = places.get(f"{trunk.ban} {trunk.name}", "").partition("\t")
                lines = list(_lines(runs.split()))
                file = first.rpartition(":")[0]
                return f"{file}:{lines[position]}" if position < len(lines) else of_trunk(places, trunk.ban, trunk.name)
    return ""


def _runs(lines: Sequence[int]) -> Iterator[str]:
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or lines[end] != lines[end - 1] + 1:
            yield f"{lines[start]}" if end - start == 1 else f"{lines[start]}-{lines[end - 1]}"
            start = end


def _lines(runs: Iterable[str]) -> Iterator[int]:
    for run in runs:
        first, _, last = run.partition("-")
        yield from range(int(first), int(last or first) + 1)
