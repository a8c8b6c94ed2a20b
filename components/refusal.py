"""What a component will not declare. The user sees the reason and the remedy, not a traceback."""

from __future__ import annotations

import pulumi


class RefusedError(pulumi.RunError):
    """A declaration that would break the contract with customers or vendors. The engine prints its text alone."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  -> {remedy}")
