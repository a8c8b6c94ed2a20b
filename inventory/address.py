"""One address as the outside knows it: what it is for, where it is in its life, and what replaced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal, cast

from pydantic import Field

from inventory.published_values import READ, IpAddress, Port

Protocol = Literal["UDP", "TCP"]


class Status(StrEnum):
    """Where an address is in its life. Vendors must accept every status but RETIRED."""

    ANNOUNCED = "announced"  # reserved and published, carries nothing yet
    ACTIVE = "active"
    DRAINING = "draining"  # nothing new starts on it, what runs may end
    RETIRED = "retired"  # released; listed so that people can clean up their lists


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


@dataclass(frozen=True)
class Address:
    """One address of one region."""

    # As it is planned, written and read: the fields are those of the JSON, the docstring is in its schema. In a plan
    # `address` is empty, and `replaced_by` are names. `ports` are the destination ports of the traffic that it carries:
    # ours on an ingress address, the vendor's on an egress address (source ports behind Cloud NAT are arbitrary, so
    # that no filter can match on them). The dates are those on which each state began, where known.
    __pydantic_config__ = READ

    purpose: str
    name: Annotated[str, Field(description="its name in the cloud")]
    address: IpAddress
    kind: Annotated[Kind, Field(description="what holds it")]
    direction: Annotated[Direction, Field(description="inbound: customers send to it; outbound: vendors see it")]
    protocol: Annotated[str, Field(pattern=r"^(UDP|TCP|UDP/TCP|TCP/UDP)$")]
    ports: Annotated[tuple[Port, ...], Field(min_length=1, description="destination ports")]
    region: str
    status: Status
    announced_on: Annotated[date | None, Field(description="when people were told of it")] = None
    active_on: Annotated[date | None, Field(description="when it became active; of an announced one: when it will")] = (
        None
    )
    drained_on: Annotated[date | None, Field(description="when it began to drain")] = None
    retired_on: Annotated[date | None, Field(description="when it was released")] = None
    notice_override: Annotated[NoticeOverride | None, Field(description="why its notice was shortened")] = None
    replaced_by: Annotated[tuple[IpAddress, ...], Field(description="what people should have instead")] = ()
    customer: Annotated[
        str | None, Field(description="BAN of the one customer whose own it is; absent: everybody's")
    ] = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """`UDP/TCP` is both."""
        return cast("tuple[Protocol, ...]", tuple(self.protocol.split("/")))

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
        return self.status is not Status.RETIRED
