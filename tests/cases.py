"""How many cases of a generated test are tried: few in every run, all of them where HYPOTHESIS_PROFILE=thorough.

The few are the same in every run, so that a change is never held back by another's bad luck. The nightly workflow tries
`thorough`: as many as a test asks for, other ones each night, and says how a failure is repeated.

A test that guards against hostile input or for a secret asks for enough in every run (`least`), or goes through all
places itself: a tenth of the places would always be the same tenth.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, seed, settings

Test = TypeVar("Test", bound=Callable[..., Any])

QUICK, THOROUGH = "quick", "thorough"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", QUICK)
SHARE, LEAST = 10, 20  # of the cases that are asked for, in a quick run; LEAST where a test says nothing else
USUAL = 100  # where a test asks for no number


def _tried(asked: int, least: int = LEAST) -> int:
    return asked if PROFILE == THOROUGH else max(least, asked // SHARE)


def cases(asked: int, least: int = LEAST) -> settings:
    """A decorator for a generated test that wants more or fewer cases than usual; `least` in a quick run."""
    return settings(max_examples=_tried(asked, least))


def others(number: int) -> Callable[[Test], Test]:
    """A decorator for one of several runs of a generated test: other cases than those of the other runs."""
    return (lambda test: test) if PROFILE == THOROUGH else seed(number)


def size(asked: int) -> int:
    """How large the larger one is, where a test compares the time for two sizes: a square shows at a fifth as well."""
    return asked if PROFILE == THOROUGH else asked // 5


def load() -> None:
    """Make the chosen profile that of all generated tests."""
    # Deadlines and slow generation are the busy machine's.
    settings.register_profile(
        "unhurried",
        deadline=None,
        max_examples=_tried(USUAL),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    unhurried = settings.get_profile("unhurried")
    settings.register_profile(QUICK, unhurried, derandomize=True, database=None)
    settings.register_profile(THOROUGH, unhurried, print_blob=True)
    settings.load_profile(PROFILE)
