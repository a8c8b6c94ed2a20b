"""A stack's outputs are published completely, or the previous ones stay.

An update with --target or --exclude does not know the values of resources that it leaves out and that do not exist
yet. The engine then writes a placeholder into the outputs and exits with 0, and readers would get it as the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from engine.refusal import RefusedError
from engine.values import LEFT_OUT, WHOLE, leaves

# Every stack has it. The engine registers all outputs at once, so one refused output holds all others back.
FIRST = "ipInventory"


def publish(outputs: Mapping[str, pulumi.Input[Any]]) -> None:
    """Export outputs, name to value. An update with an unknown output ends with `RefusedError`."""
    for name, value in outputs.items():
        # In a preview unknown values are normal.
        held = name == FIRST and not pulumi.runtime.is_dry_run()
        pulumi.export(name, _held(value, outputs) if held else value)


def _held(value: pulumi.Input[Any], outputs: Mapping[str, pulumi.Input[Any]]) -> pulumi.Output[Any]:
    async def whole() -> bool:
        inside = [(name, value) for name, output in outputs.items() for _, value in leaves(output)]
        unknown = [name for name, each in inside if isinstance(each, pulumi.Output) and not await each.is_known()]
        if unknown:
            names = ", ".join(dict.fromkeys(unknown))
            raise RefusedError(
                f"{LEFT_OUT}: {names}; the published outputs stay unchanged",
                f"{WHOLE}; this update's changes are recorded",
            )
        return True

    known: Any = whole()
    return pulumi.Output.from_input(known).apply(lambda _: value)
