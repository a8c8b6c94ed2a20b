"""YAML files that people write by hand, read so that nothing in them means anything but what it looks like."""

from __future__ import annotations

import re
from typing import Any

import yaml

from settings.problems import show

# Not 010, which is eight in YAML and ten to whoever reads it.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,11})\.[0-9]{1,6}")


class YamlError(Exception):
    """What is wrong, and in which line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def compose(text: str, *, deepest: int, what: str) -> yaml.Node | None:
    """The nodes of one document; None where there is nothing. Raises `YamlError`.

    `what` is said to whoever nests deeper than `deepest`.
    """
    try:
        _refuse_tricks(text, deepest, what)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "plain text in UTF-8 is needed"
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {reason}") from None


def _refuse_tricks(text: str, deepest: int, what: str) -> None:
    """A few bytes of aliases or brackets can become more than there is memory or stack for: PyYAML minds neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            trick = f"nested too deeply for {what}"
        elif isinstance(event, yaml.AliasEvent):
            trick = "an alias; write out what it stands for"
        elif tag := getattr(event, "tag", None):
            trick = f"a tag, {show(tag)}; leave it out"
        else:
            continue
        raise YamlError(int(event.start_mark.line) + 1 if event.start_mark else 1, trick)


def plain(node: yaml.Node, *, decimals: bool = False) -> Any:  # noqa: PLR0911 (a table)
    """The value of a node. What YAML reads differently from a person is an error; `decimals`: 2.50 is a number."""
    if isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(line_of(key), "a key must be a word")
            if key.value in seen:
                raise YamlError(line_of(key), f"{show(key.value)} stands here twice")
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
    """Where it stands, as editors count."""
    return int(node.start_mark.line) + 1
