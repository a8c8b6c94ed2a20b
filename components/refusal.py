"""What a component will not declare. The user sees the reason and the remedy, not a traceback."""

from __future__ import annotations

import logging

import pulumi


class RefusedError(pulumi.RunError):
    """A declaration that would break the contract with customers or vendors. The engine prints its text alone."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  -> {remedy}")


def not_told_yet(record: logging.LogRecord) -> bool:
    """Filter of asyncio's logger: False for a refusal inside an Output, which the engine reports, once. asyncio would do
    so again, with a traceback, for each Output that waits for it. What else fails unseen in a task is logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], pulumi.RunError))
