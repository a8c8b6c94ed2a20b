"""Slots come and go; calls on the others never notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Sandbox
from tests.engine.conftest import Stack

NAT = "gcp:compute/routerNat:RouterNat"
NAT_ID = "warp-sandbox/us-central1/warp-router/warp-nat"
SLOTS = ("warp-edge:egress", "slots")


def in_gateway(cloud: Sandbox, field: str) -> list[str]:
    return sorted(link.rsplit("/", 1)[-1] for link in cloud.resource(NAT, NAT_ID)[field])


@pytest.fixture
def slots(edge: Stack) -> Iterator[Stack]:
    """The stack; whatever a test did to its settings is undone, the cloud keeps its history."""
    before = edge.config
    yield edge
    edge.config = before
    edge.workspace.configure(before)


def test_a_slot_from_announcement_to_removal_touches_no_other_address(edge: Stack, cloud: Sandbox) -> None:
    addresses = {a["name"]: a["address"] for a in edge.cli.outputs()["ipInventory"]["addresses"]}

    edge.set({"state": "announced"}, *SLOTS, "warp-nat-ip-4")
    assert edge.planned() == {"egress-slot-warp-nat-ip-4": "create"}
    edge.up()
    assert in_gateway(cloud, "natIps") == ["warp-nat-ip-1", "warp-nat-ip-2", "warp-nat-ip-3"]
    assert "warp-nat-ip-4" in {a["name"] for a in edge.cli.outputs()["ipInventory"]["addresses"]}
    assert len(edge.cli.outputs()["vendorWhitelist"]["addresses"]) == 4

    edge.set({"state": "active"}, *SLOTS, "warp-nat-ip-4")
    assert edge.planned() == {"egress-nat": "update"}
    edge.up()
    assert in_gateway(cloud, "natIps") == ["warp-nat-ip-1", "warp-nat-ip-2", "warp-nat-ip-3", "warp-nat-ip-4"]
    assert edge.cli.outputs()["egressCapacity"]["ports"] == 258_048

    edge.set({"state": "draining"}, *SLOTS, "warp-nat-ip-4")
    edge.up()
    assert in_gateway(cloud, "drainNatIps") == ["warp-nat-ip-4"]

    drained = next(a for a in edge.cli.outputs()["ipInventory"]["addresses"] if a["name"] == "warp-nat-ip-4")
    edge.config["warp-edge:egress"]["slots"].pop("warp-nat-ip-4")
    edge.workspace.configure(edge.config)
    refused = edge.failing("preview")
    assert "egress slot warp-nat-ip-4 is still draining and cannot be removed" in refused
    assert "Traceback" not in refused

    retired = {key: drained[key] for key in ("address", "purpose", "kind", "direction")}
    ended = {"drainedOn": "2026-03-01", "retiredOn": "2026-03-02", "replacedBy": ["warp-nat-ip-1"]}
    edge.set({"warp-nat-ip-4": retired | ended}, "warp-edge:legacy")
    assert edge.planned() == {"egress-nat": "update", "egress-slot-warp-nat-ip-4": "delete"}
    edge.up()
    assert in_gateway(cloud, "drainNatIps") == []
    *living, last = edge.cli.outputs()["ipInventory"]["addresses"]
    assert {a["name"]: a["address"] for a in living} == addresses
    assert (last["address"], last["status"], last["retiredOn"]) == (drained["address"], "retired", "2026-03-02")


def test_an_active_slot_cannot_be_dropped(slots: Stack, cloud: Sandbox) -> None:
    writes = len(cloud.writes())
    slots.set({"warp-nat-ip-1": {"state": "active"}, "warp-nat-ip-2": {"state": "active"}}, *SLOTS)
    refused = slots.failing("up", "--yes", "--skip-preview")
    assert "egress slot warp-nat-ip-3 is active and cannot be removed" in refused
    assert "draining" in refused
    assert "Traceback" not in refused
    assert len(cloud.writes()) == writes


def test_an_address_the_gateway_does_not_use_cannot_drain(slots: Stack, cloud: Sandbox) -> None:
    writes = len(cloud.writes())
    slots.set({"state": "draining"}, *SLOTS, "warp-nat-ip-9")
    refused = slots.failing("up", "--yes", "--skip-preview")
    assert "warp-nat-ip-9 cannot drain" in refused
    assert len(cloud.writes()) == writes
