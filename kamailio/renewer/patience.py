"""How long the renewer keeps away from the CA: after failures, after successes, and where the clock cannot be right.

Pure. Times are Unix time, durations seconds. Limits: letsencrypt.org/docs/rate-limits.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from kamailio.renewer.certificate import Pair
from kamailio.renewer.record import Record

# A minute, then 4, 16, 64 minutes: Let's Encrypt counts five failed validations of a name in an hour.
GROWTH: Final = 4.0
LONGEST_PAUSE: Final = 6 * 3600.0
# No power beyond this one: the pause is at its longest, and a float overflows in the end.
MOST_FAILURES: Final = 16
# What a CA may ask for, from a Retry-After that makes sense to one that keeps us from noticing a certificate's end.
LONGEST_RETRY_AFTER: Final = 7 * 24 * 3600.0
# After the first success, the second one within a week, and so on. Let's Encrypt: five certificates for the same names
# in seven days; these make it four in that time, whatever made the last one due again.
RESTS: Final = (6 * 3600.0, 24 * 3600.0, 72 * 3600.0)
WEEK: Final = 7 * 24 * 3600.0
# Successes in a row up to which a change of the settings needs no rest; from then on it is the first one.
CHANGES: Final = 5


def pause(failures: int, first: float) -> float:
    """Between an attempt, after that many failures in a row, and the next one; give or take a fifth."""
    usual = min(LONGEST_PAUSE, first * GROWTH ** min(failures, MOST_FAILURES))
    return usual * random.uniform(0.8, 1.2)  # noqa: S311


def succeeded(kept: Record, pair: Pair, now: float) -> Record:
    """The record after a success. A certificate of a short life rests for half of it at most."""
    successes = kept.successes + 1 if abs(now - kept.issued) < WEEK else 1
    rest = min(RESTS[min(successes, len(RESTS)) - 1], (pair.ends - pair.begins).total_seconds() / 2)
    return replace(kept, failures=0, cause=None, not_before=now + rest, issued=now, successes=successes)


def waits(kept: Record, now: float, *, changed: bool) -> bool:
    """Whether it is too early for an attempt. `changed`: the settings or the Secret are other ones, which does not wait
    for the rest after a success, unless it comes again and again; the pause after a failure always counts."""
    until = kept.not_before
    if changed and not kept.failures:
        until = min(until, kept.issued + RESTS[0]) if kept.successes >= CHANGES else now
    return now < until


def beyond_reason(kept: Record, now: float) -> bool:
    """Whether the next attempt is later than anything here makes it: written while a clock was wrong."""
    return kept.not_before > now + LONGEST_RETRY_AFTER + LONGEST_PAUSE
