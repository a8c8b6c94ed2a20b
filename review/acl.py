"""Changes of the trunk ACL, by customer.

The state has one text per customer (BAN), written and compared by `trunk_text.py`. The portal's rows are not in the
state and not included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.tokens import TRUNK_ACL
from engine.values import is_unknown
from review.preview import Preview, Step
from trunk_removal import Removal, removal
from trunk_text import Change, changes


@dataclass(frozen=True)
class AclChange:
    """Changes of all customers. `known`: false if the engine does not know the trunks before the update. `removal`: the
    entries taken out of the files; None if the files are no longer read and the rows stay."""

    customers: tuple[Change, ...]
    total_before: int
    total_after: int
    known: bool = True
    removal: Removal | None = None


def acl_change(preview: Preview) -> AclChange | None:
    """None without trunk files, or without changes in them."""
    for step in preview.changes:
        if step.type == TRUNK_ACL:
            before, after = (_trunks(step, which) for which in ("oldState", "newState"))
            if step.op == "delete":
                after = None
            if is_unknown(before) or is_unknown(after):
                return AclChange((), 0, 0, known=False)
            changed = changes(_texts(before), _texts(after))
            if changed:
                taken_out = removal(_texts(before), _texts(after)) if isinstance(after, Mapping) else None
                return AclChange(tuple(changed), len(_texts(before)), len(_texts(after)), removal=taken_out)
    return None


def _trunks(step: Step, which: str) -> Any:
    inputs = step.state(which, "inputs")
    return inputs["trunks"] if "trunks" in inputs else step.state(which, "outputs").get("trunks")


def _texts(value: Any) -> dict[str, str]:
    return {str(ban): str(text) for ban, text in value.items()} if isinstance(value, Mapping) else {}
