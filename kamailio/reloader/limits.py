"""Limits of trunks at a proxy that enforces them (kamailio/trunk_limits.cfg): calls that keep its table true, and how
often it refused a call for a limit.

Whether a proxy has the table is its fragments' affair, and may change with its restart: it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kamailio.reloader.tables import Call
from kamailio.reloader.work import Work

TABLE, REFUSALS = "trunk_limits", "warp_limited"
PART = "limits"


def calls(work: Work, values: Mapping[str, str]) -> Iterator[Call]:
    """The calls, in order. `values` has the present limits of every trunk of the work that exists."""
    for trunk in sorted(work.limits):
        if trunk in values:
            yield "htable.sets", TABLE, trunk, values[trunk]
        else:
            yield "htable.delete", TABLE, trunk
    if work.all_limits:
        yield "htable.reload", TABLE


def refusals(dump: Any) -> Iterator[tuple[str, str, int]]:
    """Limit, trunk (`BAN/trunk`) and count of each item of `htable.dump`; its names are `limit|trunk|BAN`."""
    for entry in dump or ():
        for item in entry["slot"]:
            limit, trunk, ban = str(item["name"]).split("|")
            yield limit, f"{ban}/{trunk}", int(item["value"])
