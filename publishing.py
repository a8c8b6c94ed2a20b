"""A stack's outputs are published whole, or what was published stays.

An update with --target or --exclude does not know what it leaves out and does not exist yet. The engine writes a word
of its own for such a value into the outputs, ends with 0, and the inventory that people read is that word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from engine.refusal import RefusedError
from engine.values import WHOLE

# Every stack has it. The engine takes all outputs at once, so that one that is refused holds the others back.
FIRST = "ipInventory"


def publish(outputs: Mapping[str, pulumi.Input[Any]]) -> None:
    """Export them, name to value. An update that does not know one of them ends with `RefusedError`."""
    for name, value in outputs.items():
        # A preview may well not know what an update will.
        held = name == FIRST and not pulumi.runtime.is_dry_run()
        pulumi.export(name, _held(value, outputs) if held else value)


def _held(value: pulumi.Input[Any], outputs: Mapping[str, pulumi.Input[Any]]) -> pulumi.Output[Any]:
    async def whole() -> bool:
        unknown = [name for name, each in outputs.items() for output in _inside(each) if not await output.is_known()]
        if unknown:
            names = ", ".join(dict.fromkeys(unknown))
            raise RefusedError(
                f"this update left out what these outputs are made of: {names}; the published ones stay",
                f"{WHOLE}; what this one did is recorded",
            )
        return True

    known: Any = whole()
    return pulumi.Output.from_input(known).apply(lambda _: value)


def _inside(value: Any) -> Iterator[pulumi.Output[Any]]:
    if isinstance(value, pulumi.Output):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _inside(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _inside(inner)
