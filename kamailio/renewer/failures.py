"""Why an attempt failed: one of a few causes, which are a metric's label, and a line of words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, Literal, get_args

Cause = Literal[
    "ca-unreachable",
    "rate-limited",
    "account",
    "authorization",
    "dns-host",
    "propagation",
    "caa",
    "secret",
    "proxy",
]
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)


class Failure(Exception):
    """What went wrong, and with what. `retry_after`: seconds for which the other side wants no further request."""

    def __init__(self, cause: Cause, words: str, retry_after: float = 0) -> None:
        super().__init__(words)
        self.cause, self.retry_after = cause, retry_after


@contextlib.contextmanager
def anything(doing: str, kind: type[Failure] = Failure) -> Iterator[None]:
    """What an answer that was not foreseen makes of a library, as a `Failure`: it must not end the process."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        words = f"{doing}: an answer that is not understood, {type(error).__name__}: {str(error)[:200]}"
        raise kind("ca-unreachable", words) from error
