"""The engine's placeholders for unknown values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# One for each kind of value (pulumi/sdk/go/common/resource/plugin/rpc.go).
UNKNOWN = frozenset(
    (
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    )
)
# Why published outputs have one, and the remedy.
TARGETED = "a targeted update (--target, --exclude) wrote these outputs without it"
NOTHING = "there are no outputs: this stack has had no complete, successful update"
# How an update that does not know all outputs is refused (publishing.py); `make rehearse` recognises it.
LEFT_OUT = "this update left out resources that these outputs depend on"
WHOLE = "run a complete `pulumi up`, without --target and --exclude"


def is_unknown(value: Any) -> bool:
    """Whether a value is a placeholder."""
    return isinstance(value, str) and value in UNKNOWN


def missing_values(outputs: Any, at: str = "") -> str:
    """A message about placeholders in outputs; empty if there are none."""
    found = [each or "all of it" for each in unknown_places(outputs, at)]
    if not found:
        return ""
    more = f" and {len(found) - 3} more" if found[3:] else ""
    return f"no value is known for {', '.join(found[:3])}{more}: {TARGETED}"


def unknown_places(value: Any, at: str = "") -> Iterator[str]:
    """Paths of placeholders in a JSON value: `dns.records[0].data[0]`; `at` is the path of the value itself."""
    if is_unknown(value):
        yield at
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from unknown_places(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from unknown_places(inner, f"{at}[{index}]")
