"""What is only told, not built: addresses of the past and the figures of the monthly plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from inventory.address import Direction, Kind
from settings.base import Address, Line, Money, Name, Port, Section


class RetiredAddress(Section):
    """An address of the past, listed so that people can clean up their lists."""

    address: Address = Field(description="the address itself: it is released, nothing can look it up")
    purpose: Line = Field(description="what it was for")
    kind: Kind = Field(description="what held it")
    direction: Direction = Field(description="inbound: customers sent to it; outbound: vendors saw it")
    protocols: tuple[Literal["UDP", "TCP"], ...] = Field(("UDP", "TCP"), min_length=1, description="what it carried")
    ports: tuple[Port, ...] = Field((5060,), description="destination ports")
    replaced_by: tuple[Name, ...] = Field((), description="names of the addresses that took over")


class Cost(Section):
    """Figures of the monthly plan. List prices are in `inventory/cost.py`."""

    static_address: Money = Field(Decimal("2.92"), description="USD per address")
    load_balancer: Money = Field(Decimal("18.00"), description="USD per LoadBalancer")
    nat_gateway: Money = Field(Decimal("40.00"), description="USD per gateway")
    data_processing: Money = Field(Decimal("10.00"), description="USD, estimate")
    before: Money = Field(Decimal("0.00"), description="USD the network cost before")
    compute: dict[Line, Money] = Field({}, description="USD by name for what stands beside the network")
    customers: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(0, description="to share the cost among")
    nat_vms: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="VMs behind the gateway, for the list price"
    )
    nat_gib: Money | None = Field(None, description="measured GiB a month through NAT")
    load_balancer_gib: Money | None = Field(None, description="measured GiB a month through the LoadBalancers")
