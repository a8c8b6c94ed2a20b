"""The shape of a resource type: which inputs exist and how each behaves.

Written as text, one line per block of fields, in the notation of the provider's own reference:

    root:      name!+ region!~ natIps<>@~ logConfig{} ttl:int description="Managed by Pulumi" id^
    logConfig: enable:bool* filter*

`:int` `:bool` `:num` type (default: text) · `[]` list, `<>` set, `{}` map or single block · `*` required · `!` a
change forces a replacement · `~` computed by the cloud if omitted, and then kept · `@` a link to another resource ·
`$` always secret · `^` output only · `+` named by the engine if omitted · `%` the plugin's own, not sent to the
cloud · `&` a single block that Terraform stores as a set of one · `#` a single block that needs at least one of its
fields · `-` absent in the state (not "", 0 or false) if the cloud has no value · `=x` documented default · `?=x`
implied default, not written into the inputs · `:A|B` and `:1..7` values that the plugin accepts.

`planning.py` applies shapes to plans; each resource type checks its values.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from local_cloud.errors import CheckFailure
from local_cloud.fields import Field, Many, Type
from local_cloud.values import DEFAULTS, UNKNOWN, Props

_FIELD = re.compile(
    r"(?P<name>\w+)(?::(?P<type>int|bool|num|\d+\.\.\d+|\w+(?:\|\w+)+))?(?P<many>\[\]|<>|\{\})?"
    r"(?P<marks>[*!~@$^+%?&#-]*)(?:=(?P<default>.*))?$"
)


@dataclass(frozen=True)
class Shape:
    """All fields of a resource type."""

    fields: Mapping[str, Field]

    @staticmethod
    def parse(text: str) -> Shape:
        """Read the notation described at the top of this module."""
        blocks: dict[str, list[str]] = {}
        for line in text.strip().splitlines():
            name, _, rest = line.strip().partition(":")
            if rest.startswith(" "):
                current = blocks.setdefault(name, [])
            else:
                rest = line  # a continuation line
            current.extend(shlex.split(rest))
        used = {"root"}
        fields = _fields("root", blocks, used)
        if unused := set(blocks) - used:
            raise ValueError(f"blocks without a field: {', '.join(sorted(unused))}")
        return Shape(fields)

    def walk(self) -> Iterator[tuple[str, Field]]:
        """Every field with its dotted name."""
        yield from _walk(self.fields, "")

    def check(self, inputs: Props, resource: str) -> list[CheckFailure]:
        """Refuse inputs that do not exist, are missing, or have the wrong type."""
        return list(_check(self.fields, inputs, "", resource))

    def with_defaults(self, inputs: Props, prior: Props | None = None) -> Props:
        """The inputs with documented defaults filled in and recorded, and scalars converted to the field's type.

        A default once filled in is kept: `prior` are the previous inputs. If they do not record their defaults, the
        bridge treats each of their values as one.
        """
        return _with_defaults(self.fields, inputs, prior or {})

    def with_zeros(self, values: Mapping[str, Any]) -> Props:
        """Every field; those without a value in the cloud get the provider's empty value."""
        return _with_zeros(self.fields, values)


def _fields(block: str, blocks: Mapping[str, list[str]], used: set[str]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for token in blocks[block]:
        match = _FIELD.match(token)
        if match is None:
            raise ValueError(f"not a field: {token!r}")
        name, kind, many, marks, default = match.group("name", "type", "many", "marks", "default")
        inner = name if block == "root" else f"{block}.{name}"
        nested: dict[str, Field] = {}
        if inner in blocks:
            used.add(inner)
            nested = _fields(inner, blocks, used)
        type_, allowed = _type(kind)
        value = None if default is None else coerce(type_, default)
        fields[name] = Field(name, type_, cast(Many, many or ""), marks, value, nested, allowed)
    return fields


def _type(text: str | None) -> tuple[Type, tuple[str, ...] | range | None]:
    """A field's type, and its allowed values if listed."""
    if text and "|" in text:
        return "str", tuple(text.split("|"))
    if text and ".." in text:
        low, high = text.split("..")
        return "int", range(int(low), int(high) + 1)
    return cast(Type, text or "str"), None


def _walk(fields: Mapping[str, Field], prefix: str) -> Iterator[tuple[str, Field]]:
    for name, one in fields.items():
        yield prefix + name, one
        yield from _walk(one.fields, f"{prefix}{name}.")


def coerce(kind: Type, value: Any) -> Any:
    """The bridge accepts "300" for a number and "true" for a boolean; anything else is unchanged."""
    if value == UNKNOWN:
        return value
    if kind == "str" and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "bool" and value in ("true", "false"):
        return value == "true"
    if kind in ("int", "num") and isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
        try:
            return float(value) if kind == "num" else value
        except ValueError:
            return value
    return value


def _is_of(kind: Type, value: Any) -> bool:
    if value == UNKNOWN:
        return True
    if kind == "str":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    return isinstance(value, int | float if kind == "num" else int) and not isinstance(value, bool)


def _check(fields: Mapping[str, Field], inputs: Props, prefix: str, resource: str) -> Iterator[CheckFailure]:
    for name in inputs:
        if name == DEFAULTS:
            continue
        if name not in fields:
            yield CheckFailure(
                prefix + name,
                f'Unsupported argument. An argument named "{name}" is not expected here. '
                f"Examine values at '{resource}.{prefix}{name}'.",
            )
        elif fields[name].output_only:
            yield CheckFailure(
                prefix + name,
                f'Can\'t configure a value for "{prefix}{name}": its value will be decided automatically '
                f"based on the result of applying this configuration. Examine values at '{resource}.{prefix}{name}'.",
            )
    for name, one in fields.items():
        value = inputs.get(name)
        if value is None:
            if one.required:
                yield CheckFailure(
                    prefix + name,
                    f'Missing required argument. The argument "{prefix}{name}" is required, but no definition was '
                    f"found. Examine values at '{resource}.{prefix}{name}'.",
                )
        elif value != UNKNOWN and not one.output_only:
            yield from _check_value(one, value, prefix + name, resource)


def _check_value(one: Field, value: Any, path: str, resource: str) -> Iterator[CheckFailure]:
    if one.many in ("[]", "<>"):
        if not isinstance(value, list):
            yield CheckFailure(path, f"expected a list. Examine values at '{resource}.{path}'.")
            return
        for index, item in enumerate(value):
            if item == UNKNOWN:
                continue
            if one.fields and isinstance(item, dict):
                yield from _check(one.fields, item, f"{path}[{index}].", resource)
            elif one.fields or not _is_of(one.type, coerce(one.type, item)):
                yield CheckFailure(f"{path}[{index}]", f"expected {one.type}, got {item!r}.")
    elif one.many == "{}":
        if not isinstance(value, dict):
            yield CheckFailure(path, f"expected an object. Examine values at '{resource}.{path}'.")
        elif one.fields:
            yield from _check(one.fields, value, f"{path}.", resource)
            if one.needs_one and not any(value.get(name) is not None for name in one.fields):
                yield CheckFailure(
                    path, f"Missing required argument. one of `{','.join(one.fields)}` must be specified"
                )
    elif not _is_of(one.type, coerce(one.type, value)):
        yield CheckFailure(path, f"expected {one.type}, got {value!r}. Examine values at '{resource}.{path}'.")
    elif one.allowed is not None and coerce(one.type, value) not in ("", *one.allowed):
        wanted = f"in the range ({one.allowed[0]} - {one.allowed[-1]})"
        if isinstance(one.allowed, tuple):
            wanted = f"one of [{' '.join(map(json.dumps, one.allowed))}]"
        yield CheckFailure(path, f"expected {path} to be {wanted}, got {value}. Examine values at '{resource}.{path}'.")


def _with_defaults(fields: Mapping[str, Field], inputs: Props, prior: Any) -> Props:
    result: Props = {}
    filled: list[str] = []
    before = prior if isinstance(prior, dict) else {}
    for name, one in fields.items():
        value = inputs.get(name)
        kept = before.get(name) if name in before.get(DEFAULTS, before) else None
        if value is not None:
            result[name] = _filled(one, value, before.get(name))
        elif one.default is not None and not one.implied and (kept is not None or one.default):
            # The bridge writes no default that is empty, false or 0.
            result[name] = one.default if kept is None else kept
            filled.append(name)
    return {**result, DEFAULTS: sorted({*filled, *inputs.get(DEFAULTS, [])} & set(result))}


def _filled(one: Field, value: Any, prior: Any) -> Any:
    if value == UNKNOWN:
        return value
    if one.many in ("[]", "<>"):
        if one.fields:
            before = prior if isinstance(prior, list) else []
            return [
                item if item == UNKNOWN else _with_defaults(one.fields, item, old)
                for item, old in itertools.zip_longest(value, before[: len(value)])
            ]
        return [coerce(one.type, item) for item in value]
    if one.many == "{}":
        if one.fields:
            return _with_defaults(one.fields, value, prior)
        return {key: coerce(one.type, item) for key, item in value.items()}
    return coerce(one.type, value)


def _with_zeros(fields: Mapping[str, Field], values: Mapping[str, Any]) -> Props:
    result: Props = {}
    for name, one in fields.items():
        value = values.get(name)
        if value is None:
            result[name] = one.zero()
        elif value == UNKNOWN or not one.fields:
            result[name] = value
        elif one.many == "{}":
            result[name] = _with_zeros(one.fields, value)
        else:
            result[name] = [item if item == UNKNOWN else _with_zeros(one.fields, item) for item in value]
    return result
