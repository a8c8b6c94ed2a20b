"""A stack's YAML, read as the engine reads it: what it would refuse is refused here too, in one message."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.layout import SandboxError

REMEDY: Final = "correct it; docs/settings.md has every key, and `git diff` shows what was changed"


class _Loader(yaml.SafeLoader):
    """As gopkg.in/yaml.v3 has it: a key stands once, and what is no date is text."""

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
        """A day that no calendar has is left for the settings to refuse, by its key."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return node.value


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


def load(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty where there is nothing in it. Raises `SandboxError`."""
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SandboxError(f"{file.name}{place}: {error.problem}\n  -> {REMEDY}") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError):  # UTF-16 without its mark is UTF-8 with null characters
        raise SandboxError(f"{file.name}: this is not text in UTF-8\n  -> save it as UTF-8, then again") from None
    except RecursionError:
        raise SandboxError(f"{file.name}: nested too deeply\n  -> {REMEDY}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SandboxError(f"{file.name}: {' '.join(str(error).split())}\n  -> {REMEDY}") from None
    except OSError as error:
        raise SandboxError(f"{file}: {error.strerror}\n  -> `git checkout {file.name}` brings it back") from None
    if not isinstance(found or {}, dict):
        raise SandboxError(f"{file.name}: there is a {type(found).__name__} where keys are wanted\n  -> {REMEDY}")
    return found or {}


def settings(file: Path) -> dict[str, Any]:
    """The settings in a stack's YAML, key to value. Raises `SandboxError`."""
    config = load(file).get("config")
    if not isinstance(config, dict):
        if config is None:
            raise SandboxError(f"{file.name}: there is no `config:` in it\n  -> {REMEDY}")
        found = "a list" if isinstance(config, list) else "a single value"
        wrong = f"`config:` holds {found}, it must hold settings, one `key: value` a line"
        raise SandboxError(f"{file.name}: {wrong}\n  -> {REMEDY}")
    return config
