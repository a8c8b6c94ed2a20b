"""What the outside reads of the live edge: the stack's outputs, compared with the figures that were given to people."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.stacks import changed, stack_config
from tests.unit.recording import Edge, declare

UDP, TCP = "34.44.183.87", "34.55.182.145"
NAT = ["34.57.46.26", "35.223.15.88", "136.111.96.47"]
REGION = "us-central1"

# Name -> purpose, address, held by, region, status: the table of reserved addresses, row by row.
LIVING = {
    "kamailio-sip-udp-ip": ("Customer ingress (UDP)", UDP, "LoadBalancer", REGION, "active"),
    "kamailio-sip-tcp-ip": ("Customer ingress (TCP)", TCP, "LoadBalancer", REGION, "active"),
    "warp-nat-ip-1": ("Vendor egress 1", NAT[0], "NAT", REGION, "active"),
    "warp-nat-ip-2": ("Vendor egress 2", NAT[1], "NAT", REGION, "active"),
    "warp-nat-ip-3": ("Vendor egress 3", NAT[2], "NAT", REGION, "active"),
}
# Address -> what replaced it.
LEGACY = {"34.58.165.135": NAT, "35.188.144.139": [UDP]}
CARRIES = {
    "kamailio-sip-udp-ip": ("inbound", "UDP", [5060]),
    "kamailio-sip-tcp-ip": ("inbound", "TCP", [5060, 5061, 8080, 8443]),
    "warp-nat-ip-1": ("outbound", "UDP/TCP", [5060]),
    "warp-nat-ip-2": ("outbound", "UDP/TCP", [5060]),
    "warp-nat-ip-3": ("outbound", "UDP/TCP", [5060]),
}


@pytest.fixture(scope="module")
def edge() -> Edge:
    return declare(stack_config("prod"))


@pytest.fixture(scope="module")
def outputs(edge: Edge) -> dict[str, Any]:
    return edge.outputs


def test_every_output_is_of_schema_1(outputs: dict[str, Any]) -> None:
    assert {name: value["schema"] for name, value in outputs.items()} == dict.fromkeys(
        (
            "ipInventory",
            "vendorWhitelist",
            "customerEndpoints",
            "egressCapacity",
            "monthlyCost",
            "dns",
            "database",
        ),
        1,
    )


def test_the_inventory_is_the_table_address_by_address(outputs: dict[str, Any]) -> None:
    living = [each for each in outputs["ipInventory"]["addresses"] if each["status"] != "retired"]
    assert {
        each["name"]: (each["purpose"], each["address"], each["kind"], each["region"], each["status"])
        for each in living
    } == LIVING
    assert {each["name"]: (each["direction"], each["protocol"], each["ports"]) for each in living} == CARRIES
    assert len(living) == 5


def test_the_inventory_lists_what_is_no_longer_used_and_what_replaced_it(outputs: dict[str, Any]) -> None:
    retired = [each for each in outputs["ipInventory"]["addresses"] if each["status"] == "retired"]
    assert {each["address"]: each["replacedBy"] for each in retired} == LEGACY
    assert {each["name"] for each in retired if each["address"] == "34.58.165.135"} == {"warp-nat-outbound-ip"}
    assert outputs["ipInventory"]["region"] == REGION


def test_the_capacity_is_193536_ports_and_96768_calls(outputs: dict[str, Any]) -> None:
    capacity = outputs["egressCapacity"]
    assert capacity["ports"] == 193_536
    assert capacity["concurrentCalls"] == 96_768
    assert (capacity["portsPerAddress"], capacity["activeAddresses"], capacity["portsPerCall"]) == (64_512, 3, 2)
    # 64 ports a VM by default: 1,008 VMs an address.
    assert (capacity["minPortsPerVm"], capacity["vms"]) == (64, 3_024)


def test_the_cost_is_the_plan_that_production_was_approved_with(outputs: dict[str, Any]) -> None:
    cost = outputs["monthlyCost"]
    assert {item["item"]: (item["count"], item["month"]) for item in cost["plan"]["items"]} == {
        "static addresses": (5, 14.60),
        "LoadBalancers": (2, 36.00),
        "Cloud NAT gateway": (1, 40.00),
        "data processing": (1, 10.00),
    }
    assert cost["plan"]["total"] == 100.60
    assert (cost["before"], cost["difference"]) == (40.00, 60.60)
    assert cost["compute"] == {"GKE": 150.00, "RTPEngine (3 VMs)": 450.00, "Cloud SQL": 15.00, "Redis": 80.00}
    assert cost["platform"] == 795.60
    assert (cost["customers"], cost["perCustomer"]) == (100, 7.956)
    assert cost["currency"] == "USD"


def test_the_list_prices_stand_beside_the_plan(outputs: dict[str, Any]) -> None:
    """By hand, 730 h: 3 x 0.005, nothing announced, 0.025 for two rules, 9 VMs x 0.0014, the plan's estimate."""
    listed = outputs["monthlyCost"]["list"]
    assert {item["item"]: item["month"] for item in listed["items"]} == {
        "addresses on forwarding rules": 0.00,
        "NAT addresses": 10.95,
        "announced addresses": 0.00,
        "forwarding rules": 18.25,
        "Cloud NAT gateway": 9.20,
        "data processing": 10.00,
    }
    assert listed["total"] == 48.40
    assert outputs["monthlyCost"]["oneMoreSlot"] == {"plan": 2.92, "list": 3.65}


def test_vendors_are_informed_to_accept_all_three(outputs: dict[str, Any]) -> None:
    whitelist = outputs["vendorWhitelist"]
    assert whitelist["addresses"] == NAT
    assert whitelist["cidrs"] == ["34.57.46.26/32", "35.223.15.88/32", "136.111.96.47/32"]
    for words in ("whitelist ALL", "As an ACL", "inbound SIP (UDP/TCP 5060)", "ringer.tel", "wholesale termination"):
        assert words in whitelist["text"]
    assert "may be the source of an INVITE" in whitelist["text"]
    for address in NAT:
        assert f"allow from {address}/32" in whitelist["text"]


def test_customers_are_informed_where_to_send_calls(outputs: dict[str, Any]) -> None:
    reported = outputs["customerEndpoints"]
    assert reported["server"] == "sip.ringer.tel"
    ways = {(way["transport"], way["address"], way["port"]) for way in reported["endpoints"]}
    assert ways == {("UDP", UDP, 5060), ("TCP", TCP, 5060), ("TLS", TCP, 5061), ("WS", TCP, 8080), ("WSS", TCP, 8443)}
    assert [way["address"] for way in reported["endpoints"] if way["role"] == "primary"] == [UDP]
    assert [way["address"] for way in reported["endpoints"] if way["role"] == "secondary"] == [TCP]
    assert {(record["name"], *record["data"]) for record in reported["srv"]} == {
        ("_sip._udp.ringer.tel", "10 50 5060 sip-udp.ringer.tel."),
        ("_sip._tcp.ringer.tel", "10 50 5060 sip-tcp.ringer.tel."),
        ("_sips._tcp.ringer.tel", "10 50 5061 sip-tcp.ringer.tel."),
    }
    assert reported["codecs"] == ["G.711 ulaw", "G.711 alaw", "G.729"]
    assert (reported["dtmf"], reported["authentication"]) == ("RFC 2833", "source IP, no credentials")


def test_the_name_of_every_way_in_resolves_to_its_address(edge: Edge) -> None:
    """A client that resolves the server it was given must arrive where the sheet says it does."""
    zone = {
        each.inputs["name"].rstrip("."): each.inputs["rrdatas"][0]
        for each in edge.of_type("pulumi-python:dynamic/warp:GandiRecordSet")
        if each.inputs["type"] == "A"
    }
    for way in edge.outputs["customerEndpoints"]["endpoints"]:
        assert zone[way["server"]] == way["address"], f"{way['role']} leads elsewhere"


def test_customers_are_informed_what_their_firewall_must_let_through(outputs: dict[str, Any]) -> None:
    firewall = outputs["customerEndpoints"]["firewall"]
    outbound = {(rule["to"], rule["port"]): rule["protocols"] for rule in firewall["outbound"]}
    assert outbound[UDP, 5060] == ["UDP", "TCP"]
    assert outbound[TCP, 5060] == ["TCP"]
    assert outbound[TCP, 5061] == ["TCP"]
    assert {rule["from"] for rule in firewall["inbound"]} == {f"{address}/32" for address in NAT}
    assert all(rule["protocols"] == ["UDP", "TCP"] for rule in firewall["inbound"])


def test_the_customers_sheet_says_the_same_in_words(outputs: dict[str, Any]) -> None:
    text = outputs["customerEndpoints"]["text"]
    for words in (
        "SIP server sip.ringer.tel",
        f"{UDP}:5060 (UDP)",
        f"{TCP}:5060 (TCP)",
        "sip-tcp.ringer.tel:5061",
        "G.711 ulaw, G.711 alaw, G.729",
        "RFC 2833",
        "source IP, no credentials",
        f"Firewall, outbound: UDP/TCP to {UDP}:5060, TCP to {TCP}:5060",
        f"Firewall, inbound: UDP/TCP from {', '.join(NAT)}",
    ):
        assert words in text


def test_the_database_is_where_it_was(outputs: dict[str, Any]) -> None:
    database = outputs["database"]
    assert database["connectionName"] == "warp-prod:us-central1:warp-db"
    assert (database["publicAddress"], database["privateAddress"]) == ("34.42.208.57", "10.126.0.3")
    assert (database["port"], database["name"], database["user"]) == (5432, "warp", "warp_edge")
    socket.inet_aton(database["publicAddress"])


def test_the_same_settings_give_the_same_outputs(outputs: dict[str, Any]) -> None:
    assert declare(stack_config("prod")).outputs == outputs


def test_announced_and_draining_slots_are_counted_and_reported() -> None:
    slots = {
        "warp-nat-ip-1": {"state": "active"},
        "warp-nat-ip-2": {"state": "active"},
        "warp-nat-ip-4": {"state": "announced"},
    }
    config = changed(stack_config("prod"), ("warp-edge:egress", "slots"), slots)
    found = declare(changed(config, ("warp-edge:legacy",), {})).outputs
    assert found["egressCapacity"]["ports"] == 129_024
    assert len(found["vendorWhitelist"]["addresses"]) == 3, "vendors need the announced one before it is used"
    assert found["monthlyCost"]["plan"]["total"] == 100.60
    listed = {item["item"]: item["month"] for item in found["monthlyCost"]["list"]["items"]}
    assert (listed["NAT addresses"], listed["announced addresses"]) == (7.30, 7.30)
