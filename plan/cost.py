"""Monthly cost of one region's edge: the plan's figures and the cloud's list prices, side by side.

The plan's figures are those approved for production (settings `cost`).
List prices: us-central1, 730 hours a month, cloud.google.com/vpc/network-pricing and cloud.google.com/nat/pricing.
Both are computed from the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
# cloud.google.com/stackdriver/pricing: USD 0.30 per 1,000 runs, the first million of a project free.
CHECK_RUN = Decimal("0.0003")
FREE_CHECK_RUNS = 1_000_000
# Of a check without `selectedRegions`: three in the USA, one each in Europe, South America and Asia-Pacific.
CHECK_LOCATIONS = 6

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Counts:
    """Counts of billed resources. `dedicated`: BAN to dedicated LoadBalancers, each with its address; they are included
    in the other counts."""

    ingress_addresses: int
    nat_addresses: int
    announced_addresses: int
    load_balancers: int
    dedicated: Mapping[str, int] = field(default_factory=dict)

    @property
    def addresses(self) -> int:
        """All reserved addresses."""
        return self.ingress_addresses + self.nat_addresses + self.announced_addresses


def count(addresses: Iterable[Address]) -> Counts:
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
    )


@dataclass(frozen=True)
class Item:
    """One line of the bill: `month` in US dollars, computed by `formula`."""

    item: str
    count: int
    month: Decimal
    formula: str


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
    planned, listed = _plan_items(counts, figures), _list_items(counts, figures)
    if watched:
        listed += _monitoring_items(watched)
    network = _total(planned)
    compute = sum(figures.compute.values(), Decimal(0))
    body: Json = {
        "schema": SCHEMA,
        "currency": "USD",
        "plan": {"items": [_item(item) for item in planned], "total": _money(network)},
        "list": {
            "region": PRICE_REGION,
            "items": [_item(item) for item in listed],
            "total": _money(_total(listed)),
        },
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
        Item("data processing", 1, figures.data_processing, "estimate"),
    ]


def _list_items(counts: Counts, figures: Cost) -> list[Item]:
    """The network at list prices. Traffic that was not measured stays at the plan's estimate, and is marked as such."""
    further = max(counts.load_balancers - RULES_INCLUDED, 0)
    first = FIRST_RULES_HOUR if counts.load_balancers else Decimal(0)
    rules = cents(HOURS * (first + further * FURTHER_RULE_HOUR))
    gateway = cents(HOURS * min(figures.nat_vms * GATEWAY_VM_HOUR, GATEWAY_HOUR_AT_MOST))
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
            figures.nat_vms,
            gateway,
            f"{HOURS} h × min(VMs × {GATEWAY_VM_HOUR}, {GATEWAY_HOUR_AT_MOST})",
        ),
        _traffic(figures),
    ]


def _monitoring_items(watched: Monitoring) -> Iterator[Item]:
    """Prices that could not be read here are not in the sum; the formula says so (docs/alerts.md, "Cost")."""
    runs = HOURS * 3600 // watched.seconds * CHECK_LOCATIONS * watched.checks
    billed = max(runs - FREE_CHECK_RUNS, 0)
    yield Item(
        "uptime checks",
        watched.checks,
        cents(billed * CHECK_RUN),
        f"runs of {CHECK_LOCATIONS} locations: {runs} - {FREE_CHECK_RUNS} free in the project, × {CHECK_RUN}",
    )
    yield Item(
        "alert conditions",
        watched.conditions,
        Decimal("0.00"),
        "not in the sum: price per condition and per time series returned, see Google's price list",
    )
    yield Item(
        "Prometheus samples",
        0,
        Decimal("0.00"),
        "not in the sum: price per million samples, by the number of proxies, see Google's price list",
    )


def _by_count(item: str, count: int, unit: Decimal) -> Item:
    return Item(item, count, cents(count * unit), f"count × {unit}")


def _by_hour(item: str, count: int, hour: Decimal) -> Item:
    return Item(item, count, cents(HOURS * count * hour), f"{HOURS} h × count × {hour}")


def _traffic(figures: Cost) -> Item:
    formula = f"NAT GiB × {NAT_GIB} + LoadBalancer GiB × {LOAD_BALANCER_GIB}"
    if figures.nat_gib is None or figures.load_balancer_gib is None:
        return Item("data processing", 1, figures.data_processing, f"the plan's estimate; measured: {formula}")
    month = cents(figures.nat_gib * NAT_GIB + figures.load_balancer_gib * LOAD_BALANCER_GIB)
    return Item("data processing", 1, month, formula)


def _total(items: Sequence[Item]) -> Decimal:
    """Sum of the lines, US dollars per month."""
    return sum((item.month for item in items), Decimal("0.00"))


def _item(item: Item) -> Json:
    return {"item": item.item, "count": item.count, "month": _money(item.month), "formula": item.formula}


def _money(amount: Decimal) -> float:
    """JSON has no decimals; two places survive a double exactly as printed."""
    return float(cents(amount))
