"""Secrets are marked as such, in every property of every resource: what is not stands in clear in the state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from policies.declared import UNKNOWN, Declared, leaves
from policies.rule import Finding, Level, Options, ResourceRule, Unjudged, Violation
from secret_text import SHAPES

# What a property is called that holds one. Words, so that `tokenTtl` and `passwordPolicy` are told apart below.
NAMES = re.compile(
    r"(password|passwd|pwd|passphrase|secret|secretkey|secretstring|token|apikey|accesskey|privatekey|clientkeydata"
    r"|credentials?|authorization|dsn|connectionstring)$"
)


class Secrets(Options):
    """What is called like a secret and is none."""

    known: tuple[str, ...] = Field(
        (), description="paths of properties that hold no secret, though called so, like metadata.labels.token"
    )


def _in_clear(resource: Declared, options: Secrets) -> Iterator[Finding]:
    if resource.secret is None:
        yield Violation(
            "nobody told which of its values are secret",
            "leave this rule at enforcementLevel remediate: only then does the engine say what is secret"
            " (docs/policies.md); it changes nothing, and what it finds is refused",
        )
        return
    for path, value in leaves(resource.properties):
        if path in options.known or _under(path, resource.secret):
            continue
        if value is UNKNOWN:
            if _named(path):
                yield Unjudged(path)
        elif isinstance(value, str) and (looks := _looks_like(path, value)):
            yield Violation(f"{path} holds {looks} in clear")


def _looks_like(path: str, value: str) -> str:
    """What kind of secret a text is, in words; empty: none. Never the text itself."""
    if not value.strip():
        return ""
    if _named(path):
        return "a secret, by its name,"
    if shape := next((what for what, shape in SHAPES if shape.search(value)), ""):
        return shape
    return next(filter(None, (_looks_like(inner, text) for inner, text in _document(value))), "")


def _document(value: str) -> Iterator[tuple[str, str]]:
    """The texts inside a JSON document, as kubeconfigs and service account keys are."""
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
        "No property holds a secret in clear",
        "inputs are kept in the state and shown in diffs; what is not marked as secret is there for all to read",
        "pass it as a secret: pulumi config set --secret, pulumi.Output.secret, or a generated password's result",
        frozenset(),
        # The engine says what is secret to remedies only. This one mends nothing: it listens (see `pack`).
        level=Level.REMEDIATE,
        options=Secrets,
        check=_in_clear,
    ),
)
