"""A strict reader for hand-written YAML: values that YAML reads differently from a person are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml

from settings.problems import show

# Not 010, which YAML reads as eight and people read as ten.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,11})\.[0-9]{1,6}")
MAP, LIST = "map", "seq"


class YamlError(Exception):
    """Invalid YAML: the reason, and the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Node:
    """A value as it is written. `kind`: "map" (`value`: keys and values in turn), "seq" (`value`: its items), or that
    of a scalar (`value`: its text), such as "str" or "int". `line`: counted from 1, as editors do."""

    __slots__ = ("kind", "line", "value")

    def __init__(self, kind: str, line: int, value: Any) -> None:
        self.kind = kind
        self.line = line
        self.value = value


def compose(
    text: str, *, deepest: int, what: str, each: Callable[[Node], object] | None = None
) -> Node | None:  # fmt: skip
    """The nodes of one document; None if it is empty. Raises `YamlError`.

    `what` names the document in the error for nesting deeper than `deepest`. Where `each` is given, the items of a list
    at the top are handed to it, one after another, and not kept; the error of a later line may follow.
    """
    try:
        loader = yaml.CSafeLoader(text)
        try:
            return _composed(loader, deepest, what, each)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "not plain text in UTF-8"
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {reason}") from None


def _composed(  # noqa: PLR0912 (one loop over every event of a file: calls would double its time)
    loader: yaml.CSafeLoader, deepest: int, what: str, each: Callable[[Node], object] | None
) -> Node | None:
    """From the parser's events: PyYAML's own nodes take three times as long and as much memory.

    A few bytes of aliases or brackets can exhaust memory or stack, and PyYAML limits neither.
    """
    root: Node | None = None
    wrong: YamlError | None = None  # of the document as a whole; what a later line says comes first
    anchors = set[str]()
    around: list[Node] = []
    next_event = loader.get_event
    while True:
        event: Any = next_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            line = event.start_mark.line + 1
            if event.tag:
                raise _trick(event, f"a tag, {show(event.tag)}; leave it out")
            node = Node(_kind(event.value) if event.implicit[0] else "str", line, event.value)
            if event.anchor:
                wrong = wrong or _second(anchors, event)
        elif kind is yaml.SequenceStartEvent or kind is yaml.MappingStartEvent:
            node = Node(LIST if kind is yaml.SequenceStartEvent else MAP, event.start_mark.line + 1, [])
            around.append(node)
            if len(around) > deepest:
                raise _trick(event, f"nested too deeply for {what}")
            if event.tag:
                raise _trick(event, f"a tag, {show(event.tag)}; leave it out")
            if event.anchor:
                wrong = wrong or _second(anchors, event)
            continue
        elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
            node = around.pop()
        elif kind is yaml.AliasEvent:
            raise _trick(event, "an alias; write the value out")
        elif kind is yaml.StreamEndEvent:
            break
        elif kind is yaml.DocumentStartEvent and root:
            wrong = wrong or YamlError(event.start_mark.line + 1, "not YAML: but found another document")
            continue
        else:
            continue
        if not around:
            root = root or node
        elif each and len(around) == 1 and around[0].kind == LIST:
            each(node)
        else:
            around[-1].value.append(node)
    if wrong:
        raise wrong
    return root


def _trick(event: Any, reason: str) -> YamlError:
    return YamlError(event.start_mark.line + 1, reason)


def _second(anchors: set[str], event: Any) -> YamlError | None:
    if event.anchor in anchors:
        return YamlError(event.start_mark.line + 1, "not YAML: second occurrence")
    anchors.add(event.anchor)
    return None


def _kind(text: str) -> str:
    """What YAML takes a plain scalar for. No number, time or flag has a slash or two points, as addresses have."""
    return "str" if "/" in text or text.count(".") > 1 else _resolved(text)


@lru_cache(maxsize=1024)
def _resolved(text: str) -> str:
    resolvers = yaml.CSafeLoader.yaml_implicit_resolvers
    for tag, regexp in (*resolvers.get(text[:1], ()), *resolvers.get(None, ())):
        if regexp.match(text):
            return str(tag).rpartition(":")[2]
    return "str"


def plain(node: Node, *, decimals: bool = False) -> Any:  # noqa: PLR0911 (a table)
    """The value of a node. Anything YAML reads differently from a person is an error; `decimals`: 2.50 is a number."""
    match node.kind:
        case "str":
            return node.value
        case "map":
            keys, values = node.value[::2], node.value[1::2]
            seen = set[str]()
            for key in keys:
                if key.kind in (MAP, LIST):
                    raise YamlError(key.line, "a key must be a word")
                if key.value in seen:
                    raise YamlError(key.line, f"{show(key.value)} is given twice")
                seen.add(key.value)
            return {
                key.value: value.value if value.kind == "str" else plain(value, decimals=decimals)
                for key, value in zip(keys, values, strict=True)
            }
        case "seq":
            return [each.value if each.kind == "str" else plain(each, decimals=decimals) for each in node.value]
        case "int" if _NUMBER.fullmatch(node.value):
            return int(node.value)
        case "float" if decimals and _DECIMAL.fullmatch(node.value):
            return float(node.value)
        case "bool" if node.value in ("true", "false"):
            return node.value == "true"
        case "null":
            return None
        case kind:
            remedy = "put a name in quotes; write a number in digits only, a flag as true or false"
            raise YamlError(node.line, f"{show(node.value)} is read as {kind} by YAML; {remedy}")
