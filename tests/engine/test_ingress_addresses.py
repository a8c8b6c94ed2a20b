"""An ingress address is announced, becomes active as it is, and is retired; customers are told each time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.conftest import Stack

INGRESS, LEGACY = "warp-edge:ingress", "warp-edge:legacy"
OLD, NEW = "kamailio-sip-udp-ip", "kamailio-sip-udp-ip-2"


def addresses(edge: Stack) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in edge.cli.outputs()["ipInventory"]["addresses"]}


def test_a_stack_of_before_is_taken_over_without_a_change(edge: Stack) -> None:
    """Active ingress addresses were known to the engine by their role alone."""
    state = edge.state()
    (urn,) = {
        part for part in state.split('"') if part.endswith(f"::ingress-udp-address-{OLD}") and part.startswith("urn:")
    }
    edge.cli.text("state", "rename", urn, "ingress-udp-address", "--stack", edge.cli.stack, "--yes")
    assert f"::ingress-udp-address-{OLD}" not in edge.state()
    assert edge.planned() == {}
    edge.up()
    assert f"::ingress-udp-address-{OLD}" in edge.state()


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_date_in_the_yaml_needs_no_quotes(edge: Stack, quote: str) -> None:
    before = edge.config
    edge.set({NEW: {"protocol": "UDP", "announcedOn": "DAY"}}, INGRESS, "announced")
    (file,) = edge.workspace.project.glob("Pulumi.*.yaml")
    text = file.read_text()
    assert "announcedOn: DAY" in text
    file.write_text(text.replace("announcedOn: DAY", f"announcedOn: {quote}2026-01-01{quote}"))
    assert edge.planned() == {f"ingress-udp-address-{NEW}": "create"}
    edge.config = before
    edge.workspace.configure(before)


def test_an_address_from_announcement_to_retirement(edge: Stack) -> None:
    before = addresses(edge)
    edge.set({NEW: {"protocol": "UDP", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}}, INGRESS, "announced")
    assert edge.planned() == {f"ingress-udp-address-{NEW}": "create"}
    edge.up()
    announced = addresses(edge)[NEW]
    assert announced["status"] == "announced"
    assert addresses(edge)[OLD]["replacedBy"] == [announced["address"]]

    edge.set({}, INGRESS, "announced")
    edge.set(NEW, INGRESS, "udp", "address")
    refused = edge.failing("up", "--yes", "--skip-preview")
    assert f"ingress address {OLD} is active and cannot just go" in refused
    assert "Traceback" not in refused

    retired = {key: before[OLD][key] for key in ("address", "purpose", "kind", "direction")}
    edge.set({OLD: retired | {"retiredOn": "2026-02-01", "replacedBy": [NEW]}}, LEGACY)
    planned = edge.planned()
    assert planned[f"ingress-udp-address-{OLD}"] == "delete"
    assert f"ingress-udp-address-{NEW}" not in planned, "the address that customers were told stays as it is"
    edge.up()
    after = addresses(edge)
    assert (after[NEW]["address"], after[NEW]["status"]) == (announced["address"], "active")
    assert (after[OLD]["address"], after[OLD]["status"]) == (before[OLD]["address"], "retired")
    assert after[OLD]["replacedBy"] == [announced["address"]]
    told = edge.cli.outputs()["customerEndpoints"]
    assert [way["address"] for way in told["endpoints"] if way["role"] == "primary"] == [announced["address"]]
    assert edge.planned() == {}
