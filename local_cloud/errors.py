"""Refusals: how the local cloud says no.

Every refusal carries the text a user of the real thing would read; how it travels to the engine is `servicer.py`'s
business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_cloud.values import Props


@dataclass(frozen=True)
class CheckFailure:
    """One input that is wrong, found before anything is planned."""

    property: str
    reason: str


class CloudError(Exception):
    """The cloud (or the plugin in front of it) refuses an operation; nothing was changed."""


def google_error(code: int, message: str, reason: str) -> CloudError:
    """A refusal as Google's Go client prints it, which is what the plugin passes on."""
    return CloudError(f"googleapi: Error {code}: {message}, {reason}")


def google_text(code: int, message: str, reason: str) -> str:
    """The same text where no exception is wanted (failures of Check)."""
    return f"googleapi: Error {code}: {message}, {reason}"


@dataclass
class InitFailed(Exception):
    """The object exists, but did not become ready in time; the engine keeps it in the state with these reasons."""

    id: str
    outputs: Props
    inputs: Props
    message: str
    reasons: list[str] = field(default_factory=list)
