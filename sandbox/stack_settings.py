"""A stack's YAML, read as the engine reads it: what it refuses is refused here too, in one message."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.layout import SandboxError

REMEDY: Final = "correct it; docs/settings.md lists every key, and `git diff` shows the edits"


_NUMBER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OWN = ("bool", "int", "float", "value")


class _Loader(yaml.SafeLoader):
    """Like gopkg.in/yaml.v3: no duplicate keys, no anchor inside itself; an invalid date is text, and so are `yes`,
    `on` and 1:30, which are booleans and a number in YAML 1.1 (tried with engine 3.260)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._open = list[str]()

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._open:
            problem = f"anchor '{event.anchor}' value contains itself"
            mark: Any = event.start_mark
            raise yaml.composer.ComposerError(None, None, problem, mark)
        self._open.append(getattr(event, "anchor", None) or "")
        try:
            return super().compose_node(parent, index)
        finally:
            self._open.pop()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused by the class above
            if key.value in seen:
                problem = f'mapping key "{key.value}" already defined at line {seen[key.value]}'
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_date(self, node: yaml.ScalarNode) -> object:
        """An impossible date stays text: the settings refuse it by its key."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return node.value

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A leading zero means octal; if it cannot, as in 08, it is ignored."""
        digits = node.value.replace("_", "")
        try:
            return int(re.sub(r"^([-+]?)0(?=[0-9])", r"\g<1>0o", digits), 0)
        except ValueError:
            return float(digits)


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0].rpartition(":")[2] not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
for _tag, _form, _first in (
    ("bool", re.compile("(true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("int", re.compile(f"({_NUMBER.pattern})$"), "-+0123456789"),
    ("float", re.compile(f"({_FLOAT.pattern})$"), "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _form, list(_first))


def load(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty for an empty file. Raises `SandboxError`."""
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SandboxError(f"{file.name}{place}: {error.problem}\n  -> {REMEDY}") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError):  # UTF-16 without its mark is UTF-8 with null characters
        raise SandboxError(f"{file.name}: not UTF-8 text\n  -> save it as UTF-8 and try again") from None
    except RecursionError:
        raise SandboxError(f"{file.name}: nested too deeply\n  -> {REMEDY}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SandboxError(f"{file.name}: {' '.join(str(error).split())}\n  -> {REMEDY}") from None
    except OSError as error:
        raise SandboxError(f"{file}: {error.strerror}\n  -> `git checkout {file.name}` restores it") from None
    if not isinstance(found or {}, dict):
        raise SandboxError(f"{file.name}: expected a mapping, found a {type(found).__name__}\n  -> {REMEDY}")
    return found or {}


def settings(file: Path) -> dict[str, Any]:
    """The settings in a stack's YAML, key to value. Raises `SandboxError`."""
    config = load(file).get("config")
    if not isinstance(config, dict):
        if config is None:
            raise SandboxError(f"{file.name}: `config:` is missing\n  -> {REMEDY}")
        found = "a list" if isinstance(config, list) else "a single value"
        wrong = f"`config:` is {found}; it must contain settings, one `key: value` per line"
        raise SandboxError(f"{file.name}: {wrong}\n  -> {REMEDY}")
    return config
