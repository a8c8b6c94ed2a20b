"""Property values between the engine's wire format and plain Python.

Decoding unwraps secrets and records their places, so that the rest of the cloud works on plain values and `encode` can
wrap the same places again. An unknown value is the engine's marker string everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

UNKNOWN: Final[str] = rpc.UNKNOWN
DEFAULTS: Final = "__defaults"
"""Under this key the bridge records which inputs of an object are defaults that it filled in."""

Props = dict[str, Any]
Path = tuple[str | int, ...]

# The engine's wire signatures (sdk/proto documentation, "special values").
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


@dataclass(frozen=True)
class Decoded:
    """Plain values, and the places that were secret."""

    values: Props
    secrets: frozenset[Path] = frozenset()


def decode(struct: struct_pb2.Struct) -> Decoded:
    """Read a message's properties; absent and null properties are both left out, as the bridge does."""
    secrets: set[Path] = set()
    values = {name: _decode(value, (name,), secrets) for name, value in struct.fields.items()}
    return Decoded({name: value for name, value in values.items() if value is not None}, frozenset(secrets))


def _decode(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item, (*path, index), secrets) for index, item in enumerate(value.list_value.values)]
    if kind == "struct_value":
        fields = value.struct_value.fields
        signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else ""
        if signature == _SECRET:
            secrets.add(path)
            return _decode(fields["value"], path, secrets)
        if signature == _OUTPUT:
            if fields["secret"].bool_value:
                secrets.add(path)
            return _decode(fields["value"], path, secrets) if "value" in fields else UNKNOWN
        return {name: _decode(item, (*path, name), secrets) for name, item in fields.items()}
    return None


def encode(values: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Write properties, wrapping the places in `secrets` as secrets."""
    places = frozenset(secrets)
    return struct_pb2.Struct(fields={name: _encode(value, (name,), places) for name, value in values.items()})


def _encode(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    plain = _encode_plain(value, path, secrets)
    if path not in secrets:
        return plain
    signature = struct_pb2.Value(string_value=_SECRET)
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields={_SIGNATURE: signature, "value": plain}))


def _encode_plain(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        fields = {name: _encode(item, (*path, name), secrets) for name, item in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    items = [_encode(item, (*path, index), secrets) for index, item in enumerate(value)]
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))


def has_unknown(value: Any) -> bool:
    """Whether it contains an unknown value."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def without_defaults(value: Any) -> Any:
    """The same value without the bridge's records of defaults."""
    if isinstance(value, Mapping):
        return {name: without_defaults(item) for name, item in value.items() if name != DEFAULTS}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def path_text(path: Path, bare: str = "_-") -> str:
    """A path in the engine's notation: settings.ipConfiguration.authorizedNetworks[0].value.

    `bare`: characters besides letters and digits that a key may have unquoted. Plugins differ in the hyphen.
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.translate({ord(each): None for each in bare}).isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text
