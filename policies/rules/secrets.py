"""Secrets have to be marked as such, in every property of every resource: others are clear text in the state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from engine.values import leaves
from policies.declared import UNKNOWN, Declared
from policies.rule import Finding, Level, Options, ResourceRule, Unjudged, Violation
from secret_text import SHAPES

# Names of properties that hold a secret, as words, so that `tokenTtl` and `passwordPolicy` can be excluded below.
NAMES = re.compile(
    r"(password|passwd|pwd|passphrase|secret|secretkey|secretstring|token|apikey|accesskey|privatekey|clientkeydata"
    r"|credentials?|authorization|dsn|connectionstring)$"
)


class Secrets(Options):
    """Properties that are named like a secret but hold none."""

    known: tuple[str, ...] = Field(
        (), description="paths of properties that hold no secret despite their name, like metadata.labels.token"
    )


def _in_clear(resource: Declared, options: Secrets) -> Iterator[Finding]:
    if resource.secret is None:
        yield Violation(
            "which of its values are secret was not reported",
            "leave this rule at enforcementLevel remediate: only then does the engine report what is secret"
            " (docs/policies.md); it changes nothing, and findings are refused",
        )
        return
    for path, value in leaves(resource.properties):
        if path in options.known or _under(path, resource.secret):
            continue
        if value is UNKNOWN:
            if _named(path):
                yield Unjudged(path)
        elif isinstance(value, str) and (looks := _looks_like(path, value)):
            yield Violation(f"{path} has {looks} in clear text")


def _looks_like(path: str, value: str) -> str:
    """A description of the kind of secret; empty: none. Never the text itself."""
    if not value.strip():
        return ""
    if _named(path):
        return "a secret (by its name)"
    if shape := next((what for what, shape in SHAPES if shape.search(value)), ""):
        return shape
    return next(filter(None, (_looks_like(inner, text) for inner, text in _document(value))), "")


def _document(value: str) -> Iterator[tuple[str, str]]:
    """The texts inside a JSON document, such as kubeconfigs and service account keys."""
    if not value.lstrip().startswith(("{", "[")):
        return
    try:
        document: Any = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from ((path, text) for path, text in leaves(document) if isinstance(text, str))


def _named(path: str) -> bool:
    name = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    return bool(NAMES.search(re.sub(r"[^a-z]", "", name.lower())))


def _under(path: str, secret: frozenset[str]) -> bool:
    return any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in secret)


RULES = (
    ResourceRule(
        "no-plaintext-secret",
        "No property holds a secret in clear text",
        "inputs are stored in the state and shown in diffs, in clear text unless they are marked as secret",
        "pass it as a secret: pulumi config set --secret, pulumi.Output.secret, or a generated password's result",
        frozenset(),
        # The engine marks secrets for remediations only. This one fixes nothing; it only records them (see `pack`).
        level=Level.REMEDIATE,
        options=Secrets,
        check=_in_clear,
    ),
)
