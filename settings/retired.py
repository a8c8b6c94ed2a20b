"""Retired addresses: nothing is declared for them, they are only published. Their settings key is `legacy`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from inventory.address import Direction, Kind
from settings.base import Address, Ban, Day, EachOnce, Line, Name, Port, Section
from settings.lifecycle import DATES, NoticeOverride, in_order, override_shortens_something, required_after
from settings.problems import refuse
from settings.rules import rule

HOLDERS = {Direction.INBOUND: Kind.LOAD_BALANCER, Direction.OUTBOUND: Kind.NAT}


class RetiredAddress(Section):
    """A retired address, listed so that customers and vendors can remove it from their lists."""

    address: Address = Field(description="the IP address: it is released, so it cannot be looked up")
    purpose: Line = Field(description="what it was for")
    kind: Kind = Field(description="what held it")
    direction: Direction = Field(description="inbound: customers sent calls to it; outbound: vendors saw it")
    protocols: Annotated[tuple[Literal["UDP", "TCP"], ...], EachOnce] = Field(
        ("UDP", "TCP"), min_length=1, description="what it carried"
    )
    ports: Annotated[tuple[Port, ...], EachOnce] = Field((5060,), description="destination ports")
    customer: Ban | None = Field(
        None, description="BAN of the customer whose dedicated address it was; absent: it was public"
    )
    announced_on: Day | None = Field(None, description="when it was announced")
    active_on: Day | None = Field(None, description="when it became active")
    drained_on: Day | None = Field(None, description="when it began to drain (egress, or dedicated)")
    retired_on: Day | None = Field(None, description="when it was released: its calls had ended")
    notice_override: NoticeOverride | None = Field(None, description="why its notice was shorter than noticeDays")
    replaced_by: Annotated[tuple[Name, ...], EachOnce] = Field((), description="names of the addresses that replace it")

    @rule
    def _kind_carries_the_direction(cls, direction: Direction, kind: Kind) -> None:
        if kind is not HOLDERS[direction]:
            raise refuse(
                f"a {kind} has no {direction} addresses: LoadBalancers are inbound, NAT gateways outbound",
                f"correct kind or direction: {HOLDERS[direction]} goes with {direction}",
            )

    _active_after_its_announcement = field_validator("active_on")(in_order)

    @field_validator("drained_on")
    @classmethod
    def _only_egress_drains(cls, day: date | None, info: Info) -> date | None:
        if day and info.data.get("direction") is Direction.INBOUND and info.data.get("customer") is None:
            raise refuse("only egress and dedicated addresses drain", "remove drainedOn, or correct the direction")
        return in_order(day, info)

    @field_validator("retired_on")
    @classmethod
    def _retired_last(cls, day: date | None, info: Info) -> date | None:
        required_after(day, info, *DATES[:-1])
        if day and info.data.get("drained_on") == day:
            raise refuse(
                "retired on the day on which it began to drain: its calls had no time to end",
                "retire it on a later day, when no call is left on it (docs/addresses.md)",
            )
        return in_order(day, info)

    _notice = field_validator("notice_override")(override_shortens_something)
