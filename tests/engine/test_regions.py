"""Two regions, premium customers and the stack of the shared names, as `make up-regions` and `make failover` have them:
the real engine, real DNS answers, a Kamailio in either region and callers that know a name alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from rich.console import Console

from sandbox import sip_edge
from sandbox.failover import CUSTOMER, FIRST, SECOND, UNREACHED, steps
from sandbox.regions import GLOBAL, PREMIUM, REGIONS, STACKS, TwoRegions
from sandbox.sip_probe import options
from tests.kept import sandbox_aside
from tests.stacks import ROOT

STRANGER = "127.0.99.9"  # in no trunk file


@pytest.fixture(scope="module")
def regions() -> Iterator[TwoRegions]:
    with sandbox_aside() as (sandbox, folder):
        both = TwoRegions(sandbox, folder)
        try:
            assert both.up(Console(quiet=True)) == 0
            assert both.start_proxies() == ""
            yield both
        finally:
            for region in REGIONS:
                both.stop_proxy(region)


@pytest.fixture(scope="module")
def outputs(regions: TwoRegions) -> dict[str, Any]:
    return regions.outputs()


def addresses(inventory: dict[str, Any]) -> list[str]:
    return [each["address"] for each in inventory["addresses"]]


def answers(regions: TwoRegions, name: str, type_: str) -> list[str]:
    host, port = regions.sandbox.dns_endpoint()
    reply = dns.query.udp(dns.message.make_query(name, type_), host, 5, port)
    return sorted(str(data) for found in reply.answer for data in found)


def test_the_outputs_have_one_key_a_stack_and_the_merged_inventory_has_all_regions(outputs: dict[str, Any]) -> None:
    assert tuple(outputs) == STACKS
    merged = outputs[GLOBAL]["ipInventory"]
    assert sorted(addresses(merged)) == sorted(
        address for stack in REGIONS.values() for address in addresses(outputs[stack]["ipInventory"])
    )
    assert {each["region"] for each in merged["addresses"]} == set(REGIONS)
    assert len(set(addresses(merged))) == len(addresses(merged))


def test_every_region_has_its_names_and_the_shared_ones_lead_to_all_in_order(regions: TwoRegions) -> None:
    assert answers(regions, "_sip._udp.ringer.tel", "SRV") == [
        f"10 50 5060 sip-udp.{FIRST}.ringer.tel.",
        f"20 50 5060 sip-udp.{SECOND}.ringer.tel.",
    ]
    for region, stack in REGIONS.items():
        (own,) = answers(regions, f"sip-udp.{region}.ringer.tel", "A")
        assert own in addresses(regions.workspace(stack).cli.outputs()["ipInventory"])
    assert answers(regions, "sip.ringer.tel", "A") == answers(regions, f"sip-udp.{FIRST}.ringer.tel", "A")


def test_sheets_cost_and_capacity_are_of_all_regions(outputs: dict[str, Any]) -> None:
    egress = [
        each["address"]
        for each in outputs[GLOBAL]["ipInventory"]["addresses"]
        if each["direction"] == "outbound" and each["status"] != "retired"
    ]
    assert outputs[GLOBAL]["vendorWhitelist"]["addresses"] == egress
    assert all(address in outputs[GLOBAL]["customerEndpoints"]["text"] for address in egress)
    for output, figure in (("egressCapacity", "concurrentCalls"), ("monthlyCost", "platform")):
        each = [outputs[stack][output][figure] for stack in REGIONS.values()]
        assert outputs[GLOBAL][output][figure] == pytest.approx(sum(each))
        assert min(each) > 0


def test_a_premium_customer_is_known_by_its_own_address_alone_and_told_so(
    regions: TwoRegions, outputs: dict[str, Any]
) -> None:
    known = {each["ban"] for each in PREMIUM.values()}
    own = [each for each in outputs[GLOBAL]["ipInventory"]["endpoints"] if each.get("customer") in known]
    assert {each["customer"] for each in own} == known
    for each in own:
        if each["transport"] == "UDP":
            assert options(each["address"], source=STRANGER) == 200
    for shared in outputs[GLOBAL]["customerEndpoints"]["endpoints"]:
        if shared["transport"] == "UDP":
            assert options(shared["address"], source=STRANGER) == 403
    told = json.dumps([outputs[GLOBAL][name] for name in ("vendorWhitelist", "customerEndpoints")])
    assert not [each["address"] for each in own if each["address"] in told]
    assert set(outputs[GLOBAL]["monthlyCost"]["regions"][FIRST]["dedicated"]) == known


def test_the_promise_of_all_regions_holds_from_outside(
    regions: TwoRegions, outputs: dict[str, Any], tmp_path: Path
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(
        "".join(sip_edge.authority_file(regions.proxy_folder(region)).read_text() for region in REGIONS)
    )
    place = "{}:{}".format(*regions.sandbox.dns_endpoint())
    options_ = ["--resolver", place, "--authority", place, "--ca", str(authorities), "--source", CUSTOMER]
    done = subprocess.run(
        [sys.executable, "-m", "verify", *options_, "--expect", "200"],
        cwd=ROOT,
        input=json.dumps(outputs[GLOBAL]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_callers_reach_the_other_region_when_one_fails_or_is_drained_and_come_back(regions: TwoRegions) -> None:
    seen = [(step, {way: each.region for way, each in step.seen.items()}) for step in steps(regions)]
    assert not [wrong for step, _ in seen for wrong in step.wrong]
    by_srv, by_address = zip(*[(found["UDP, SRV"], found["UDP, address only"]) for _, found in seen], strict=True)
    assert by_srv == (FIRST, SECOND, SECOND, SECOND, FIRST, SECOND)
    assert by_address == (FIRST, UNREACHED, SECOND, SECOND, FIRST, SECOND)
    assert answers(regions, "_sip._udp.ringer.tel", "SRV")[0].startswith("10 50 5060 sip-udp." + FIRST), "as before"


def test_a_region_whose_names_were_changed_by_hand_is_refused_and_nothing_is_declared(regions: TwoRegions) -> None:
    workspace = regions.workspace(GLOBAL)
    settings = regions.settings(GLOBAL)
    wrong = settings["warp-edge:regions"][SECOND] | {"stack": "organization/warp-edge/nowhere"}
    workspace.configure({**settings, "warp-edge:regions": settings["warp-edge:regions"] | {SECOND: wrong}})
    try:
        before = answers(regions, "_sip._udp.ringer.tel", "SRV")
        done = workspace.cli.run("up", "--stack", GLOBAL, "--yes", "--skip-preview")
        assert done.returncode != 0
        said = done.stdout + done.stderr
        assert "organization/warp-edge/nowhere" in said
        assert "Traceback" not in said
        assert answers(regions, "_sip._udp.ringer.tel", "SRV") == before
    finally:
        workspace.configure(settings)


def test_a_second_update_of_every_stack_changes_nothing(regions: TwoRegions) -> None:
    before = len(regions.sandbox.writes())
    for stack in STACKS:
        said = regions.workspace(stack).cli.text("up", "--stack", stack, "--yes", "--skip-preview")
        assert "unchanged" in said
    assert [f"{row.op} {row.type} {row.id}" for row in regions.sandbox.writes()[before:]] == []
