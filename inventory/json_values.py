"""How a published object is read and written: camelCase, types not coerced, unknown fields ignored.

What has its default is not written.
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
        raise ValueError("a zone is no part of an address")
    return str(ip_address(text))


IpAddress = Annotated[str, AfterValidator(_canonical), Field(description="IPv4 or IPv6")]
Port = Annotated[int, Field(ge=1, le=65535)]


_adapters: dict[type, TypeAdapter[Any]] = {}


def written(value: Any) -> Json:
    """An object of one of the published types, as JSON has it. What has its default has no key."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    found: Json = _adapters[kind].dump_python(value, mode="json", by_alias=True, exclude_defaults=True)
    return found
