"""The life of an address, from the YAML to what people read: dates, notice, what comes and what goes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pulumi
import pytest
import yaml

from engine.record import GatewayUse
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.cloud import Cloud
from tests.unit.recording import Edge, declare

ADDRESS = "gcp:compute/address:Address"
SLOTS = ("warp-edge:egress", "slots")
NEW_SLOT = (*SLOTS, "warp-nat-ip-4")
LIVE_INGRESS = frozenset({"kamailio-sip-udp-ip", "kamailio-sip-tcp-ip"})
COMING = {"sip-udp-2": {"protocol": "UDP", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}}


def listed(edge: Edge) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in edge.outputs["ipInventory"]["addresses"]}


def life(address: dict[str, Any]) -> dict[str, Any]:
    keys = ("status", "announcedOn", "activeOn", "drainedOn", "retiredOn", "noticeOverride", "replacedBy")
    return {key: address[key] for key in keys if key in address}


def parse(config: Config) -> Settings:
    return Settings.parse(as_engine_gives_it(config))


def with_announced(config: Config | None = None, **changes: Any) -> Config:
    announced = {"sip-udp-2": COMING["sip-udp-2"] | changes}
    return changed(config or stack_config("prod"), ("warp-edge:ingress", "announced"), announced)


@pytest.mark.parametrize("written", ["2026-01-31", '"2026-01-31"'])
def test_a_date_may_be_written_with_quotes_and_without(written: str) -> None:
    slot = yaml.safe_load(f"{{state: announced, announcedOn: {written}}}")
    settings = parse(changed(stack_config("prod"), NEW_SLOT, slot))
    assert settings.egress.slots["warp-nat-ip-4"].announced_on == date(2026, 1, 31)


def test_dates_are_published_where_they_are_known_and_nowhere_else() -> None:
    slots = {
        "warp-nat-ip-1": {
            "state": "draining",
            "announcedOn": "2025-01-01",
            "activeOn": "2025-01-31",
            "drainedOn": "2026-02-01",
            "replacedBy": ["warp-nat-ip-4"],
        },
        "warp-nat-ip-2": {"state": "active"},
        "warp-nat-ip-3": {"state": "active", "activeOn": "2025-11-10"},
        "warp-nat-ip-4": {"state": "announced", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"},
    }
    found = listed(
        declare(changed(stack_config("prod"), SLOTS, slots), before=GatewayUse(active=frozenset({"warp-nat-ip-1"})))
    )
    assert life(found["warp-nat-ip-1"]) == {
        "status": "draining",
        "announcedOn": "2025-01-01",
        "activeOn": "2025-01-31",
        "drainedOn": "2026-02-01",
        "replacedBy": [found["warp-nat-ip-4"]["address"]],
    }
    assert life(found["warp-nat-ip-2"]) == {"status": "active"}
    assert life(found["warp-nat-ip-3"]) == {"status": "active", "activeOn": "2025-11-10"}
    assert life(found["warp-nat-ip-4"]) == {
        "status": "announced",
        "announcedOn": "2026-01-01",
        "activeOn": "2026-02-01",
    }


def test_a_shortened_notice_is_published_with_its_reason() -> None:
    why = {"noticeOverride": {"reason": "the carrier has a maintenance window"}}
    slot = {"state": "active", "announcedOn": "2026-01-01", "activeOn": "2026-01-08"} | why
    config = changed(stack_config("prod"), NEW_SLOT, slot)
    assert life(listed(declare(config))["warp-nat-ip-4"]) == {
        "status": "active",
        "announcedOn": "2026-01-01",
        "activeOn": "2026-01-08",
        "noticeOverride": {"reason": "the carrier has a maintenance window"},
    }


@pytest.mark.parametrize(("notice", "active_on"), [(30, "2026-01-31"), (0, "2026-01-01"), (90, "2026-04-01")])
def test_the_notice_period_counts_days_from_the_announcement(notice: int, active_on: str) -> None:
    """31 days in January, 28 in February 2026, 31 in March: 90 days after 1 January is 1 April."""
    slot = {"state": "active", "announcedOn": "2026-01-01", "activeOn": active_on}
    config = changed(stack_config("prod"), NEW_SLOT, slot)
    parse(changed(config, ("warp-edge:noticeDays",), notice))
    with pytest.raises(SettingsError, match=f"the notice period is {notice + 1}"):
        parse(changed(config, ("warp-edge:noticeDays",), notice + 1))


def test_the_notice_period_itself_is_published() -> None:
    config = stack_config("prod")
    assert declare(config).outputs["ipInventory"]["noticeDays"] == 30
    assert declare(config | {"warp-edge:noticeDays": 45}).outputs["ipInventory"]["noticeDays"] == 45


def test_a_retired_address_keeps_its_dates() -> None:
    old = {"announcedOn": "2024-01-01", "activeOn": "2024-02-01", "drainedOn": "2026-03-01", "retiredOn": "2026-03-08"}
    config = stack_config("prod")
    config["warp-edge:legacy"]["warp-nat-outbound-ip"] |= old
    found = listed(declare(config))
    assert {key: found["warp-nat-outbound-ip"][key] for key in old} == old
    assert "retiredOn" not in found["sip-ringer-tel-old"], "not recorded"


def test_an_announced_ingress_address_is_reserved_and_published_and_nothing_answers_there() -> None:
    edge = declare(with_announced(purpose="Customer ingress, new"), serving=LIVE_INGRESS)
    reserved = edge.physical(ADDRESS)["sip-udp-2"]
    assert reserved.inputs["region"] == "us-central1"
    assert reserved.protect
    found = listed(edge)["sip-udp-2"]
    assert (found["purpose"], found["kind"], found["direction"]) == ("Customer ingress, new", "LoadBalancer", "inbound")
    assert (found["protocol"], found["ports"]) == ("UDP", [5060]), "it will have what the LoadBalancer has"
    assert life(found) == {"status": "announced", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}
    assert life(listed(edge)["kamailio-sip-udp-ip"]) == {"status": "active", "replacedBy": [found["address"]]}
    assert life(listed(edge)["kamailio-sip-tcp-ip"]) == {"status": "active"}
    services = edge.of_type("kubernetes:core/v1:Service")
    assert len(services) == 3
    assert not [each for each in services if found["address"] in str(each.inputs)]
    records = [each.inputs["rrdatas"] for each in edge.of_type("gcp:dns/recordSet:RecordSet")]
    assert not [data for data in records if found["address"] in data]


def test_customers_are_informed_of_an_announced_address_in_time_to_open_their_firewalls() -> None:
    outputs = declare(with_announced()).outputs
    reported = outputs["customerEndpoints"]
    new = {each["name"]: each["address"] for each in outputs["ipInventory"]["addresses"]}["sip-udp-2"]
    assert reported["announced"] == [
        {
            "address": new,
            "protocols": ["UDP"],
            "ports": [5060],
            "announcedOn": "2026-01-01",
            "activeOn": "2026-02-01",
        }
    ]
    assert {"protocols": ["UDP", "TCP"], "to": new, "port": 5060, "for": "announced"} in reported["firewall"][
        "outbound"
    ]
    assert f"{new} will answer from 2026-02-01; open your firewall to it now: UDP/TCP 5060" in reported["text"]
    assert new not in [way["address"] for way in reported["endpoints"]], "nothing answers there yet"
    assert new not in outputs["vendorWhitelist"]["addresses"]


def test_an_announced_ingress_address_is_paid_for() -> None:
    cost = declare(with_announced()).outputs["monthlyCost"]
    counts = {item["item"]: item["count"] for item in cost["plan"]["items"]}
    assert (counts["static addresses"], counts["LoadBalancers"]) == (6, 2)
    assert {item["item"]: item["month"] for item in cost["list"]["items"]}["announced addresses"] == 7.30


def test_with_ipv6_the_announced_address_has_an_ipv6_address_beside_it() -> None:
    config = changed(with_announced(), ("warp-edge:ingress", "pinning"), "annotation")
    edge = declare(changed(config, ("warp-edge:ingress", "ipv6Subnetwork"), "dual"))
    assert edge.physical(ADDRESS)["sip-udp-2-ipv6"].inputs["ipVersion"] == "IPV6"
    found = listed(edge)
    assert found["kamailio-sip-udp-ip-ipv6"]["replacedBy"] == [found["sip-udp-2-ipv6"]["address"]]
    assert found["sip-udp-2-ipv6"]["status"] == "announced"


def moved(**retired: Any) -> Config:
    """The UDP LoadBalancer on another address; what is published about the old one."""
    config = changed(stack_config("prod"), ("warp-edge:ingress", "udp", "address"), "sip-udp-2")
    legacy = {name: old | {"replacedBy": []} for name, old in config["warp-edge:legacy"].items()}
    old = {"address": "34.44.183.87", "purpose": "Customer ingress (UDP)", "kind": "LoadBalancer"}
    if retired:
        legacy["kamailio-sip-udp-ip"] = old | {"direction": "inbound"} | retired
    return changed(config, ("warp-edge:legacy",), legacy)


def test_an_announced_ingress_address_becomes_active_as_the_same_resource() -> None:
    """Another logical name would be another address: the promised one released, and a new one in its place."""
    before, after = declare(with_announced()), declare(moved(retiredOn="2026-02-01", replacedBy=["sip-udp-2"]))
    assert before.physical(ADDRESS)["sip-udp-2"].urn == after.physical(ADDRESS)["sip-udp-2"].urn
    assert listed(after)["sip-udp-2"]["status"] == "active"
    assert life(listed(after)["kamailio-sip-udp-ip"]) == {
        "status": "retired",
        "retiredOn": "2026-02-01",
        "replacedBy": [listed(after)["sip-udp-2"]["address"]],
    }


class Watched(Cloud):
    """Remembers what was declared, refusal or not."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.seen.append(args.name)
        return super().new_resource(args)


@pytest.mark.parametrize(
    ("config", "wrong", "remedy"),
    [
        pytest.param(moved(), "is active and cannot be removed", "put kamailio-sip-udp-ip under", id="not a word"),
        pytest.param(moved(replacedBy=["sip-udp-2"]), "cannot be removed", "with retiredOn and replacedBy", id="when?"),
        pytest.param(
            moved(retiredOn="2026-02-01"), "cannot be removed", "with retiredOn and replacedBy", id="and now?"
        ),
        pytest.param(
            changed(moved(), ("warp-edge:ingress", "announced"), {"kamailio-sip-udp-ip": {"protocol": "UDP"}}),
            "is active and cannot be set back to announced",
            "leave it where it was",
            id="set back",
        ),
    ],
)
def test_an_active_ingress_address_is_not_taken_from_customers_in_silence(
    config: Config, wrong: str, remedy: str
) -> None:
    cloud = Watched()
    with pytest.raises(pulumi.RunError) as refused:
        declare(config, serving=LIVE_INGRESS, cloud=cloud)
    reported, _, advice = str(refused.value).partition("\n  -> ")
    assert reported.startswith("ingress address kamailio-sip-udp-ip ")
    assert wrong in reported
    assert remedy in advice
    assert cloud.seen == []


def test_an_ingress_address_that_never_answered_may_be_changed() -> None:
    declare(moved(), serving=frozenset({"kamailio-sip-tcp-ip"}))


def test_an_address_that_drains_is_not_retired_at_the_same_time() -> None:
    config = changed(stack_config("prod"), (*SLOTS, "warp-nat-ip-3"), {"state": "draining"})
    retired = {"address": "136.111.96.47", "purpose": "p", "kind": "NAT", "direction": "outbound"}
    with pytest.raises(SettingsError, match="warp-nat-ip-3 is both retired and draining"):
        parse(changed(config, ("warp-edge:legacy", "warp-nat-ip-3"), retired))
