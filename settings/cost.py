"""What the edge may have and what it costs: quotas of the project, and figures of the monthly plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from settings.base import Line, Money, Section
from settings.problems import refuse

# Google's default, docs.cloud.google.com/compute/resource-usage
NEW_PROJECT_ADDRESSES = 8


class Quotas(Section):
    """Quotas of the project in this region (`gcloud compute regions describe REGION`)."""

    static_addresses: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="STATIC_ADDRESSES; absent: 8 with dedicated customers (the quota of a new project), otherwise not"
        " checked",
    )
    forwarding_rules: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="EXTERNAL_NETWORK_LB_FORWARDING_RULES; absent: not checked, as Google documents no default"
    )

    def refuse_more(self, *, addresses: int, rules: int, dedicated: bool) -> None:
        """Refuse, in one message, a stack that exceeds the quotas: the cloud would fail half way through an update."""
        allowed = self.static_addresses
        if allowed is None and dedicated:
            allowed = NEW_PROJECT_ADDRESSES
        needs = (
            (addresses, allowed, "static addresses", "staticAddresses"),
            (rules, self.forwarding_rules, "forwarding rules", "forwardingRules"),
        )
        short = [need for need in needs if need[1] is not None and need[0] > need[1]]
        if short:
            wanted = " and ".join(f"{count} {what} (allowed: {most})" for count, most, what, _ in short)
            keys = " and ".join(key for *_, key in short)
            raise refuse(
                f"this stack alone needs {wanted}",
                f"have the project's quotas in the region raised, then set quotas.{keys}; other use by the project also"
                " counts and is not known here (`gcloud compute regions describe` shows limit and usage)",
            )


class Cost(Section):
    """Figures of the monthly plan. List prices are in `plan/cost.py`."""

    static_address: Money = Field(Decimal("2.92"), description="USD per address")
    load_balancer: Money = Field(Decimal("18.00"), description="USD per LoadBalancer")
    nat_gateway: Money = Field(Decimal("40.00"), description="USD per gateway")
    data_processing: Money = Field(Decimal("10.00"), description="USD, estimate")
    cloud_armor: Money = Field(
        Decimal("200.00"), description="USD for Cloud Armor Enterprise, where `protection.mode` needs it"
    )
    before: Money = Field(Decimal("0.00"), description="USD, what the network cost before")
    compute: dict[Line, Money] = Field({}, description="USD by name, for compute beside the network")
    customers: int = Field(0, ge=0, le=1_000_000_000, description="number of customers, for the cost per customer")
    nat_vms: int = Field(0, ge=0, le=1_000_000, description="VMs behind the gateway, for the list price")
    nat_gib: Money | None = Field(None, description="measured GiB a month through NAT")
    load_balancer_gib: Money | None = Field(None, description="measured GiB a month through the LoadBalancers")
