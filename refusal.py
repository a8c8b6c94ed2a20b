"""Refusals: what is wrong, and the remedy. One type for all programs here, formatted in one place."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """`wrong`: what and where, with the value; `remedy`: what to do. Neither contains a secret."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(wrong, remedy)
        self.wrong, self.remedy = wrong, remedy

    def __str__(self) -> str:
        return with_remedy(self.wrong, self.remedy)


def with_remedy(wrong: str, remedy: str, indent: str = "  ") -> str:
    """Both as text, the remedy on its own line."""
    return f"{wrong}\n{indent}-> {remedy}"


def some(items: Sequence[str], shown: int) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return f"{', '.join(items[:shown])}{more}"
