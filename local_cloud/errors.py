"""Refusals of the local cloud.

Every refusal has the text that a user of the real cloud would see; `servicer.py` sends it to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_cloud.values import Props


@dataclass(frozen=True)
class CheckFailure:
    """One invalid input, found before anything is planned."""

    property: str
    reason: str


class CloudError(Exception):
    """The cloud (or the plugin) refuses an operation; nothing was changed."""


def google_error(code: int, message: str, reason: str) -> CloudError:
    """A refusal as Google's Go client prints it; the plugin passes that on."""
    return CloudError(f"googleapi: Error {code}: {message}, {reason}")


def google_text(code: int, message: str, reason: str) -> str:
    """The same text without an exception, for failures of Check."""
    return f"googleapi: Error {code}: {message}, {reason}"


@dataclass
class InitFailed(Exception):
    """The object exists, but did not become ready in time; the engine keeps it in the state with these reasons."""

    id: str
    outputs: Props
    inputs: Props
    message: str
    reasons: list[str] = field(default_factory=list)
