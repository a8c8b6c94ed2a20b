"""Nodes made from the parser's events are PyYAML's own: kind, line and text; and what is refused is refused alike."""

from __future__ import annotations

import random
from typing import Any

import yaml

from settings.plain_yaml import LIST, MAP, Node, YamlError, compose

PIECES = (
    "- ", "a: ", "\n", "\n  ", "\n- ", "b", "1", "0x1f", "010", "1.5", "1:30", "2020-01-01", "true", "yes", "~", "null",
    "=", "<<", "[", "]", "{", "}", ", ", ": ", "&a ", "&b ", "'", '"', "---\n", "...\n", "# c\n", "|\n", "%YAML 1.1\n",
    "1.2.3.4", "1.2.3.0/24", "::1", "\t", "\u0085", "\x00", "\ud800", ".5", ".inf", "1e3", "1_000", "é", "? ",
)  # fmt: skip


def shape(node: Node | None) -> Any:
    if node is None:
        return None
    return node.kind, node.line, [shape(each) for each in node.value] if node.kind in (MAP, LIST) else node.value


def pyyaml(node: yaml.Node | None) -> Any:
    if node is None:
        return None
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return MAP, line, [pyyaml(each) for pair in node.value for each in pair]
    if isinstance(node, yaml.SequenceNode):
        return LIST, line, [pyyaml(each) for each in node.value]
    return node.tag.rpartition(":")[2], line, node.value


def by_pyyaml(text: str) -> Any:
    try:
        return pyyaml(yaml.compose(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        return mark.line + 1 if mark else 1


def ours(text: str) -> Any:
    try:
        return shape(compose(text, deepest=99, what="this"))
    except YamlError as error:
        return error.line


def test_any_text_has_pyyaml_s_nodes_or_its_error_s_line() -> None:
    chance = random.Random(11)
    read = 0
    for _ in range(4000):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 14)))
        expected = by_pyyaml(text)
        # PyYAML stops at a second document; here a later line is read first, and may be refused for its own sake.
        assert ours(text) == expected or (isinstance(expected, int) and ours(text) > expected), text
        read += not isinstance(expected, int)
    assert read > 500


def test_items_of_a_list_are_handed_over_one_after_another_and_not_kept() -> None:
    found = list[Any]()
    root = compose("- 1\n- [a, b]\n- {c: d}\n", deepest=3, what="this", each=lambda node: found.append(shape(node)))
    whole = shape(compose("- 1\n- [a, b]\n- {c: d}\n", deepest=3, what="this"))
    assert shape(root) == (LIST, 1, [])
    assert (LIST, 1, found) == whole
