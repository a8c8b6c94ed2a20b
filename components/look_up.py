"""Look-ups of what is in the cloud already. One that fails is refused in words of this program: what was looked for,
which setting names it, and what to do; then the plugin's own words, shortened.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pulumi

from engine.refusal import RefusedError
from secret_text import hidden

T = TypeVar("T")

SHOWN = 300  # characters of a plugin's words
SIGN_IN = "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
# How Google's API and its Go client say it, in the order in which they are looked for: an API that is off is a 403 too.
_API_OFF = re.compile(r"SERVICE_DISABLED|accessNotConfigured|has not been used in project|API .{0,80} is disabled")
# Not every `oauth2: `: a network that fails on the way to the sign-in is no sign-in that is refused.
_NO_CREDENTIALS = re.compile(r"could not find default credentials|invalid_grant|Error 401|oauth2: .{0,80}\b401\b")
_TOO_MUCH = re.compile(r"[rR]ateLimitExceeded|RATE_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|[qQ]uota ?[eE]xceeded|Error 429")
_FORBIDDEN = re.compile(r"Error 403|PERMISSION_DENIED|[Pp]ermission denied|forbidden")
# The API's, or what the plugin's data sources make of it (magic-modules, `HandleDataSourceNotFoundError`): a plugin or
# a program that is "not found" is no cluster that is missing.
_NOT_FOUND = re.compile(r"Error 404|\bnotFound\b|\bprojects/\S+ not found")
# What stands before the API's words: the SDK's, the engine's and the bridge's.
_PREAMBLE = re.compile(
    r"^.*?invoke of \S+ failed: (invocation of \S+ returned an error: )?(invoking \S+: )?"
    r"(\d+ errors? occurred:\s*\*\s*)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Sought:
    """What is looked up. `what`: in words, with its name and place; `keys`: the settings that name it; `listed_by`: the
    command that shows what there is; `role`: the least IAM role that may look; `api`: the service that answers."""

    what: str
    keys: str
    listed_by: str
    role: str
    api: str


def look_up(sought: Sought, ask: Callable[[], T]) -> T:
    """The answer of `ask`, one of the SDK's plain functions. Raises `RefusedError` when it fails."""
    try:
        return ask()
    except pulumi.RunError:
        raise
    except Exception as error:  # the SDK has no class of its own for it
        raise _refused(sought, str(error)) from None


def _refused(sought: Sought, words: str) -> RefusedError:
    """The reason in our words where it is recognised, and in any case the plugin's own, shortened."""
    wrong, remedy = _reason(sought, words)
    told = " ".join(hidden(_PREAMBLE.sub("", words)).split())
    return RefusedError(f"{wrong}: {told if len(told) <= SHOWN else told[: SHOWN - 1] + '…'}", remedy)


def _reason(sought: Sought, words: str) -> tuple[str, str]:
    failed = f"{sought.what} cannot be looked up"
    if _API_OFF.search(words):
        return (
            f"{failed}: {sought.api} is not enabled in the project",
            f"run `gcloud services enable {sought.api}`, or correct gcp:project",
        )
    if _NO_CREDENTIALS.search(words):
        return f"{failed}: Google does not accept this machine's sign-in", SIGN_IN
    if _TOO_MUCH.search(words):
        return f"{failed}: the quota of {sought.api} is used up", "try again in a minute, or have the quota raised"
    if _FORBIDDEN.search(words):
        return (
            f"{failed}: this account may not, or gcp:project is another's",
            f"have it given {sought.role} in the project, or correct gcp:project",
        )
    if _NOT_FOUND.search(words):
        return f"there is no {sought.what}", f"correct {sought.keys} (`{sought.listed_by}` shows what there is)"
    return failed, f"try again; if it stays, look at {sought.keys} (`{sought.listed_by}` shows what there is)"
