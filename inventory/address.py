"""One address as the outside knows it: what it is for, where it is in its life, and what replaced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum, StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Literal, cast

from pydantic import Field

from inventory.json_values import READ, IpAddress, Port

Protocol = Literal["UDP", "TCP"]


def to_open(protocols: tuple[Protocol, ...]) -> tuple[Protocol, ...]:
    """What a sender's firewall opens to a listener with these protocols: for UDP alone, both.

    A client may retry a request that is too large for UDP over TCP (RFC 3261, section 18.1.1), and a connection that is
    refused is better than one that times out.
    """
    return ("UDP", "TCP") if protocols == ("UDP",) else protocols


class Calls(Enum):
    """Which calls an address carries."""

    NOT_YET = "none yet"
    NEW = "new ones"
    RUNNING = "those that run"
    OVER = "none any more"


@dataclass(frozen=True)
class State:
    """All that is true of an address because of where it is in its life: what renders, counts or declares addresses
    reads it here.

    `headline`, `meaning`: of the feed, the latter for an address that customers send to and for one that vendors see.
    `colour`: in a terminal. `dates`: fields of `Address` that are shown with it, and the word before each; the first is
    the day on which it began, the last the one that matters most. `remark`: what to know of an address that is not
    simply in use, for both as `meaning`; `{start}` in it is `from 2026-01-31` or `soon`. `listed`: whether it is ours,
    so that people must have it in their lists.
    """

    calls: Calls
    headline: str
    colour: str
    dates: tuple[tuple[str, str], ...]
    meaning: tuple[str, str]
    remark: tuple[str, str] = ("", "")
    listed: bool = True


class Status(StrEnum):
    """Where an address is in its life. Vendors must accept every status but RETIRED."""

    ANNOUNCED = "announced"  # reserved and published, carries nothing yet
    ACTIVE = "active"
    DRAINING = "draining"  # nothing new starts on it, what runs may end
    RETIRED = "retired"  # released; listed so that people can clean up their lists

    @property
    def state(self) -> State:
        """What is true of every address with this status."""
        return STATES[self]


_OURS_NO_MORE = "It is no longer ours: remove it from your lists."
STATES: Final[Mapping[Status, State]] = {
    Status.ANNOUNCED: State(
        calls=Calls.NOT_YET,
        headline="Announced",
        colour="cyan",
        dates=(("announced_on", "on"), ("active_on", "active from")),
        meaning=("It was announced.", "It was announced."),
        remark=("will answer {start}, open your firewall to it now", "will be used {start}, accept it now"),
    ),
    Status.ACTIVE: State(
        calls=Calls.NEW,
        headline="In use",
        colour="green",
        dates=(("active_on", "since"),),
        meaning=("Customers send calls to it.", "Our calls come from it: it must be in your list."),
    ),
    Status.DRAINING: State(
        calls=Calls.RUNNING,
        headline="Draining",
        colour="yellow",
        dates=(("drained_on", "since"),),
        meaning=(
            "Send no new calls to it, calls that run may end: keep your firewall open to it until it is retired.",
            "No new calls come from it, calls that run may end: keep it in your list.",
        ),
        remark=(
            "send no new calls to it, keep your firewall open to it until it is retired",
            "accept it until it is retired",
        ),
    ),
    Status.RETIRED: State(
        calls=Calls.OVER,
        headline="Retired",
        colour="dim",
        dates=(("retired_on", "on"),),
        meaning=(_OURS_NO_MORE, _OURS_NO_MORE),
        listed=False,
    ),
}


class Direction(StrEnum):
    """Seen from WARP: customers send inbound, WARP calls vendors outbound."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Kind(StrEnum):
    """What holds the address in the cloud."""

    LOAD_BALANCER = "LoadBalancer"
    NAT = "NAT"


@dataclass(frozen=True)
class NoticeOverride:
    """Why people had less notice than promised."""

    __pydantic_config__ = READ

    reason: str

    def __str__(self) -> str:
        return self.reason


# Of a field: how reports call it, where that is not its name.
WORDS: Final = "words"


@dataclass(frozen=True)
class Address:
    """One address of one region."""

    # As it is planned, written and read: the fields are those of the JSON, the docstring is in its schema. In a plan
    # `address` is empty, and `replaced_by` are names. `ports` are the destination ports of the traffic that it carries:
    # ours on an ingress address, the vendor's on an egress address (source ports behind Cloud NAT are arbitrary, so
    # that no filter can match on them). The dates are those on which each state began, where known. A field with a
    # default is taken from the settings that have one of the same name (`plan/addresses.py`), and not written where it
    # has its default; a change of any field is reported (`review/addresses.py`).
    __pydantic_config__ = READ

    purpose: str
    name: Annotated[str, Field(description="its name in the cloud")]
    address: IpAddress
    kind: Annotated[Kind, Field(description="what holds it")] = field(metadata={WORDS: "held by"})
    direction: Annotated[Direction, Field(description="inbound: customers send to it; outbound: vendors see it")]
    protocol: Annotated[str, Field(pattern=r"^(UDP|TCP|UDP/TCP|TCP/UDP)$")]
    ports: Annotated[tuple[Port, ...], Field(min_length=1, description="destination ports")]
    region: str
    status: Status
    announced_on: Annotated[date | None, Field(description="when people were told of it")] = None
    active_on: Annotated[date | None, Field(description="when it became active; of an announced one: when it will")] = (
        field(default=None, metadata={WORDS: "active from"})
    )
    drained_on: Annotated[date | None, Field(description="when it began to drain")] = field(
        default=None, metadata={WORDS: "draining since"}
    )
    retired_on: Annotated[date | None, Field(description="when it was released")] = None
    notice_override: Annotated[NoticeOverride | None, Field(description="why its notice was shortened")] = field(
        default=None, metadata={WORDS: "why less notice"}
    )
    replaced_by: Annotated[tuple[IpAddress, ...], Field(description="what people should have instead")] = ()
    customer: Annotated[
        str | None, Field(description="BAN of the one customer whose own it is; absent: everybody's")
    ] = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """`UDP/TCP` is both."""
        return cast("tuple[Protocol, ...]", tuple(self.protocol.split("/")))

    @property
    def opened(self) -> tuple[Protocol, ...]:
        """The protocols that people's firewalls open for it: the only source for sheets, page, feed and outputs."""
        return to_open(self.protocols) if self.direction is Direction.INBOUND else self.protocols

    @property
    def notice_reason(self) -> str | None:
        """Why people had less than the notice period; None: they had it."""
        return self.notice_override.reason if self.notice_override else None

    def at(self, addresses: Mapping[str, str]) -> Address:
        """With the addresses of these names: its own, and those that replace it."""
        return replace(
            self,
            address=self.address or addresses[self.name],
            replaced_by=tuple(addresses[name] for name in self.replaced_by),
        )

    @property
    def cidr(self) -> str:
        """The address as a range of one: `/32`, or `/128` for IPv6."""
        parsed = ip_address(self.address)
        return f"{parsed}/{parsed.max_prefixlen}"

    @property
    def published(self) -> bool:
        """Whether people outside must have it in their lists today."""
        return self.status.state.listed

    @property
    def coming(self) -> bool:
        """Whether it is still to carry its first call."""
        return self.status.state.calls is Calls.NOT_YET

    @property
    def leaving(self) -> bool:
        """Whether it is still to be accepted, and no new call comes to it any more."""
        return self.published and self.status.state.calls in (Calls.RUNNING, Calls.OVER)

    @property
    def day(self) -> date | None:
        """The date that matters most in its state: the first day of use of a coming one, else when the state began."""
        found: date | None = getattr(self, self.status.state.dates[-1][0])
        return found

    @property
    def start(self) -> str:
        """Of a coming one."""
        return f"from {self.active_on}" if self.active_on else "soon"

    @property
    def reached(self) -> Mapping[Status, date]:
        """The states that it has reached, with the day on which each began where that is known."""
        states = list(Status)
        days = {each: getattr(self, each.state.dates[0][0]) for each in states[: states.index(self.status) + 1]}
        return {status: day for status, day in days.items() if day}
