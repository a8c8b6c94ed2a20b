"""The monthly bill, against sums made by hand from the plan and from the price list."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from plan import plan
from plan.cost import Counts, cents, count, monthly_cost
from settings import Settings
from settings.cost import Cost
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.cloud import SUBNETWORK
from tests.unit.everything import everything

LIVE = Counts(ingress_addresses=2, nat_addresses=3, announced_addresses=0, load_balancers=2)


def figures(**changed: Any) -> Cost:
    return Cost().model_copy(update=changed)


PLAN = figures(before=Decimal("40.00"), nat_vms=9)


def bill(which: str, counts: Counts, plan: Cost = PLAN) -> dict[str, float]:
    return {item["item"]: item["month"] for item in monthly_cost(counts, plan)[which]["items"]}


# The smallest stack: LoadBalancers for UDP and TCP, one slot.
BARE = stack_config("sandbox") | {
    "warp-edge:quotas": {"staticAddresses": 40, "forwardingRules": 40},
    "warp-edge:dedicated": {},
    "warp-edge:legacy": {},
}
SMALLEST = changed(BARE, ("warp-edge:egress", "slots"), {"a": {"state": "active"}})
IPV6 = changed(SMALLEST, ("warp-edge:ingress", "ipv6Subnetwork"), SUBNETWORK)
OWN = {"ban": "100001", "targetPort": 15060, "tcp": {}}
DRAINS = {"ban": "100002", "targetPort": 15064, "drainedOn": "2026-02-01"}
PAST = {"purpose": "Old", "address": "34.9.9.9", "retiredOn": "2026-01-01"}


def slots(**states: str) -> Config:
    days = {"draining": {"activeOn": "2025-01-01", "drainedOn": "2026-02-01"}}
    return changed(
        SMALLEST,
        ("warp-edge:egress", "slots"),
        {name: {"state": state, **days.get(state, {})} for name, state in states.items()},
    )


@pytest.mark.parametrize(
    ("config", "ingress", "nat", "announced", "dedicated"),
    [
        pytest.param(SMALLEST, 2, 1, 0, {}, id="the smallest"),
        pytest.param(slots(a="active", b="draining"), 2, 2, 0, {}, id="a draining slot is on the gateway"),
        pytest.param(slots(a="active", b="announced"), 2, 1, 1, {}, id="an announced slot is on nothing"),
        pytest.param(
            SMALLEST | {"warp-edge:dedicated": {"own": OWN}}, 4, 1, 0, {"100001": 2}, id="a customer with UDP and TCP"
        ),
        pytest.param(
            SMALLEST | {"warp-edge:dedicated": {"drains": DRAINS}}, 3, 1, 0, {"100002": 1},
            id="a customer that drains still has its LoadBalancer",
        ),
        pytest.param(
            SMALLEST | {"warp-edge:dedicated": {"own": OWN, "drains": DRAINS, "more": DRAINS | {"targetPort": 15068}}},
            6, 1, 0, {"100001": 2, "100002": 2},
            id="several customers, one of them with two entries",
        ),
        pytest.param(IPV6, 4, 1, 0, {}, id="active IPv6 has rules of its own"),
        pytest.param(
            changed(IPV6, ("warp-edge:ingress", "udp", "ipv6"), {"state": "announced"}), 3, 1, 1, {},
            id="announced IPv6 has none yet",
        ),
        pytest.param(
            changed(SMALLEST, ("warp-edge:ingress", "announced"), {"new": {"protocol": "UDP"}}), 2, 1, 1, {},
            id="announced ingress",
        ),
        pytest.param(
            changed(IPV6, ("warp-edge:ingress", "announced"), {"new": {"protocol": "UDP"}}), 4, 1, 2, {},
            id="announced ingress with IPv6",
        ),
        pytest.param(
            SMALLEST
            | {
                "warp-edge:legacy": {
                    "old": PAST | {"kind": "LoadBalancer", "direction": "inbound"},
                    "own": PAST | {"address": "34.9.9.8", "kind": "LoadBalancer", "direction": "inbound",
                                   "customer": "100001"},
                    "nat": PAST | {"address": "34.9.9.7", "kind": "NAT", "direction": "outbound"},
                }
            },
            2, 1, 0, {}, id="what was released costs nothing",
        ),
        pytest.param(
            everything(), 9, 4, 6, {"100001": 2, "100002": 1, "100003": 1, "100004": 2}, id="everything at once"
        ),
    ],
)  # fmt: skip
def test_what_is_paid_for_is_counted_from_the_plan(
    config: Config, ingress: int, nat: int, announced: int, dedicated: dict[str, int]
) -> None:
    """Whatever holds a LoadBalancer or a place on the gateway is paid for so, draining or not."""
    assert count(plan(Settings.parse(as_engine_gives_it(config))).addresses) == Counts(
        ingress_addresses=ingress,
        nat_addresses=nat,
        announced_addresses=announced,
        load_balancers=ingress,
        dedicated=dedicated,
    )


@pytest.mark.parametrize(
    ("rules", "month"),
    [
        pytest.param(0, 0.00, id="none"),
        pytest.param(1, 18.25, id="730 x 0.025"),
        pytest.param(5, 18.25, id="the first five cost as much together as one"),
        pytest.param(6, 25.55, id="the sixth adds 730 x 0.01"),
        pytest.param(7, 32.85, id="and so does the seventh"),
    ],
)
def test_forwarding_rules_cost_five_together_and_then_one_by_one(rules: int, month: float) -> None:
    assert bill("list", replace(LIVE, load_balancers=rules))["forwarding rules"] == month


@pytest.mark.parametrize(
    ("vms", "month"),
    [
        pytest.param(0, 0.00, id="none"),
        pytest.param(1, 1.02, id="730 x 0.0014 = 1.022"),
        pytest.param(9, 9.20, id="730 x 0.0126 = 9.198"),
        pytest.param(31, 31.68, id="730 x 0.0434 = 31.682, just below the cap"),
        pytest.param(32, 32.12, id="730 x 0.044, not 0.0448"),
        pytest.param(500, 32.12, id="capped"),
    ],
)
def test_the_gateway_costs_by_the_vm_up_to_32(vms: int, month: float) -> None:
    assert bill("list", LIVE, figures(nat_vms=vms))["Cloud NAT gateway"] == month


def test_an_announced_address_costs_twice_as_much_as_one_in_use() -> None:
    found = bill("list", replace(LIVE, announced_addresses=2))
    assert found["announced addresses"] == 14.60  # 730 x 2 x 0.01
    assert found["NAT addresses"] == 10.95  # 730 x 3 x 0.005
    assert found["addresses on forwarding rules"] == 0.00


def test_two_more_slots_cost_what_the_formulas_say() -> None:
    more = replace(LIVE, nat_addresses=5)
    before, after = monthly_cost(LIVE, PLAN), monthly_cost(more, PLAN)
    assert after["plan"]["total"] == 106.44  # 100.60 + 2 x 2.92
    assert after["difference"] == 66.44
    assert after["list"]["total"] == 55.70  # 48.40 + 2 x 3.65
    assert before["oneMoreSlot"] == {"plan": 2.92, "list": 3.65}


def test_measured_traffic_takes_the_place_of_the_estimate() -> None:
    measured = figures(nat_gib=Decimal(100), load_balancer_gib=Decimal(250))
    assert bill("list", LIVE, measured)["data processing"] == 6.50  # 100 x 0.045 + 250 x 0.008
    assert bill("plan", LIVE, measured)["data processing"] == 10.00
    for half in (figures(nat_gib=Decimal(100)), figures(load_balancer_gib=Decimal(100))):
        assert bill("list", LIVE, half)["data processing"] == 10.00, "half a measurement is none"


def test_another_regions_plan_is_another_sum() -> None:
    plan = figures(
        nat_vms=9,
        static_address=Decimal("3.00"),
        load_balancer=Decimal("20.50"),
        nat_gateway=Decimal("45.00"),
        data_processing=Decimal("0.00"),
        before=Decimal("200.00"),
    )
    found = monthly_cost(LIVE, plan)
    assert found["plan"]["total"] == 101.00  # 15.00 + 41.00 + 45.00
    assert found["difference"] == -99.00


def test_the_cost_is_shared_among_customers_only_where_there_are_some() -> None:
    alone = monthly_cost(LIVE, PLAN)
    assert not {"customers", "perCustomer"} & set(alone)
    shared = monthly_cost(LIVE, figures(before=Decimal("40.00"), nat_vms=9, customers=3, compute={"GKE": Decimal(150)}))
    assert shared["platform"] == 250.60
    assert (shared["customers"], shared["perCustomer"]) == (3, 83.533)


@pytest.mark.parametrize(("amount", "rounded"), [("0.005", "0.01"), ("1.004", "1.00"), ("2.675", "2.68")])
def test_amounts_are_rounded_half_up_as_on_an_invoice(amount: str, rounded: str) -> None:
    assert cents(Decimal(amount)) == Decimal(rounded)


def test_every_line_says_its_formula() -> None:
    found: dict[str, Any] = monthly_cost(LIVE, PLAN)
    for item in found["plan"]["items"] + found["list"]["items"]:
        assert item["formula"], item["item"]
    by_item = {item["item"]: item["formula"] for item in found["list"]["items"]}
    assert by_item["NAT addresses"] == "730 h × count × 0.005"
    assert by_item["Cloud NAT gateway"] == "730 h × min(VMs × 0.0014, 0.044)"
