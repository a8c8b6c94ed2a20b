"""`python -m settings`: the reference of every setting as Markdown, written from the models."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from command_line import run
from settings import Settings, config_key
from settings.all_regions import GlobalSettings
from settings.secret_texts import SECRETS
from settings.stack import Stack

HEADER = """# Settings

Every key of a stack's YAML, written by `python -m settings` from the package `settings/`; a test compares them.
Objects are written in YAML below their key. Unknown keys are refused, and all problems are listed at once.

"""
TABLE = """| key | type | default | meaning |
|---|---|---|---|
"""
GLOBAL = """
## Role `global`

A stack of role `global` also has `gcp:project` and these of the settings above: {common}. In addition:

"""


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every setting; a group comes before its members."""
    for name, field in model.model_fields.items():
        alias = field.alias or name
        key = f"{prefix}.{alias}" if prefix else config_key(alias)
        inner = _group(field.annotation)
        yield key, _type(field.annotation), _default(field, inner), field.description or ""
        if inner:
            yield from rows(inner, f"{key}.*" if get_origin(field.annotation) is dict else key)


def _group(annotation: Any) -> type[BaseModel] | None:
    """The model inside `annotation`: itself, optional, or as a mapping's value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_group, get_args(annotation))), None)


def _type(annotation: Any) -> str:
    text = str(annotation) if get_args(annotation) else getattr(annotation, "__name__", str(annotation))
    literals = re.findall(r"Literal\[([^\]]*)\]", text)
    if literals:
        return " or ".join(f"`{value}`" for value in re.findall(r"'([^']*)'", literals[0]))
    kinds = {"dict": "mapping", "tuple": "list", "bool": "boolean", "int": "integer", "Decimal": "number"}
    for python, word in kinds.items():
        if re.match(rf"(typing\.Optional\[|typing\.Annotated\[)*{python}\b", text):
            return word
    if "Decimal" in text:
        return "number"
    if "datetime.date" in text:
        return "date"
    return "group" if _group(annotation) else "text"


def _default(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    if field.default is PydanticUndefined:
        return "**required**"
    if field.default is None or field.default in ({}, (), "") or (inner and isinstance(field.default, inner)):
        return ""
    value = field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def reference() -> str:
    """The whole page."""
    common = [config_key(str(field.alias)) for name, field in Stack.model_fields.items() if name != "project"]
    common += map(config_key, SECRETS)
    of_region = (each for each in rows(Settings))
    own = tuple(config_key(name) for name in Settings.elsewhere)
    of_global = (each for each in rows(GlobalSettings) if each[0].startswith(own))
    role_global = GLOBAL.format(common=", ".join(f"`{key}`" for key in common))
    return HEADER + TABLE + _lines(of_region) + _lines(_secrets()) + role_global + TABLE + _lines(of_global)


def _secrets() -> Iterator[tuple[str, str, str, str]]:
    for field, secret in SECRETS.items():
        yield config_key(field), "text", "", secret.meaning


def _lines(found: Iterable[tuple[str, str, str, str]]) -> str:
    return "".join(f"| `{key}` | {kind} | {default} | {meaning} |\n" for key, kind, default, meaning in found)


def main() -> int:
    """Print it."""
    print(reference(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
