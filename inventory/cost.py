"""What one region's edge costs a month: the plan's figures and the cloud's list prices, side by side.

Plan figures are the ones production was approved with (static address 2.92, LoadBalancer 18.00, gateway 40.00).
List prices: us-central1, 730 hours a month, cloud.google.com/vpc/network-pricing and cloud.google.com/nat/pricing.
Both are functions of the same counts, so two more slots or another region cost what the formulas say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

HOURS = 730
PRICE_REGION = "us-central1"  # prices of other regions differ; the output says which these are

# List prices, US dollars.
NAT_ADDRESS_HOUR = Decimal("0.005")
UNUSED_ADDRESS_HOUR = Decimal("0.01")
GATEWAY_VM_HOUR = Decimal("0.0014")
GATEWAY_HOUR_AT_MOST = Decimal("0.044")
RULES_INCLUDED = 5
FIRST_RULES_HOUR = Decimal("0.025")
FURTHER_RULE_HOUR = Decimal("0.01")
NAT_GIB = Decimal("0.045")
LOAD_BALANCER_GIB = Decimal("0.008")

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Plan:
    """The plan's unit prices a month, what the platform cost before, and what stands beside the network."""

    static_address: Decimal = Decimal("2.92")
    load_balancer: Decimal = Decimal("18.00")
    nat_gateway: Decimal = Decimal("40.00")
    data_processing: Decimal = Decimal("10.00")
    before: Decimal = Decimal("0.00")
    compute: Mapping[str, Decimal] = field(default_factory=dict)
    customers: int = 0


@dataclass(frozen=True)
class Counts:
    """What there is to pay for. Traffic in GiB a month, None where nobody has measured it.

    `dedicated`: BAN to LoadBalancers of the customer's own, each with its address; they count in the others as well.
    """

    ingress_addresses: int
    nat_addresses: int
    announced_addresses: int
    load_balancers: int
    nat_vms: int
    nat_gib: Decimal | None = None
    load_balancer_gib: Decimal | None = None
    dedicated: Mapping[str, int] = field(default_factory=dict)

    @property
    def addresses(self) -> int:
        """All reserved addresses."""
        return self.ingress_addresses + self.nat_addresses + self.announced_addresses


@dataclass(frozen=True)
class Item:
    """One line of the bill: `month` is US dollars and follows from `formula`."""

    item: str
    count: int
    month: Decimal
    formula: str


def cents(amount: Decimal) -> Decimal:
    """Rounded to cents, half up, as invoices do."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def plan_items(counts: Counts, plan: Plan) -> list[Item]:
    """The network as the plan counts it: every address costs the same, whatever uses it."""
    return [
        _by_count("static addresses", counts.addresses, plan.static_address),
        _by_count("LoadBalancers", counts.load_balancers, plan.load_balancer),
        _by_count("Cloud NAT gateway", 1, plan.nat_gateway),
        Item("data processing", 1, plan.data_processing, "estimate"),
    ]


def list_items(counts: Counts, plan: Plan) -> list[Item]:
    """The network at list prices. Traffic nobody has measured stays at the plan's estimate, and says so."""
    further = max(counts.load_balancers - RULES_INCLUDED, 0)
    first = FIRST_RULES_HOUR if counts.load_balancers else Decimal(0)
    rules = cents(HOURS * (first + further * FURTHER_RULE_HOUR))
    gateway = cents(HOURS * min(counts.nat_vms * GATEWAY_VM_HOUR, GATEWAY_HOUR_AT_MOST))
    return [
        Item("addresses on forwarding rules", counts.ingress_addresses, Decimal("0.00"), "free while in use"),
        _by_hour("NAT addresses", counts.nat_addresses, NAT_ADDRESS_HOUR),
        _by_hour("announced addresses", counts.announced_addresses, UNUSED_ADDRESS_HOUR),
        Item(
            "forwarding rules",
            counts.load_balancers,
            rules,
            f"{HOURS} h × ({FIRST_RULES_HOUR} for the first {RULES_INCLUDED} together"
            f" + {FURTHER_RULE_HOUR} × each further)",
        ),
        Item(
            "Cloud NAT gateway",
            counts.nat_vms,
            gateway,
            f"{HOURS} h × min(VMs × {GATEWAY_VM_HOUR}, {GATEWAY_HOUR_AT_MOST})",
        ),
        _traffic(counts, plan),
    ]


def _by_count(item: str, count: int, unit: Decimal) -> Item:
    return Item(item, count, cents(count * unit), f"count × {unit}")


def _by_hour(item: str, count: int, hour: Decimal) -> Item:
    return Item(item, count, cents(HOURS * count * hour), f"{HOURS} h × count × {hour}")


def _traffic(counts: Counts, plan: Plan) -> Item:
    formula = f"NAT GiB × {NAT_GIB} + LoadBalancer GiB × {LOAD_BALANCER_GIB}"
    if counts.nat_gib is None or counts.load_balancer_gib is None:
        return Item("data processing", 1, plan.data_processing, f"the plan's estimate; measured: {formula}")
    month = cents(counts.nat_gib * NAT_GIB + counts.load_balancer_gib * LOAD_BALANCER_GIB)
    return Item("data processing", 1, month, formula)


def total(items: list[Item]) -> Decimal:
    """Sum of the lines, US dollars a month."""
    return sum((item.month for item in items), Decimal("0.00"))
