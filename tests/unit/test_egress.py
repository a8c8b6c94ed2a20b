"""`NatEgressPool`: where a slot stands in each state of its life, and which changes of state are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pulumi
import pytest

from components.egress import refuse_cut, unannounced
from engine.record import GatewayUse
from engine.refusal import RefusedError
from inventory.address import STATES, Calls, Status
from settings.egress import Egress
from settings.retired import RetiredAddress
from tests.stacks import Config, changed, stack_config, without_site
from tests.unit.cloud import Cloud
from tests.unit.recording import Declared, Edge, declare, declare_once

NAT = "gcp:compute/routerNat:RouterNat"
ROUTER = "gcp:compute/router:Router"
ADDRESS = "gcp:compute/address:Address"
SELF_LINK = "https://www.googleapis.com/compute/v1/projects/warp-sandbox/regions/us-central1/addresses"

ALL_STATES = {
    "old": {"state": "draining", "purpose": "Vendor egress, leaving"},
    "one": {"state": "active"},
    "two": {"state": "active"},
    "new": {"state": "announced"},
}


def with_egress(**settings: Any) -> Config:
    config = without_site(stack_config("sandbox"))
    for name, value in settings.items():
        config = changed(config, ("warp-edge:egress", name), value)
    return config


def gateway_of(edge: Edge) -> Declared:
    (gateway,) = edge.of_type(NAT)
    return gateway


def test_each_slot_stands_where_its_state_says() -> None:
    edge = declare(with_egress(slots=ALL_STATES), before=GatewayUse(active=frozenset({"old", "one"})))
    gateway = gateway_of(edge).inputs
    # In the order of the engine, which sorts the keys of a stack's YAML.
    assert gateway["natIps"] == [f"{SELF_LINK}/one", f"{SELF_LINK}/two"]
    assert gateway["drainNatIps"] == [f"{SELF_LINK}/old"]
    assert {"old", "one", "two", "new"} <= set(edge.physical(ADDRESS)), "an announced address is reserved already"


def test_the_inventory_shows_the_state_of_every_slot() -> None:
    edge = declare(with_egress(slots=ALL_STATES), before=GatewayUse(draining=frozenset({"old"})))
    listed = {each["name"]: each for each in edge.outputs["ipInventory"]["addresses"]}
    assert {name: listed[name]["status"] for name in ALL_STATES} == {
        "old": "draining",
        "one": "active",
        "two": "active",
        "new": "announced",
    }
    assert listed["old"]["purpose"] == "Vendor egress, leaving"
    assert edge.outputs["egressCapacity"]["ports"] == 129_024, "only active slots take new calls"
    assert set(edge.outputs["vendorWhitelist"]["addresses"]) == {listed[name]["address"] for name in ALL_STATES}


def pool(**states: str) -> Egress:
    document = {"router": {"name": "r"}, "slots": {name: {"state": state} for name, state in states.items()}}
    return Egress.model_validate_json(json.dumps(document))


USED = GatewayUse(active=frozenset({"a", "b"}), draining=frozenset({"d"}))


@pytest.mark.parametrize(
    ("slots", "before"),
    [
        pytest.param({"a": "active"}, None, id="a first gateway"),
        pytest.param({"a": "active", "n": "announced"}, None, id="a first gateway with an announced slot"),
        pytest.param({"a": "active", "b": "active", "d": "active"}, USED, id="a draining slot is called back"),
        pytest.param({"a": "active", "b": "draining", "d": "draining"}, USED, id="another slot starts to drain"),
        pytest.param({"a": "active", "b": "active", "c": "active", "d": "draining"}, USED, id="a slot is added"),
        pytest.param({"a": "active"}, GatewayUse(), id="the gateway used nothing"),
    ],
)
def test_a_change_that_cuts_nothing_is_allowed(slots: dict[str, str], before: GatewayUse | None) -> None:
    refuse_cut(pool(**slots), before)


@pytest.mark.parametrize(
    ("slots", "before", "what", "remedy"),
    [
        pytest.param(
            {"a": "active"},
            USED,
            "egress slot b is active and cannot be removed: its calls would be cut at once",
            "set warp-edge:egress.slots.b.state to draining, run `pulumi up`, let its calls end",
            id="an active slot is removed",
        ),
        pytest.param(
            {"a": "active", "b": "announced"},
            USED,
            "egress slot b is active and cannot be set to announced: its calls would be cut at once",
            "set warp-edge:egress.slots.b.state to draining",
            id="an active slot is set back",
        ),
        pytest.param(
            {"x": "active"},
            USED,
            "egress slot a is active and cannot be removed",
            "set warp-edge:egress.slots.a.state to draining",
            id="the whole pool is replaced",
        ),
        pytest.param(
            {"a": "active", "b": "draining"},
            None,
            "egress slot b cannot drain: the gateway does not use it",
            "set warp-edge:egress.slots.b.state to announced, and to active before it can drain",
            id="a new gateway has a draining slot",
        ),
        pytest.param(
            {"a": "active", "b": "active", "n": "draining"},
            USED,
            "egress slot n cannot drain: the gateway does not use it",
            "set warp-edge:egress.slots.n.state to announced",
            id="a slot drains that was never active",
        ),
    ],
)
def test_a_change_that_would_cut_calls_is_refused_with_a_remedy(
    slots: dict[str, str], before: GatewayUse | None, what: str, remedy: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        refuse_cut(pool(**slots), before)
    reported, _, advice = str(refused.value).partition("\n  -> ")
    assert reported.startswith(what)
    assert advice.startswith(remedy)


STILL_DRAINS = "put d under warp-edge:legacy with drainedOn"
NOT_RECORDED = "cannot be retired: it is not recorded"


@pytest.mark.parametrize(
    ("slots", "legacy", "what", "remedy"),
    [
        pytest.param(
            {}, {}, "still draining and cannot be removed: it is not recorded", STILL_DRAINS, id="it just goes"
        ),
        pytest.param({}, {"drainedOn": None}, NOT_RECORDED, STILL_DRAINS, id="no dates at all"),
        pytest.param({}, {"retiredOn": "2026-03-02"}, NOT_RECORDED, STILL_DRAINS, id="drained when?"),
        pytest.param(
            {"d": "announced"}, {}, "drains and cannot be set to announced", "slots.d.state to active", id="back"
        ),
    ],
)
def test_what_still_drains_is_kept(
    slots: dict[str, str], legacy: dict[str, str | None], what: str, remedy: str
) -> None:
    retired = {"d": retired_address(**legacy)} if legacy else {}
    with pytest.raises(RefusedError) as refused:
        refuse_cut(pool(a="active", b="active", **slots), USED, retired)
    reported, _, advice = str(refused.value).partition("\n  -> ")
    assert reported.startswith("egress slot d ")
    assert what in reported
    assert remedy in advice


def test_a_state_that_says_that_the_calls_have_ended_ends_a_drain_and_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    over = replace(STATES[Status.ANNOUNCED], calls=Calls.OVER)  # as a state between the drain and the release
    monkeypatch.setattr("inventory.address.STATES", {**STATES, Status.ANNOUNCED: over})
    refuse_cut(pool(a="active", b="active", d="announced"), USED)
    with pytest.raises(RefusedError, match="egress slot b is active and cannot be set to announced"):
        refuse_cut(pool(a="active", b="announced", d="draining"), USED)


def test_a_drained_slot_is_retired_when_its_dates_say_that_its_calls_have_ended() -> None:
    retired = retired_address(drainedOn="2026-03-01", retiredOn="2026-03-02")
    refuse_cut(pool(a="active", b="active"), USED, {"d": retired})


def test_an_active_slot_is_not_retired_whatever_its_dates_say() -> None:
    retired = retired_address(drainedOn="2026-03-01", retiredOn="2026-03-02")
    with pytest.raises(RefusedError, match="egress slot b is active and cannot be retired: its calls would be cut"):
        refuse_cut(pool(a="active", d="draining"), USED, {"b": retired})


def test_a_stack_with_draining_slots_cannot_be_made_from_nothing() -> None:
    with pytest.raises(RefusedError, match="there is none yet, and a new one refuses draining addresses"):
        refuse_cut(pool(a="active", b="draining"), None)


def retired_address(**dates: str | None) -> RetiredAddress:
    document = {"address": "192.0.2.9", "purpose": "p", "kind": "NAT", "direction": "outbound", **dates}
    return RetiredAddress.model_validate_json(json.dumps(document))


@pytest.mark.parametrize(
    ("slots", "before", "named"),
    [
        pytest.param({"a": {"state": "active"}}, None, [], id="a first gateway"),
        pytest.param({"a": {"state": "active"}}, GatewayUse(active=frozenset({"a"})), [], id="nothing new"),
        pytest.param({"a": {"state": "active"}, "n": {"state": "announced"}}, USED, ["n is announced"], id="announced"),
        pytest.param({"a": {"state": "active"}, "n": {"state": "active"}}, USED, ["n becomes active"], id="new"),
        pytest.param(
            {"a": {"state": "active"}, "n": {"state": "announced", "announcedOn": "2026-01-01"}}, USED, [], id="dated"
        ),
    ],
)
def test_a_slot_without_a_date_of_announcement_is_warned_about(
    slots: dict[str, Any], before: GatewayUse | None, named: list[str]
) -> None:
    egress = Egress.model_validate_json(json.dumps({"router": {"name": "r"}, "slots": slots}))
    lines = unannounced(egress, before)
    assert [line.removeprefix("egress slot ")[: len(name)] for line, name in zip(lines, named, strict=True)] == named
    assert all("add warp-edge:egress.slots.n.announcedOn" in line for line in lines)


def test_a_refused_update_changes_nothing_at_all() -> None:
    class Watched(Cloud):
        seen: ClassVar[list[str]] = []

        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            self.seen.append(args.name)
            return super().new_resource(args)

    with pytest.raises(pulumi.RunError, match="egress slot gone is active and cannot be removed"):
        declare(stack_config("prod"), before=GatewayUse(active=frozenset({"gone"})), cloud=Watched())
    # A provider and the component itself, which are nothing in the cloud; in which order, the threads decide.
    assert sorted(Watched.seen) == ["cluster", "egress"]


def test_the_router_is_declared_in_its_network() -> None:
    (router,) = declare(with_egress(router={"name": "r", "network": "voice"})).of_type(ROUTER)
    assert (router.inputs["name"], router.inputs["network"], router.inputs["region"]) == ("r", "voice", "us-central1")


def test_a_router_that_another_team_owns_is_used_by_name() -> None:
    edge = declare(with_egress(router={"name": "theirs", "manage": False}))
    assert edge.of_type(ROUTER) == []
    assert gateway_of(edge).inputs["router"] == "theirs"


def test_every_timeout_is_sent_and_the_defaults_are_the_clouds_own() -> None:
    expected = {
        "udpIdleTimeoutSec": 30,
        "icmpIdleTimeoutSec": 30,
        "tcpEstablishedIdleTimeoutSec": 1200,
        "tcpTransitoryIdleTimeoutSec": 30,
        "tcpTimeWaitTimeoutSec": 120,
    }
    gateway = gateway_of(declare_once(with_egress())).inputs
    assert {key: gateway[key] for key in expected} == expected
    timeouts = {
        "udpIdleSeconds": 301,
        "icmpIdleSeconds": 302,
        "tcpEstablishedIdleSeconds": 303,
        "tcpTransitoryIdleSeconds": 304,
        "tcpTimeWaitSeconds": 305,
    }
    gateway = gateway_of(declare(with_egress(timeouts=timeouts))).inputs
    assert [gateway[key] for key in expected] == [301, 302, 303, 304, 305]


@pytest.mark.parametrize(
    ("settings", "sent", "least"),
    [
        pytest.param({}, (False, False, None, None), 64, id="defaults"),
        pytest.param({"minPortsPerVm": 128}, (False, False, 128, None), 128, id="static"),
        pytest.param({"dynamicPorts": True}, (True, False, None, None), 32, id="dynamic"),
        pytest.param(
            {"dynamicPorts": True, "minPortsPerVm": 64, "maxPortsPerVm": 4096}, (True, False, 64, 4096), 64, id="range"
        ),
        pytest.param({"endpointIndependentMapping": True}, (False, True, None, None), 64, id="mapping"),
    ],
)
def test_ports_are_allocated_as_set(settings: Config, sent: tuple[Any, ...], least: int) -> None:
    edge = declare_once(with_egress(**settings))
    gateway = gateway_of(edge).inputs
    assert gateway["enableDynamicPortAllocation"] is sent[0]
    assert gateway["enableEndpointIndependentMapping"] is sent[1]
    assert (gateway.get("minPortsPerVm"), gateway.get("maxPortsPerVm")) == sent[2:]
    assert edge.outputs["egressCapacity"]["minPortsPerVm"] == least


def test_what_a_call_holds_is_a_setting() -> None:
    capacity = declare(with_egress(portsPerCall=4)).outputs["egressCapacity"]
    assert (capacity["ports"], capacity["concurrentCalls"]) == (193_536, 48_384)
