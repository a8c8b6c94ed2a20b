"""Reads customers' trunks from YAML files. Whatever is wrong is told with file, line, BAN and reason, all at once.

Leaves to others: what only the database knows (whether a BAN exists, what the portal's rows cover).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from components.trunk_acl import places
from components.trunk_acl.special_purpose import Fitness
from components.trunk_acl.trunk_folder import listed
from settings.base import BAN, Ban
from settings.plain_yaml import YamlError, compose, line_of, plain
from settings.problems import problem_of, refuse, show
from settings.trunk_acl import Limits
from trunk_text import Entry, Network, Trunk, texts

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
    """`customers`: BAN to the text of its trunks (`trunk_text.texts`). `places`: where they stand (`places.py`)."""

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
    trunk: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    auth: Literal["IP_ACL", "DIGEST", "BOTH"] = "IP_ACL"
    calls_per_second: int = Field(gt=0, le=1_000_000)
    concurrent_calls: int = Field(gt=0, le=10_000_000)
    active: bool = True
    ranges: list[Annotated[_Entry, BeforeValidator(_entry)]]


_ITEM = TypeAdapter(_Trunk)


@dataclass(frozen=True)
class _Found:
    """A trunk with its place, and its ranges with theirs."""

    trunk: Trunk
    file: str
    line: int
    lines: tuple[int, ...]


def read(folder: Path, limits: Limits) -> TrunkFiles:
    """The trunks in the files of `folder` (`trunk_folder.listed`). Raises `TrunkFilesError` with every problem."""
    if not folder.is_dir():
        raise TrunkFilesError([Problem(str(folder), 0, "", "no such folder; trunkAcl.trunks names it")])
    try:
        files, refused = listed(folder)
    except OSError as error:
        raise TrunkFilesError([Problem(str(folder), 0, "", f"cannot be read: {error.strerror}")]) from None
    problems = [Problem(_named(folder, name), 0, "", reason) for name, reason in refused]
    found: list[_Found] = []
    for file in files:
        found += _in_file(file, _named(folder, file.name), problems)
    problems += _unfit(found, limits)
    problems += _clashes(found)
    if problems:
        raise TrunkFilesError(sorted(problems, key=lambda each: (each.file, each.line)))
    where: dict[str, str] = {}
    for each in found:
        where.setdefault(each.trunk.ban, f"{each.file}:{each.line}")
        pairs = sorted(zip(each.trunk.entries, each.lines, strict=True), key=lambda pair: _place(pair[0].range))
        key, value = places.written(
            each.trunk.ban, each.trunk.name, each.file, each.line, [line for _, line in pairs]
        )  # fmt: skip
        where[key] = value
    return TrunkFiles(texts(each.trunk for each in found), where)


def _named(folder: Path, name: str) -> str:
    """As the folder's reader finds it, on one line whatever the file is called."""
    path = f"{folder.name}/{name}"
    return path if path.isprintable() else show(path)


def _in_file(file: Path, name: str, problems: list[Problem]) -> Iterator[_Found]:
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        root = compose(text, deepest=DEEPEST, what="a trunk")
    except OSError as error:
        problems.append(Problem(name, 1, "", f"cannot be read: {error.strerror}"))
        return
    except UnicodeDecodeError:
        problems.append(Problem(name, 1, "", "not YAML: plain text in UTF-8 is needed"))
        return
    except YamlError as error:
        line = text.split("\n")[error.line - 1 : error.line]
        address = _UNQUOTED.search(line[0]) if line else None
        hint = f"; {_ends_in_a_colon(address[0])}; put it in quotes" if address else ""
        problems.append(Problem(name, error.line, "", f"{error}{hint}"))
        return
    if root is None:
        problems.append(Problem(name, 1, "", "empty: its customers would be removed; write `[]` if there are none"))
        return
    if not isinstance(root, yaml.SequenceNode):
        problems.append(Problem(name, line_of(root), "", "not a list; write one `- ban: ...` per trunk"))
        return
    for item in root.value:
        if one := _item(item, name, problems):
            yield one


def _item(node: yaml.Node, file: str, problems: list[Problem]) -> _Found | None:
    try:
        value = plain(node)
        item = _ITEM.validate_python(value)
    except YamlError as error:
        problems.append(Problem(file, error.line, "", str(error)))
        return None
    except ValidationError as error:
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
            problems.append(Problem(file, _line_below(node, complaint["loc"]), str(ban), reason))
        return None
    entries = tuple(Entry(each.range, each.active) for each in item.ranges)
    trunk = Trunk(
        item.ban, item.trunk, item.auth, item.calls_per_second, item.concurrent_calls, item.active, entries
    )  # fmt: skip
    ranges = _child(node, "ranges")
    lines = tuple(line_of(child) for child in ranges.value) if isinstance(ranges, yaml.SequenceNode) else ()
    return _Found(trunk, file, line_of(node), lines)


def _child(node: yaml.Node, step: object) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    return None


def _line_below(node: yaml.Node, steps: Sequence[object]) -> int:
    for step in steps:
        child = _child(node, step)
        if child is None:
            break
        node = child
    return line_of(node)


def _unfit(found: Sequence[_Found], limits: Limits) -> Iterator[Problem]:
    """What the database would refuse, told before anything is touched."""
    fitness = Fitness(limits)
    for each, entry, line in _entries(found):
        if reason := fitness.unfit(entry.range):
            yield Problem(each.file, line, each.trunk.ban, f"{reason}; the limits are trunkAcl.limits")


def _clashes(found: Sequence[_Found]) -> Iterator[Problem]:
    """A trunk twice, a range twice, and overlapping ranges of two customers."""
    seen: dict[tuple[str, str], _Found] = {}
    for each in found:
        first = seen.setdefault((each.trunk.ban, each.trunk.name), each)
        if first is not each:
            reason = f"trunk {each.trunk.name} stands already in {first.file}:{first.line}"
            yield Problem(each.file, each.line, each.trunk.ban, reason)
    # Sorted by network, a range comes right after those around it: a stack of them is all that can overlap.
    around: list[tuple[_Found, Network, int]] = []
    for each, entry, line in sorted(_entries(found), key=lambda item: _place(item[1].range)):
        network = entry.range
        while around and not _contains(around[-1][1], network):
            around.pop()
        if around:
            other, outer, place = around[-1]
            where = f"{other.file}:{place}"
            if outer == network:
                yield Problem(each.file, line, each.trunk.ban, f"{network} stands already in {where}")
            elif other.trunk.ban != each.trunk.ban:
                reason = f"{network} overlaps {outer} of BAN {other.trunk.ban} in {where}"
                yield Problem(each.file, line, each.trunk.ban, reason)
        around.append((each, network, line))


def _entries(found: Sequence[_Found]) -> Iterator[tuple[_Found, Entry, int]]:
    for each in found:
        for entry, line in zip(each.trunk.entries, each.lines, strict=True):
            yield each, entry, line


def _place(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and int(outer.network_address) <= int(inner.network_address) <= int(
        outer.broadcast_address
    )
