"""A strict reader for hand-written YAML: values that YAML reads differently from a person are refused."""

from __future__ import annotations

import re
from typing import Any

import yaml

from settings.problems import show

# Not 010, which YAML reads as eight and people read as ten.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,11})\.[0-9]{1,6}")


class YamlError(Exception):
    """Invalid YAML: the reason, and the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def compose(text: str, *, deepest: int, what: str) -> yaml.Node | None:
    """The nodes of one document; None if it is empty. Raises `YamlError`.

    `what` names the document in the error for nesting deeper than `deepest`.
    """
    try:
        _refuse_tricks(text, deepest, what)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "not plain text in UTF-8"
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {reason}") from None


def _refuse_tricks(text: str, deepest: int, what: str) -> None:
    """A few bytes of aliases or brackets can exhaust memory or stack; PyYAML limits neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            trick = f"nested too deeply for {what}"
        elif isinstance(event, yaml.AliasEvent):
            trick = "an alias; write the value out"
        elif tag := getattr(event, "tag", None):
            trick = f"a tag, {show(tag)}; leave it out"
        else:
            continue
        raise YamlError(int(event.start_mark.line) + 1 if event.start_mark else 1, trick)


def plain(node: yaml.Node, *, decimals: bool = False) -> Any:  # noqa: PLR0911 (a table)
    """The value of a node. Anything YAML reads differently from a person is an error; `decimals`: 2.50 is a number."""
    if isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(line_of(key), "a key must be a word")
            if key.value in seen:
                raise YamlError(line_of(key), f"{show(key.value)} is given twice")
            seen.add(key.value)
        return {key.value: plain(value, decimals=decimals) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(value, decimals=decimals) for value in node.value]
    match node.tag.rpartition(":")[2]:
        case "str":
            return node.value
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
            raise YamlError(line_of(node), f"{show(node.value)} is read as {kind} by YAML; {remedy}")


def line_of(node: yaml.Node) -> int:
    """Its line number, counted from 1 as editors do."""
    return int(node.start_mark.line) + 1
