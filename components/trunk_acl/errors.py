"""What goes wrong with the trunk ACL, told for people: what it is about, what is wrong, what to do."""

from __future__ import annotations


class TrunkAclError(Exception):
    """A refusal or a failure with its remedy; holds no password and no connection string."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  -> {remedy}")
