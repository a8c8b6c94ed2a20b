"""The refusal of a component. The user sees the reason and the remedy, not a traceback."""

from __future__ import annotations

import logging

import pulumi

from refusal import Refusal


class RefusedError(Refusal, pulumi.RunError):
    """A declaration that would break the contract with customers or vendors. The engine prints only its text."""


def not_reported_yet(record: logging.LogRecord) -> bool:
    """Filter of asyncio's logger: False for errors that the engine reports itself: refusals, and its own failures, for
    which the SDK raises bare `Exception`s. asyncio would report them again, with a traceback, for each waiting Output.
    All other unhandled failures of tasks are logged."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, pulumi.RunError) or type(error) is Exception)
