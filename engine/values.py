"""The engine's placeholders for unknown values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refusal import some

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
AT_UPDATE = "assigned at update"  # what people are shown instead
# Why published outputs have one, and the remedy.
TARGETED = "a targeted update (--target, --exclude) wrote these outputs without it"
NOTHING = "there are no outputs: this stack has had no complete, successful update"
# How an update that does not know all outputs is refused (publishing.py); `make rehearse` recognises it.
LEFT_OUT = "this update left out resources that these outputs depend on"
WHOLE = "run a complete `pulumi up`, without --target and --exclude"


def is_unknown(value: Any) -> bool:
    """Whether a value is a placeholder."""
    return isinstance(value, str) and value in UNKNOWN


def readable(text: str) -> str:
    """A text without placeholders."""
    for unknown in UNKNOWN:
        text = text.replace(unknown, AT_UPDATE)
    return text


def missing_values(outputs: Any, at: str = "") -> str:
    """A message about placeholders in outputs; empty if there are none."""
    found = [place or "all of it" for place, value in leaves(outputs, at) if is_unknown(value)]
    return f"no value is known for {some(found, 3)}: {TARGETED}" if found else ""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything inside `value` that is neither a mapping nor a list: `dns.records[0].data[0]`;
    `path` is that of the value itself."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def at(value: Any, path: str) -> Any:
    """The value at a path of mappings like `spec.ports`; None if absent."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
