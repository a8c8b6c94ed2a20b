"""Addresses come and go on one stack: slots of the way out, and calls on the others never notice; and the ingress's,
which customers hear of each time. First, while it is as new, what reviewers would read of such a change."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Sandbox
from tests.engine.conftest import Stack
from tests.review_goldens import FOLDER, SCENARIOS, page, preview, same_everywhere

NAT = "gcp:compute/routerNat:RouterNat"
NAT_ID = "warp-sandbox/us-central1/warp-router/warp-nat"
SLOTS = ("warp-edge:egress", "slots")
SERVICE, SUBNETWORK = "kubernetes:core/v1:Service", "gcp:compute/subnetwork:Subnetwork"
INGRESS, LEGACY = "warp-edge:ingress", "warp-edge:legacy"
OLD, NEW = "kamailio-sip-udp-ip", "kamailio-sip-udp-ip-2"


def addresses(edge: Stack) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in edge.cli.outputs()["ipInventory"]["addresses"]}


def in_gateway(cloud: Sandbox, field: str) -> list[str]:
    return sorted(link.rsplit("/", 1)[-1] for link in cloud.resource(NAT, NAT_ID)[field])


@pytest.mark.parametrize("name", ["announce-object", "ingress-moved", "refused-by-policy"])
def test_a_preview_of_today_gives_the_report_that_is_kept(edge: Stack, name: str) -> None:
    """The kept previews do not rot: made anew by the engine of today, they give the reports that are kept. All of them
    are made by `python -m tests.review_goldens`; here are the ones with most in them, in both forms."""
    today = page(preview(edge, SCENARIOS[name]))
    assert same_everywhere(today) == same_everywhere((FOLDER / f"{name}.md").read_text())


def test_a_stack_of_before_is_taken_over_without_a_change(edge: Stack) -> None:
    """Active ingress addresses were known to the engine by their role alone."""
    state = edge.state()
    (urn,) = {
        part for part in state.split('"') if part.endswith(f"::ingress-udp-address-{OLD}") and part.startswith("urn:")
    }
    edge.cli.text("state", "rename", urn, "ingress-udp-address", "--stack", edge.cli.stack, "--yes")
    assert f"::ingress-udp-address-{OLD}" not in edge.state()
    assert edge.changes() == {}
    assert f"::ingress-udp-address-{OLD}" in edge.state()


def test_a_slot_from_announcement_to_removal_touches_no_other_address(edge: Stack, cloud: Sandbox) -> None:
    before = {name: each["address"] for name, each in addresses(edge).items()}

    edge.set({"state": "announced"}, *SLOTS, "warp-nat-ip-4")
    assert edge.changes() == {"egress-slot-warp-nat-ip-4": "create"}
    assert in_gateway(cloud, "natIps") == ["warp-nat-ip-1", "warp-nat-ip-2", "warp-nat-ip-3"]
    outputs = edge.cli.outputs()
    assert "warp-nat-ip-4" in {a["name"] for a in outputs["ipInventory"]["addresses"]}
    assert len(outputs["vendorWhitelist"]["addresses"]) == 4

    edge.set({"state": "active"}, *SLOTS, "warp-nat-ip-4")
    assert edge.changes() == {"egress-nat": "update"}
    assert in_gateway(cloud, "natIps") == ["warp-nat-ip-1", "warp-nat-ip-2", "warp-nat-ip-3", "warp-nat-ip-4"]
    assert edge.cli.outputs()["egressCapacity"]["ports"] == 258_048

    edge.set({"state": "draining"}, *SLOTS, "warp-nat-ip-4")
    assert edge.changes() == {"egress-nat": "update"}
    assert in_gateway(cloud, "drainNatIps") == ["warp-nat-ip-4"]

    drained = addresses(edge)["warp-nat-ip-4"]
    slots = {name: slot for name, slot in edge.config[SLOTS[0]]["slots"].items() if name != "warp-nat-ip-4"}
    edge.set(slots, *SLOTS)
    refused = edge.failing("preview")
    assert "egress slot warp-nat-ip-4 is still draining and cannot be removed" in refused
    assert "Traceback" not in refused

    retired = {key: drained[key] for key in ("address", "purpose", "kind", "direction")}
    ended = {"drainedOn": "2026-03-01", "retiredOn": "2026-03-02", "replacedBy": ["warp-nat-ip-1"]}
    edge.set({"warp-nat-ip-4": retired | ended}, LEGACY)
    assert edge.changes() == {"egress-nat": "update", "egress-slot-warp-nat-ip-4": "delete"}
    assert in_gateway(cloud, "drainNatIps") == []
    *living, last = addresses(edge).values()
    assert {a["name"]: a["address"] for a in living} == before
    assert (last["address"], last["status"], last["retiredOn"]) == (drained["address"], "retired", "2026-03-02")


def test_an_active_slot_cannot_be_dropped(edge: Stack, cloud: Sandbox) -> None:
    writes = len(cloud.writes())
    edge.set({"warp-nat-ip-1": {"state": "active"}, "warp-nat-ip-2": {"state": "active"}}, *SLOTS)
    refused = edge.failing("up", "--yes", "--skip-preview")
    assert "egress slot warp-nat-ip-3 is active and cannot be removed" in refused
    assert "draining" in refused
    assert "Traceback" not in refused
    assert len(cloud.writes()) == writes


def test_an_ingress_address_from_announcement_to_retirement(edge: Stack) -> None:
    before = addresses(edge)
    edge.set({NEW: {"protocol": "UDP", "announcedOn": "DAY", "activeOn": "LATER"}}, INGRESS, "announced")
    # A date in the YAML needs no quotes, and may have them.
    (file,) = edge.workspace.project.glob("Pulumi.*.yaml")
    text = file.read_text()
    assert "announcedOn: DAY" in text
    assert "activeOn: LATER" in text
    file.write_text(text.replace("DAY", "2026-01-01").replace("LATER", '"2026-02-01"'))
    assert edge.changes() == {f"ingress-udp-address-{NEW}": "create"}
    after = addresses(edge)
    announced = after[NEW]
    assert (announced["status"], announced["announcedOn"], announced["activeOn"]) == (
        "announced",
        "2026-01-01",
        "2026-02-01",
    )
    assert after[OLD]["replacedBy"] == [announced["address"]]

    edge.set({}, INGRESS, "announced")
    edge.set(NEW, INGRESS, "udp", "address")
    refused = edge.failing("up", "--yes", "--skip-preview")
    assert f"ingress address {OLD} is active and cannot be removed" in refused
    assert "Traceback" not in refused

    retired = {key: before[OLD][key] for key in ("address", "purpose", "kind", "direction")}
    edge.set({OLD: retired | {"retiredOn": "2026-02-01", "replacedBy": [NEW]}}, LEGACY)
    changes = edge.changes()
    assert changes[f"ingress-udp-address-{OLD}"] == "delete"
    assert f"ingress-udp-address-{NEW}" not in changes, "the address that customers were told stays as it is"
    outputs = edge.cli.outputs()
    after = {each["name"]: each for each in outputs["ipInventory"]["addresses"]}
    assert (after[NEW]["address"], after[NEW]["status"]) == (announced["address"], "active")
    assert (after[OLD]["address"], after[OLD]["status"]) == (before[OLD]["address"], "retired")
    assert after[OLD]["replacedBy"] == [announced["address"]]
    endpoints = outputs["customerEndpoints"]["endpoints"]
    assert [way["address"] for way in endpoints if way["role"] == "primary"] == [announced["address"]]
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
    changes = edge.changes()
    assert changes["ingress-udp"] == "update", "in place: its IPv4 address stays"
    assert {name for name, operation in changes.items() if operation == "create"} == {
        "dns-sip-aaaa",
        "dns-sip-udp-aaaa",
    }
    after = addresses(edge)
    assert after[beside] == before[beside] | {"status": "active"}
    service = next(each.body for each in cloud.resources(SERVICE) if each.id.endswith("/kamailio-sip-udp"))
    points = [each["ip"] for each in service["status"]["loadBalancer"]["ingress"]]
    assert points == [after[address]["address"], after[beside]["address"]]
    assert edge.planned() == {}
