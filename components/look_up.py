"""Look-ups of what is in the cloud already. One that fails is refused in words of this program: what was looked for,
which setting names it, and what to do; a plugin's own words are for people who know the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pulumi

from components.refusal import RefusedError

T = TypeVar("T")

SHOWN = 300  # characters of a plugin's words where no reason is recognised
SIGN_IN = "sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
# How Google's API and its Go client say it, in the order in which they are looked for: an API that is off is a 403 too.
_API_OFF = re.compile(r"SERVICE_DISABLED|accessNotConfigured|has not been used in project|API .{0,80} is disabled")
_NO_CREDENTIALS = re.compile(r"could not find default credentials|invalid_grant|Error 401|oauth2: ")
_NOT_FOUND = re.compile(r"Error 404|notFound|[Nn]ot found\b|was not found|does not exist")
_FORBIDDEN = re.compile(r"Error 403|PERMISSION_DENIED|[Pp]ermission denied|forbidden")
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
    if _API_OFF.search(words):
        return RefusedError(
            f"{sought.what} cannot be looked up: {sought.api} is not enabled in the project",
            f"run `gcloud services enable {sought.api}`, or correct gcp:project",
        )
    if _NO_CREDENTIALS.search(words):
        return RefusedError(
            f"{sought.what} cannot be looked up: Google does not accept this machine's sign-in", SIGN_IN
        )
    if _FORBIDDEN.search(words):
        return RefusedError(
            f"{sought.what} cannot be looked up: this account may not, or gcp:project is another's",
            f"have it given {sought.role} in the project, or correct gcp:project",
        )
    if _NOT_FOUND.search(words):
        return RefusedError(
            f"there is no {sought.what}", f"correct {sought.keys} (`{sought.listed_by}` shows what there is)"
        )
    told = " ".join(_PREAMBLE.sub("", words).split())
    return RefusedError(
        f"{sought.what} cannot be looked up: {told if len(told) <= SHOWN else told[: SHOWN - 1] + '…'}",
        f"try again; if it stays, look at {sought.keys} (`{sought.listed_by}` shows what there is)",
    )
