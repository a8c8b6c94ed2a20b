"""Reads customers' trunks from YAML files. Whatever is wrong is told with file, line, BAN and reason, all at once.

Leaves to others: what only the database knows (whether a BAN exists, what the portal's rows cover).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from components.trunk_acl import places, ranges
from components.trunk_acl.special_purpose import Fitness
from components.trunk_acl.trunk_folder import listed
from settings.base import BAN, TRUNK, Ban
from settings.plain_yaml import LIST, MAP, Node, YamlError, compose, plain
from settings.problems import problem_of, refuse, show
from settings.trunk_acl import Limits
from trunk_text import OFF, Network, header

LISTED = 20  # problems shown at once
DEEPEST = 8  # a file's list, a trunk, its ranges, a range: four are enough
_BAN = re.compile(BAN)
# `- 2600:1f18::` is a mapping of `2600:1f18:` to nothing; inside brackets, or after a key, it is no YAML at all.
_ADDRESS_AS_KEY = re.compile(r"[0-9A-Fa-f:]*:")
_UNQUOTED = re.compile(r"""(?<![\w:"'])[0-9A-Fa-f:]*::(?=\s*([],}#]|$))""")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where; line 0 is the file itself."""

    file: str
    line: int
    ban: str
    reason: str

    def __str__(self) -> str:
        customer = f"BAN {self.ban}: " if self.ban else ""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"  {place}: {customer}{self.reason}"


class TrunkFilesError(Exception):
    """Every problem of the trunk files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "one entry" if len(self.problems) == 1 else f"{len(self.problems)} entries"
        lines = [str(problem) for problem in self.problems[:LISTED]]
        more = len(self.problems) - len(lines)
        tail = [f"  and {more} more"] if more > 0 else []
        super().__init__("\n".join([f"{count} of the trunk files cannot be used; nothing was changed", *lines, *tail]))


@dataclass(frozen=True)
class TrunkFiles:
    """`customers`: BAN to the text of its trunks (`trunk_text.py`). `places`: where they stand (`places.py`)."""

    customers: dict[str, str]
    places: dict[str, str]


def _network(value: object) -> Network:
    if not isinstance(value, str):
        raise refuse("not a range", "write it as 203.0.113.0/24")
    try:
        return ip_network(value.replace("%", " "))  # no interface of one machine: `fe80::1%eth0`
    except ValueError as error:
        why = ": it has host bits set" if "host bits" in str(error) else ""
        raise refuse(f"{show(value)} is not a range{why}", "write it as 203.0.113.0/24, host bits zero") from None


def _entry(item: object) -> object:
    """A range alone is an entry."""
    for key, value in item.items() if isinstance(item, dict) else ():
        if value is None and _ADDRESS_AS_KEY.fullmatch(key):
            raise refuse(_ends_in_a_colon(f"{key}:"), "put it in quotes")
    return {"range": item} if isinstance(item, str) else item


def _ends_in_a_colon(address: str) -> str:
    return f"{show(address)} ends in a colon, which YAML takes for a key"


Range = Annotated[Any, BeforeValidator(_network)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, defer_build=True)


class _Entry(_Section):
    range: Range
    active: bool = True


class _Trunk(_Section):
    """One list item of a trunk file."""

    ban: Ban
    trunk: str = Field(pattern=TRUNK)
    auth: Literal["IP_ACL", "DIGEST", "BOTH"] = "IP_ACL"
    calls_per_second: int = Field(gt=0, le=1_000_000)
    concurrent_calls: int = Field(gt=0, le=10_000_000)
    active: bool = True
    ranges: list[Annotated[_Entry, BeforeValidator(_entry)]]


_ITEM = TypeAdapter(_Trunk)


# A range with its trunk's number and its line: `ranges.Range`, and then number, line, whether it is in use.
_Placed = tuple[int, int, int, int, int, bool]


@dataclass(frozen=True)
class _Found:
    """A trunk with its place. `header`: its first line as text."""

    ban: str
    name: str
    header: str
    file: str
    line: int


@dataclass
class _Reading:
    """What was read so far. `entries` refer to `trunks` by their place in it."""

    fitness: Fitness
    trunks: list[_Found] = field(default_factory=list)
    entries: list[_Placed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unfit: list[Problem] = field(default_factory=list)


def read(folder: Path, limits: Limits) -> TrunkFiles:
    """The trunks in the files of `folder` (`trunk_folder.listed`). Raises `TrunkFilesError` with every problem."""
    if not folder.is_dir():
        raise TrunkFilesError([Problem(str(folder), 0, "", "no such folder; trunkAcl.trunks names it")])
    try:
        files, refused = listed(folder)
    except OSError as error:
        raise TrunkFilesError([Problem(str(folder), 0, "", f"cannot be read: {error.strerror}")]) from None
    reading = _Reading(Fitness(limits))
    reading.problems += [Problem(_named(folder, name), 0, "", reason) for name, reason in refused]
    for file in files:
        _read(file, _named(folder, file.name), reading)
    reading.entries.sort()
    problems = [*reading.problems, *reading.unfit, *_clashes(reading)]
    if problems:
        raise TrunkFilesError(sorted(problems, key=lambda each: (each.file, each.line)))
    return _written(reading)


def _written(reading: _Reading) -> TrunkFiles:
    texts = [[each.header] for each in reading.trunks]
    lines: list[list[int]] = [[] for _ in reading.trunks]
    for version, first, length, number, line, active in reading.entries:
        texts[number].append(f"  {ranges.written(version, first, length)}{'' if active else OFF}")
        lines[number].append(line)
    where: dict[str, str] = {}
    by_customer: dict[str, list[tuple[str, str]]] = {}
    for each, text, places_of in zip(reading.trunks, texts, lines, strict=True):
        where.setdefault(each.ban, f"{each.file}:{each.line}")
        key, value = places.written(each.ban, each.name, each.file, each.line, places_of)
        where[key] = value
        by_customer.setdefault(each.ban, []).append((each.name, "\n".join(text)))
    return TrunkFiles(
        {ban: "\n".join(text for _, text in sorted(by_customer[ban])) for ban in sorted(by_customer)}, where
    )


def _named(folder: Path, name: str) -> str:
    """As the folder's reader finds it, on one line whatever the file is called."""
    path = f"{folder.name}/{name}"
    return path if path.isprintable() else show(path)


def _read(file: Path, name: str, reading: _Reading) -> None:
    text = ""
    # An error further down makes all of the file a single problem.
    lists: tuple[list[Any], ...] = (reading.trunks, reading.entries, reading.problems, reading.unfit)
    before = [len(each) for each in lists]
    problem: Problem | None = None
    try:
        text = file.read_text(encoding="utf-8")
        root = compose(text, deepest=DEEPEST, what="a trunk", each=lambda node: _item(node, name, reading))
        if root is None:
            problem = Problem(name, 1, "", "empty: its customers would be removed; write `[]` if there are none")
        elif root.kind != LIST:
            problem = Problem(name, root.line, "", "not a list; write one `- ban: ...` per trunk")
    except OSError as error:
        problem = Problem(name, 1, "", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        problem = Problem(name, 1, "", "not YAML: plain text in UTF-8 is needed")
    except YamlError as error:
        line = text.split("\n")[error.line - 1 : error.line]
        address = _UNQUOTED.search(line[0]) if line else None
        hint = f"; {_ends_in_a_colon(address[0])}; put it in quotes" if address else ""
        problem = Problem(name, error.line, "", f"{error}{hint}")
    if problem:
        for each, length in zip(lists, before, strict=True):
            del each[length:]
        reading.problems.append(problem)


def _item(node: Node, file: str, reading: _Reading) -> None:
    try:
        value = plain(node)
        placed = _ranges(value, node)
        item = _ITEM.validate_python(value if placed is None else {**value, "ranges": []})
    except YamlError as error:
        reading.problems.append(Problem(file, error.line, "", str(error)))
        return
    except ValidationError as error:
        reading.problems += _problems(error, value, node, file)
        return
    if placed is None:
        lines = [child.line for child in _child_values(node, "ranges")]
        placed = [
            (*ranges.of_network(each.range), line, each.active) for each, line in zip(item.ranges, lines, strict=True)
        ]
    number = len(reading.trunks)
    first = header(
        item.trunk, item.auth, item.calls_per_second, item.concurrent_calls, active=item.active
    )  # fmt: skip
    reading.trunks.append(_Found(item.ban, item.trunk, first, file, node.line))
    for version, start, length, line, active in placed:
        reading.entries.append((version, start, length, number, line, active))
        if reason := reading.fitness.unfit(version, start, length):
            reading.unfit.append(Problem(file, line, item.ban, f"{reason}; the limits are trunkAcl.limits"))


def _ranges(value: Any, node: Node) -> list[tuple[int, int, int, int, bool]] | None:
    """Ranges in the usual spelling, each with its line and whether it is in use, without a model for each. None where
    one of them is not: the models then say what is wrong, or take another spelling."""
    listed = value.get("ranges") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return None
    placed = []
    for each, child in zip(listed, _child_values(node, "ranges"), strict=True):
        text, active = each, True
        if isinstance(each, dict):
            text, active = each.get("range"), each.get("active", True)
            if len(each) != 1 + ("active" in each) or not isinstance(active, bool):
                return None
        found = ranges.parsed(text) if isinstance(text, str) else None
        if found is None:
            return None
        placed.append((*found, child.line, active))
    return placed


def _problems(error: ValidationError, value: Any, node: Node, file: str) -> Iterator[Problem]:
    ban = value.get("ban", "") if isinstance(value, dict) else ""
    if ban != "" and not _BAN.fullmatch(str(ban)):
        ban = show(ban)
    for complaint in error.errors(include_url=False):
        problem = problem_of({**complaint, "loc": ("trunk", *complaint["loc"])})
        key = problem.key.partition(".")[2]
        what = f"{problem.wrong}; {problem.remedy.replace('docs/settings.md', 'docs/trunk-acl.md')}"
        if complaint["type"] == "string_type":
            what = f"{problem.value} is no text to YAML; put it in quotes"
        reason = f"{key + ': ' if key else ''}{what}"
        yield Problem(file, _line_below(node, complaint["loc"]), str(ban), reason)


def _child(node: Node, step: object) -> Node | None:
    if node.kind == MAP:
        return next(
            (value for key, value in zip(node.value[::2], node.value[1::2], strict=True) if key.value == step), None
        )
    if node.kind == LIST and isinstance(step, int):
        child: Node | None = node.value[step] if step < len(node.value) else None
        return child
    return None


def _child_values(node: Node, step: object) -> list[Node]:
    child = _child(node, step)
    return child.value if child and child.kind == LIST else []


def _line_below(node: Node, steps: Sequence[object]) -> int:
    for step in steps:
        child = _child(node, step)
        if child is None:
            break
        node = child
    return node.line


def _clashes(reading: _Reading) -> Iterator[Problem]:
    """A trunk twice, a range twice, and overlapping ranges of two customers. The entries are sorted."""
    trunks = reading.trunks
    seen: dict[tuple[str, str], _Found] = {}
    for each in trunks:
        first = seen.setdefault((each.ban, each.name), each)
        if first is not each:
            reason = f"trunk {each.name} stands already in {first.file}:{first.line}"
            yield Problem(each.file, each.line, each.ban, reason)
    # Sorted, a range comes right after those around it: a stack of them is all that can overlap.
    around: list[tuple[_Placed, int]] = []  # with its last address
    for entry in reading.entries:
        version, start, length, number, line, _ = entry
        while around and not (around[-1][0][0] == version and start <= around[-1][1]):
            around.pop()
        if around:
            outer = around[-1][0]
            each, other = trunks[number], trunks[outer[3]]
            where = f"{other.file}:{outer[4]}"
            if outer[:3] == entry[:3]:
                text = ranges.written(version, start, length)
                yield Problem(each.file, line, each.ban, f"{text} stands already in {where}")
            elif other.ban != each.ban:
                text = ranges.written(version, start, length)
                reason = f"{text} overlaps {ranges.written(*outer[:3])} of BAN {other.ban} in {where}"
                yield Problem(each.file, line, each.ban, reason)
        around.append((entry, ranges.last(version, start, length)))
