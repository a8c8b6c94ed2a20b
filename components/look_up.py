"""Look-ups of existing objects in the cloud. A failure is refused with a message of this program: what was looked up,
which setting names it, and the remedy; then the plugin's own message, shortened.
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

SHOWN = 300  # characters shown of a plugin's message
SIGN_IN = "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
# Messages of Google's API and its Go client, in the order of matching: a disabled API is a 403 too.
_API_OFF = re.compile(r"SERVICE_DISABLED|accessNotConfigured|has not been used in project|API .{0,80} is disabled")
# Not every `oauth2: `: a network failure during sign-in is not a refused sign-in.
_NO_CREDENTIALS = re.compile(r"could not find default credentials|invalid_grant|Error 401|oauth2: .{0,80}\b401\b")
_TOO_MUCH = re.compile(r"[rR]ateLimitExceeded|RATE_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|[qQ]uota ?[eE]xceeded|Error 429")
_FORBIDDEN = re.compile(r"Error 403|PERMISSION_DENIED|[Pp]ermission denied|forbidden")
# The API's message, or that of the plugin's data sources (magic-modules, `HandleDataSourceNotFoundError`): a plugin or
# program that is "not found" is not a missing cluster.
_NOT_FOUND = re.compile(r"Error 404|\bnotFound\b|\bprojects/\S+ not found")
# Prefixes of the API's message: by the SDK, the engine and the bridge.
_PREAMBLE = re.compile(
    r"^.*?invoke of \S+ failed: (invocation of \S+ returned an error: )?(invoking \S+: )?"
    r"(\d+ errors? occurred:\s*\*\s*)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Sought:
    """An object to look up. `what`: a description with name and location; `keys`: the settings that name it;
    `listed_by`: the command that lists such objects; `role`: the minimal IAM role; `api`: the service that is
    queried."""

    what: str
    keys: str
    listed_by: str
    role: str
    api: str


def look_up(sought: Sought, ask: Callable[[], T]) -> T:
    """The result of `ask`, one of the SDK's plain functions. Raises `RefusedError` if it fails."""
    try:
        return ask()
    except pulumi.RunError:
        raise
    except Exception as error:  # the SDK has no specific class for it
        raise _refused(sought, str(error)) from None


def _refused(sought: Sought, words: str) -> RefusedError:
    """The reason in our words if it is recognised, and in any case the plugin's message, shortened."""
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
        return f"{failed}: the quota of {sought.api} is used up", "try again in a minute, or request a higher quota"
    if _FORBIDDEN.search(words):
        return (
            f"{failed}: this account has no permission, or gcp:project is wrong",
            f"grant it {sought.role} in the project, or correct gcp:project",
        )
    if _NOT_FOUND.search(words):
        return f"there is no {sought.what}", f"correct {sought.keys} (`{sought.listed_by}` lists them)"
    return failed, f"try again; if it persists, check {sought.keys} (`{sought.listed_by}` lists them)"
