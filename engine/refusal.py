"""What a component will not declare. The user sees the reason and the remedy, not a traceback."""

from __future__ import annotations

import logging

import pulumi

from refusal import Refusal


class RefusedError(Refusal, pulumi.RunError):
    """A declaration that would break the contract with customers or vendors. The engine prints its text alone."""


def not_reported_yet(record: logging.LogRecord) -> bool:
    """Filter of asyncio's logger: False for what the engine reports, once: refusals, and failures of its own, for which
    the SDK has bare `Exception`s. asyncio would report them again, with a traceback, for each Output that waits. What
    else fails unseen in a task is logged."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, pulumi.RunError) or type(error) is Exception)
