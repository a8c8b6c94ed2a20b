"""One address as the outside knows it: what it is for, where it is in its life, and what replaced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from ipaddress import ip_address


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
class Address:
    """One published address.

    `ports` are the destination ports of the traffic it carries: ours on an ingress address, the vendor's on an
    egress address (source ports behind Cloud NAT are arbitrary, so nobody can match on them).
    `replaced_by`: addresses; in a plan, where `address` is empty, their names. The dates are those on which each state
    began, where known; on an announced address `active_on` is still to come. `notice_reason`: why people had less than
    the notice period.
    `customer`: the BAN of the one customer whose own address it is; nobody else is told of it.
    """

    purpose: str
    name: str
    address: str
    kind: Kind
    direction: Direction
    protocols: tuple[str, ...]
    ports: tuple[int, ...]
    region: str
    status: Status
    replaced_by: tuple[str, ...] = ()
    announced_on: date | None = None
    active_on: date | None = None
    drained_on: date | None = None
    retired_on: date | None = None
    notice_reason: str | None = None
    customer: str | None = None

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
