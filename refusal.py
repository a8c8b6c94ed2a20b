"""What cannot be done: what is wrong, and what helps. One type for all programs here, rendered in one place."""

from __future__ import annotations


class Refusal(Exception):
    """`wrong`: what and where, with the value; `remedy`: what to do about it. Neither holds a secret."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(wrong, remedy)
        self.wrong, self.remedy = wrong, remedy

    def __str__(self) -> str:
        return with_remedy(self.wrong, self.remedy)


def with_remedy(wrong: str, remedy: str, indent: str = "  ") -> str:
    """Both as people read them; the remedy on a line of its own."""
    return f"{wrong}\n{indent}-> {remedy}"
