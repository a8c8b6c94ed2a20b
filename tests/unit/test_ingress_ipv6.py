"""An IPv6 address beside an IPv4 one has its own life: announced separately, and published with its own dates only."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from plan import plan
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site
from tests.unit.cloud import Cloud
from tests.unit.recording import Edge, declare, declare_once

SANDBOX = without_site(stack_config("sandbox"))

INGRESS = "warp-edge:ingress"
ADDRESS, SERVICE = "gcp:compute/address:Address", "kubernetes:core/v1:Service"
BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
UDP, UDP6, TCP6 = "kamailio-sip-udp-ip", "kamailio-sip-udp-ip-ipv6", "kamailio-sip-tcp-ip-ipv6"
OLD = {"announcedOn": "2020-01-01", "activeOn": "2020-03-01"}
SOON = {"state": "announced", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}
SINCE = {"announcedOn": "2026-01-01", "activeOn": "2026-02-01"}
ROUTES = {UDP: "192.0.2.5", UDP6: "2001:db8::5060", TCP6: "2001:db8::5061"}


def dual(udp: Config | None = None, **more: Any) -> Config:
    """With IPv6, where the IPv4 address is from long ago; `udp`: what is said of the IPv6 one beside it."""
    config = changed(SANDBOX, (INGRESS, "ipv6Subnetwork"), "dual")
    for key, value in (OLD | ({"ipv6": udp} if udp else {})).items():
        config = changed(config, (INGRESS, "udp", key), value)
    for key, value in more.items():
        config = changed(config, (INGRESS, key), value)
    return config


def listed(edge: Edge) -> dict[str, Any]:
    return {each["name"]: each for each in edge.outputs["ipInventory"]["addresses"]}


def aaaa(edge: Edge) -> set[str]:
    records = [each.inputs for each in edge.of_type("gcp:dns/recordSet:RecordSet")]
    return {record["name"] for record in records if record["type"] == "AAAA"}


def dates(address: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in address.items() if key.endswith("On") and value}


def test_ipv6_that_came_later_does_not_have_the_older_addresss_dates() -> None:
    found = listed(declare_once(dual()))
    assert dates(found[UDP]) == OLD
    assert (found[UDP6]["status"], dates(found[UDP6])) == ("active", {})


def test_ipv6_has_its_own_dates() -> None:
    found = listed(declare_once(dual(SINCE)))
    assert (dates(found[UDP]), dates(found[UDP6])) == (OLD, SINCE)


def test_ipv6_is_announced_by_itself() -> None:
    """Reserved and published; nothing answers there, no name leads there, and no forwarding rule is paid for."""
    edge = declare(dual(SOON), cloud=Cloud("warp-sandbox", dict(ROUTES)))
    found = listed(edge)
    assert edge.physical(ADDRESS)[UDP6].inputs["ipVersion"] == "IPV6"
    assert (found[UDP6]["status"], dates(found[UDP6])) == ("announced", SINCE)
    assert (found[UDP]["status"], found[TCP6]["status"]) == ("active", "active")
    service = edge.named("ingress-udp").inputs
    assert service["metadata"]["annotations"][BY_NAME] == UDP
    assert not {"ipFamilies", "ipFamilyPolicy"} & set(service["spec"])
    assert aaaa(edge) == {"sip-tcp.ringer.tel."}
    reported = edge.outputs["customerEndpoints"]["text"]
    assert "2001:db8::5061" in reported
    assert "[2001:db8::5060]:5060 (UDP)" not in reported
    counts = {item["item"]: item["count"] for item in edge.outputs["monthlyCost"]["plan"]["items"]}
    assert counts["LoadBalancers"] == 3  # UDP, TCP, and TCP over IPv6
    paid = {item["item"]: item for item in edge.outputs["monthlyCost"]["list"]["items"]}
    assert "announced addresses" in paid


def test_on_its_day_it_becomes_active_as_the_same_resource() -> None:
    before, after = declare_once(dual(SOON)), declare_once(dual(SINCE))
    name = f"ingress-udp-address-{UDP6}"
    assert before.named(name).urn == after.named(name).urn
    assert before.named(name).inputs == after.named(name).inputs
    assert after.named("ingress-udp").inputs["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_the_successor_of_an_ipv6_address_has_dates_of_its_own() -> None:
    coming = {"protocol": "UDP", "announcedOn": "2026-01-01", "activeOn": "2026-02-01"}
    late = coming | {"ipv6": {"announcedOn": "2026-01-15", "activeOn": "2026-02-15"}}
    found = listed(declare_once(dual(announced={"sip-udp-2": late})))
    assert dates(found["sip-udp-2-ipv6"]) == late["ipv6"]
    assert dates(listed(declare_once(dual(announced={"sip-udp-2": coming})))["sip-udp-2-ipv6"]) == {}
    # What only is announced is replaced by nothing yet.
    waiting = listed(declare_once(dual(SOON, announced={"sip-udp-2": coming})))
    assert not waiting[UDP6].get("replacedBy")
    assert waiting[UDP]["replacedBy"]


@pytest.mark.parametrize("config", [dual(), dual(SOON), dual(SINCE, announced={"sip-udp-2": {"protocol": "UDP"}})])
def test_the_review_knows_the_same(config: Config) -> None:
    reported = {each.name: each for each in plan(Settings.parse(as_engine_gives_it(config))).addresses}
    for name, each in listed(declare_once(config)).items():
        found = reported[name]
        assert (found.status, str(found.announced_on or ""), str(found.active_on or "")) == (
            each["status"],
            each.get("announcedOn") or "",
            each.get("activeOn") or "",
        ), name


@pytest.mark.parametrize(
    ("config", "key", "wrong", "remedy"),
    [
        (
            changed(SANDBOX, (INGRESS, "udp", "ipv6"), {"state": "announced"}),
            f"{INGRESS}.udp",
            "there is no IPv6 address",
            "add ingress.ipv6Subnetwork",
        ),
        (
            changed(SANDBOX, (INGRESS, "announced"), {"a": {"protocol": "UDP", "ipv6": {}}}),
            f"{INGRESS}.announced",
            "there is no IPv6 address",
            "add ingress.ipv6Subnetwork",
        ),
        (dual({"announcedOn": "2026-01-01"}), f"{INGRESS}.udp.ipv6.activeOn", "announcedOn is given", "add activeOn"),
        (
            dual({"state": "announced", "activeOn": "2026-01-01"}),
            f"{INGRESS}.udp.ipv6.activeOn",
            "without a date",
            "add announcedOn",
        ),
        (
            dual({"announcedOn": "2026-01-01", "activeOn": "2026-01-09"}),
            INGRESS,
            f"{UDP6} becomes active 8 days after",
            "noticeOverride",
        ),
        (
            dual(announced={"a": {"protocol": "UDP", "ipv6": {"state": "active"}}}),
            f"{INGRESS}.announced.a.ipv6.state",
            "not one of the known values",
            "use announced",
        ),
    ],
)
def test_what_cannot_be_true_is_refused(config: Config, key: str, wrong: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(config))
    (problem,) = refused.value.problems
    assert problem.key == key
    assert wrong in problem.wrong
    assert remedy in problem.remedy


def test_an_active_ipv6_address_is_not_set_back() -> None:
    with pytest.raises(pulumi.RunError, match=f"ingress address {UDP6} is active and cannot be set back") as refused:
        declare(dual(SOON), serving=frozenset({UDP, UDP6}))
    assert "set warp-edge:ingress.udp.ipv6.state: active" in str(refused.value)
