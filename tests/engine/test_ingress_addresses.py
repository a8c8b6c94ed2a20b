"""An ingress address is announced, becomes active as it is, and is retired; customers are told each time."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from tests.engine.conftest import Stack

SERVICE, SUBNETWORK = "kubernetes:core/v1:Service", "gcp:compute/subnetwork:Subnetwork"
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
    assert f"ingress address {OLD} is active and cannot be removed" in refused
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


def test_ipv6_is_announced_by_itself_and_becomes_active_in_place(edge: Stack, cloud: Sandbox) -> None:
    subnetwork = "projects/warp-sandbox/regions/us-central1/subnetworks/default"
    cloud.set(SUBNETWORK, subnetwork, "stackType", "IPV4_IPV6")
    cloud.set(SUBNETWORK, subnetwork, "ipv6AccessType", "EXTERNAL")
    soon = {"state": "announced", "announcedOn": "2026-03-01", "activeOn": "2026-04-01"}
    edge.set(subnetwork, INGRESS, "ipv6Subnetwork")
    edge.set(soon, INGRESS, "udp", "ipv6")
    edge.set(soon, INGRESS, "tcp", "ipv6")
    address = edge.config[INGRESS]["udp"]["address"]
    beside = f"{address}-ipv6"
    edge.up()
    before = addresses(edge)
    assert (before[beside]["status"], before[beside]["announcedOn"]) == ("announced", "2026-03-01")
    assert before[address]["status"] == "active"

    edge.set(soon | {"state": "active"}, INGRESS, "udp", "ipv6")
    planned = edge.planned()
    assert planned["ingress-udp"] == "update", "in place: its IPv4 address stays"
    assert {name for name, operation in planned.items() if operation == "create"} == {
        "dns-sip-aaaa",
        "dns-sip-udp-aaaa",
    }
    edge.up()
    after = addresses(edge)
    assert after[beside] == before[beside] | {"status": "active"}
    service = next(each.body for each in cloud.resources(SERVICE) if each.id.endswith("/kamailio-sip-udp"))
    points = [each["ip"] for each in service["status"]["loadBalancer"]["ingress"]]
    assert points == [after[address]["address"], after[beside]["address"]]
    assert edge.planned() == {}
