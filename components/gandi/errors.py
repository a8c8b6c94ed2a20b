"""What goes wrong at Gandi, told for people: which record set, what is wrong, what to do."""

from __future__ import annotations


class GandiError(Exception):
    """A refusal or a failure with its remedy; holds no token."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  -> {remedy}")
