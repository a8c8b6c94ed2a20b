"""Reading and writing published objects: camelCase, types not coerced, unknown fields ignored.

Fields with their default are not written.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

Json = dict[str, Any]

READ = ConfigDict(extra="ignore", strict=True, alias_generator=to_camel, defer_build=True)


def _canonical(text: str) -> str:
    if "%" in text:
        raise ValueError("an address cannot have a zone")
    return str(ip_address(text))


IpAddress = Annotated[str, AfterValidator(_canonical), Field(description="IPv4 or IPv6")]
Port = Annotated[int, Field(ge=1, le=65535)]


_adapters: dict[type, TypeAdapter[Any]] = {}


def written(value: Any) -> Json:
    """An object of a published type as JSON, without fields that have their default."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    found: Json = _adapters[kind].dump_python(value, mode="json", by_alias=True, exclude_defaults=True)
    return found
