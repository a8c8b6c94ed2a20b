"""The life of an address in dates: when it was announced, became active, began to drain, was retired.

Dates are facts that people write down, and most may be left out: when the live edge was announced is not known. The
dates that are given must be consistent. Components implement what a change of state does in the cloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Protocol

from pydantic import Field
from pydantic import ValidationInfo as Info
from pydantic.alias_generators import to_camel

from settings.base import Line, Section
from settings.problems import refuse

NOTICE_DAYS = 30
NoticeDays = Annotated[int, Field(ge=0, le=365)]

# One date per state, in the order of an address's life.
DATES = ("announced_on", "active_on", "drained_on", "retired_on")


class NoticeOverride(Section):
    """Allows an address to become active before the notice period is over, with a reason."""

    reason: Line = Field(description="published with the address")


class Noticed(Protocol):
    """Anything with a notice period."""

    @property
    def announced_on(self) -> date | None: ...  # noqa: D102
    @property
    def active_on(self) -> date | None: ...  # noqa: D102
    @property
    def notice_override(self) -> NoticeOverride | None: ...  # noqa: D102


def in_order(day: date | None, info: Info) -> date | None:
    """Refuse a date before that of an earlier state."""
    name = info.field_name or ""
    for earlier in DATES[: DATES.index(name)]:
        before: date | None = info.data.get(earlier)
        if day and before and day < before:
            raise refuse(
                f"dates out of order: {to_camel(earlier)} is {before}",
                "an address is announced, active, drained and retired in this order; correct one of the dates",
            )
    return day


def refuse_circle(replaced_by: Mapping[str, Iterable[str]]) -> None:
    """Refuse addresses that replace each other in a circle: readers would never find the current one.

    `replaced_by`: name to the names of its replacements; a name that is not a key ends a chain.
    """

    def follow(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise refuse(f"replaced in a circle: {circle}", "name the address that is in use now")
        if name not in ended:
            for each in replaced_by.get(name, ()):
                follow(each, (*path, name))
            ended.add(name)

    ended = set[str]()
    for first in sorted(replaced_by):
        follow(first, ())


def required_after(day: date | None, info: Info, *earlier: str) -> date | None:
    """Refuse a gap: if the date of an earlier state is given, this one is required too."""
    given = [name for name in earlier if info.data.get(name)]
    if given and day is None:
        raise refuse(
            f"{to_camel(given[-1])} is given, but this date is not",
            f"add {to_camel(info.field_name or '')}: the date on which this state began, or leave all dates out",
        )
    return day


def after_its_announcement(day: date | None, info: Info) -> date | None:
    """Refuse an address that became active before its announcement, or without a date."""
    return in_order(required_after(day, info, "announced_on"), info)


def override_shortens_something(override: NoticeOverride | None, info: Info) -> NoticeOverride | None:
    """Refuse a notice override where there is no notice period."""
    days = info.data.get("announced_on"), info.data.get("active_on")
    if override and None in days and {"announced_on", "active_on"} <= set(info.data):
        raise refuse("there is no notice to shorten", "give announcedOn and activeOn, or remove noticeOverride")
    return override


def refuse_short_notice(addresses: Iterable[tuple[str, Noticed]], notice_days: int) -> None:
    """Refuse an address that becomes active before its notice period is over, unless a reason is given."""
    for name, life in addresses:
        if life.announced_on is None or life.active_on is None:
            continue
        days = (life.active_on - life.announced_on).days
        if days < notice_days and life.notice_override is None:
            first = life.announced_on + timedelta(days=notice_days)
            raise refuse(
                f"{name} becomes active {days} days after it is announced, the notice period is {notice_days}",
                f"set its activeOn to {first} or later, or give noticeOverride: {{reason: ...}}, which is published",
            )
        if days >= notice_days and life.notice_override is not None:
            raise refuse(
                f"{name} has a noticeOverride, but full notice ({days} days): it would be published as shortened",
                "remove its noticeOverride",
            )
