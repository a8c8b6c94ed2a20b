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
# Messages of Google's API and its Go client, in the order of matching, and what they mean for a `Sought`.
_REASONS = (
    (  # a disabled API is a 403 too
        r"SERVICE_DISABLED|accessNotConfigured|has not been used in project|API .{0,80} is disabled",
        "{what} cannot be looked up: {api} is not enabled in the project",
        "run `gcloud services enable {api}`, or correct gcp:project",
    ),
    (  # not every `oauth2: `: a network failure during sign-in is not a refused sign-in
        r"could not find default credentials|invalid_grant|Error 401|oauth2: .{0,80}\b401\b",
        "{what} cannot be looked up: Google does not accept this machine's sign-in",
        SIGN_IN,
    ),
    (
        r"[rR]ateLimitExceeded|RATE_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|[qQ]uota ?[eE]xceeded|Error 429",
        "{what} cannot be looked up: the quota of {api} is used up",
        "try again in a minute, or request a higher quota",
    ),
    (
        r"Error 403|PERMISSION_DENIED|[Pp]ermission denied|forbidden",
        "{what} cannot be looked up: this account has no permission, or gcp:project is wrong",
        "grant it {role} in the project, or correct gcp:project",
    ),
    (  # or the message of the plugin's data sources (magic-modules, `HandleDataSourceNotFoundError`): a plugin or
        # program that is "not found" is not a missing cluster
        r"Error 404|\bnotFound\b|\bprojects/\S+ not found",
        "there is no {what}",
        "correct {keys} (`{listed_by}` lists them)",
    ),
    ("", "{what} cannot be looked up", "try again; if it persists, check {keys} (`{listed_by}` lists them)"),
)
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
    wrong, remedy = next(
        (wrong.format(**vars(sought)), remedy.format(**vars(sought)))
        for pattern, wrong, remedy in _REASONS
        if re.search(pattern, words)
    )
    told = " ".join(hidden(_PREAMBLE.sub("", words)).split())
    return RefusedError(f"{wrong}: {told if len(told) <= SHOWN else told[: SHOWN - 1] + '…'}", remedy)
