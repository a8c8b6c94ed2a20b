"""Work that another transaction can bring down, such as the portal's: repeated as a whole, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

# What PostgreSQL documents as answered by a retry of the whole transaction
# (postgresql.org/docs/current/mvcc-serialization-failure-handling.html).
AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
ATTEMPTS = 6
FIRST_PAUSE = 0.1

Result = TypeVar("Result")


def again(work: Callable[[], Result]) -> Result:
    """What `work` returns: whole transactions, which may be repeated. Raises what the last attempt raises, and every
    other error at once."""
    pause = FIRST_PAUSE
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except AGAIN:
            time.sleep(pause)
        pause *= 2
    return work()
