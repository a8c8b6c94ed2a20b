"""Monthly cost of one region's edge: the plan's figures and the cloud's list prices, side by side.

The plan's figures are those approved for production (settings `cost`).
List prices: us-central1, 730 hours a month, cloud.google.com/vpc/network-pricing and cloud.google.com/nat/pricing.
Both are computed from the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from alerts.definitions import chosen
from inventory.address import Address, Calls, Kind
from inventory.json_values import Json
from inventory.outputs import SCHEMA
from settings import Settings
from settings.cost import Cost

HOURS = 730
PRICE_REGION = "us-central1"  # prices of other regions differ; the output names the region

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
# Cloud Armor Enterprise Paygo, cloud.google.com/armor/pricing: a project, and each protected resource beyond the first.
ARMOR_MONTH = Decimal("200.00")
ARMOR_RESOURCES_INCLUDED = 2
# cloud.google.com/stackdriver/pricing: USD 0.30 per 1,000 runs, the first million of a project free.
CHECK_RUN = Decimal("0.0003")
FREE_CHECK_RUNS = 1_000_000
# Of a check without `selectedRegions`: three in the USA, one each in Europe, South America and Asia-Pacific.
CHECK_LOCATIONS = 6

CENT = Decimal("0.01")

# One line of the bill: what, how many, US dollars a month, and how they are computed.
Item = tuple[str, int, Decimal, str]


@dataclass(frozen=True)
class Counts:
    """Counts of billed resources. `dedicated`: BAN to dedicated LoadBalancers, each with its address; they are included
    in the other counts. `armor`: whether Cloud Armor Enterprise is needed."""

    ingress_addresses: int
    nat_addresses: int
    announced_addresses: int
    load_balancers: int
    dedicated: Mapping[str, int] = field(default_factory=dict)
    armor: bool = False

    @property
    def addresses(self) -> int:
        """All reserved addresses."""
        return self.ingress_addresses + self.nat_addresses + self.announced_addresses


def count(addresses: Iterable[Address], *, armor: bool = False) -> Counts:
    """Counts for the addresses of a plan."""
    living = [each for each in addresses if each.published]
    used = [each for each in living if each.status.state.calls in (Calls.NEW, Calls.RUNNING)]
    inbound = [each for each in used if each.kind is Kind.LOAD_BALANCER]
    return Counts(
        ingress_addresses=len(inbound),
        nat_addresses=len(used) - len(inbound),
        announced_addresses=len(living) - len(used),
        load_balancers=len(inbound),
        dedicated=Counter(each.customer for each in inbound if each.customer),
        armor=armor,
    )


@dataclass(frozen=True)
class Monitoring:
    """What Cloud Monitoring bills: `conditions` of alert policies, one each; `checks`: uptime checks, each from every
    location every `seconds`."""

    conditions: int
    checks: int
    seconds: int


def monitoring(settings: Settings) -> Monitoring | None:
    """Of a stack; None without alerts."""
    alerts = settings.alerts
    if not alerts.manage:
        return None
    conditions = len(chosen(settings.alert_parts, frozenset(alerts.off)))
    return Monitoring(conditions, len(settings.uptime_ports), int(alerts.uptime_period.removesuffix("s")))


def monthly_cost(counts: Counts, figures: Cost, watched: Monitoring | None = None) -> Json:
    """Output `monthlyCost`: US dollars per month; the plan's figures and list prices for the same counts."""
    plan, network = _bill(_plan_items(counts, figures))
    listed, _ = _bill([*_list_items(counts, figures), *_monitoring_items(watched)])
    compute = sum(figures.compute.values(), Decimal(0))
    body: Json = {
        "schema": SCHEMA,
        "currency": "USD",
        "plan": plan,
        "list": {"region": PRICE_REGION, **listed},
        "before": _money(figures.before),
        "difference": _money(network - figures.before),
        "compute": {name: _money(month) for name, month in figures.compute.items()},
        "platform": _money(network + compute),
        "oneMoreSlot": {"plan": _money(figures.static_address), "list": _money(HOURS * NAT_ADDRESS_HOUR)},
    }
    if counts.dedicated:
        body["dedicated"] = {
            ban: {
                "addresses": balancers,
                "loadBalancers": balancers,
                "plan": _money(balancers * (figures.static_address + figures.load_balancer)),
                "list": _money(balancers * HOURS * FURTHER_RULE_HOUR),
            }
            for ban, balancers in counts.dedicated.items()
        }
    if figures.customers:
        body["customers"] = figures.customers
        body["perCustomer"] = float(round((network + compute) / figures.customers, 3))
    return body


def cents(amount: Decimal) -> Decimal:
    """Rounded to cents, half up, as on invoices."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def _plan_items(counts: Counts, figures: Cost) -> list[Item]:
    """The network by the plan: every address costs the same, whatever uses it."""
    return [
        _by_count("static addresses", counts.addresses, figures.static_address),
        _by_count("LoadBalancers", counts.load_balancers, figures.load_balancer),
        _by_count("Cloud NAT gateway", 1, figures.nat_gateway),
        ("data processing", 1, figures.data_processing, "estimate"),
        *([_by_count("Cloud Armor Enterprise", 1, figures.cloud_armor)] if counts.armor else []),
    ]


def _list_items(counts: Counts, figures: Cost) -> list[Item]:
    """The network at list prices. Traffic that was not measured stays at the plan's estimate, and is marked as such."""
    further = max(counts.load_balancers - RULES_INCLUDED, 0)
    first = FIRST_RULES_HOUR if counts.load_balancers else Decimal(0)
    rules = cents(HOURS * (first + further * FURTHER_RULE_HOUR))
    gateway = cents(HOURS * min(figures.nat_vms * GATEWAY_VM_HOUR, GATEWAY_HOUR_AT_MOST))
    return [
        ("addresses on forwarding rules", counts.ingress_addresses, Decimal("0.00"), "free while in use"),
        _by_hour("NAT addresses", counts.nat_addresses, NAT_ADDRESS_HOUR),
        _by_hour("announced addresses", counts.announced_addresses, UNUSED_ADDRESS_HOUR),
        (
            "forwarding rules",
            counts.load_balancers,
            rules,
            f"{HOURS} h × ({FIRST_RULES_HOUR} for the first {RULES_INCLUDED} together"
            f" + {FURTHER_RULE_HOUR} × each further)",
        ),
        (
            "Cloud NAT gateway",
            figures.nat_vms,
            gateway,
            f"{HOURS} h × min(VMs × {GATEWAY_VM_HOUR}, {GATEWAY_HOUR_AT_MOST})",
        ),
        _traffic(figures),
        *([_armor(counts)] if counts.armor else []),
    ]


def _monitoring_items(watched: Monitoring | None) -> list[Item]:
    """Prices that could not be read here are not in the sum; the formula says so (docs/alerts.md, "Cost")."""
    if watched is None:
        return []
    runs = HOURS * 3600 // watched.seconds * CHECK_LOCATIONS * watched.checks
    billed = max(runs - FREE_CHECK_RUNS, 0)
    unknown = "not in the sum, see Google's price list: price per"
    return [
        (
            "uptime checks",
            watched.checks,
            cents(billed * CHECK_RUN),
            f"runs of {CHECK_LOCATIONS} locations: {runs} - {FREE_CHECK_RUNS} free in the project, × {CHECK_RUN}",
        ),
        ("alert conditions", watched.conditions, Decimal("0.00"), f"{unknown} condition and time series returned"),
        ("Prometheus samples", 0, Decimal("0.00"), f"{unknown} million samples, by the number of proxies"),
    ]


def _armor(counts: Counts) -> Item:
    """Of the project, which other stacks and products share: bought once, whatever the number of stacks."""
    further = max(counts.load_balancers - ARMOR_RESOURCES_INCLUDED, 0)
    return (
        "Cloud Armor Enterprise",
        counts.load_balancers,
        cents(ARMOR_MONTH * (1 + further)),
        f"{ARMOR_MONTH} per project, {ARMOR_RESOURCES_INCLUDED} LoadBalancers included,"
        f" + {ARMOR_MONTH} × each further (Paygo)",
    )


def _by_count(item: str, count: int, unit: Decimal) -> Item:
    return (item, count, cents(count * unit), f"count × {unit}")


def _by_hour(item: str, count: int, hour: Decimal) -> Item:
    return (item, count, cents(HOURS * count * hour), f"{HOURS} h × count × {hour}")


def _traffic(figures: Cost) -> Item:
    formula = f"NAT GiB × {NAT_GIB} + LoadBalancer GiB × {LOAD_BALANCER_GIB}"
    if figures.nat_gib is None or figures.load_balancer_gib is None:
        return ("data processing", 1, figures.data_processing, f"the plan's estimate; measured: {formula}")
    month = cents(figures.nat_gib * NAT_GIB + figures.load_balancer_gib * LOAD_BALANCER_GIB)
    return ("data processing", 1, month, formula)


def _bill(items: Sequence[Item]) -> tuple[Json, Decimal]:
    """The lines and their sum, US dollars per month; and the sum again, before it is a number of JSON."""
    total = sum((month for _, _, month, _ in items), Decimal("0.00"))
    lines = [
        {"item": item, "count": count, "month": _money(month), "formula": formula}
        for item, count, month, formula in items
    ]
    return {"items": lines, "total": _money(total)}, total


def _money(amount: Decimal) -> float:
    """JSON has no decimals; two places survive a double exactly as printed."""
    return float(cents(amount))
