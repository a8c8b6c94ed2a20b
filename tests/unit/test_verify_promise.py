"""What `python -m verify` takes for a promise, and what it refuses to take for one."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from inventory.outputs import digest
from refusal import Refusal
from tests.promises import ANNOUNCED, NAT, RETIRED, TCP, UDP, ZONE, outputs
from tests.stacks import stack_config
from tests.unit.recording import declare
from verify.promise import Promise, of, read


def texts(promise: Promise) -> dict[tuple[str, str], list[str]]:
    return {(each.name, each.type): sorted(data.to_text() for data in each.data) for each in promise.records}


def test_the_live_edge_promises_the_records_of_its_zone() -> None:
    assert texts(of(outputs())) == ZONE


def test_the_programs_own_outputs_are_read_without_loss() -> None:
    """Of production's settings: expected values are from live-edge.md."""
    promise = of(declare(stack_config("prod")).outputs)
    assert texts(promise) == ZONE
    assert {each.ttl for each in promise.records} == {300}
    assert promise.active_ingress == {UDP, TCP}
    assert promise.egress == NAT
    assert not list(promise.contradictions())


def test_whatever_would_lead_clients_elsewhere_must_not_be_there() -> None:
    absent = {(each.name, each.type) for each in of(outputs(ports={"sip": 5060})).absences}
    assert absent == {
        ("sip.ringer.tel", "AAAA"),
        ("sip-udp.ringer.tel", "AAAA"),
        ("sip-tcp.ringer.tel", "AAAA"),
        ("_sips._tcp.ringer.tel", "SRV"),
        ("ringer.tel", "NAPTR"),
    }


def changed(change: Any) -> dict[str, Any]:
    found = copy.deepcopy(outputs())
    change(found)
    inventory = found["ipInventory"]
    inventory["digest"] = digest({key: value for key, value in inventory.items() if key != "digest"})
    return found


@pytest.mark.parametrize(
    ("address", "standing"),
    [(RETIRED, "retired"), (ANNOUNCED, "announced"), (NAT[0], "active (Vendor egress)"), ("192.0.2.1", "not listed")],
)
def test_a_record_set_that_leads_to_anything_but_active_ingress_contradicts_the_inventory(
    address: str, standing: str
) -> None:
    def lead(found: dict[str, Any]) -> None:
        found["dns"]["records"][1]["data"] = [address]

    (reported,) = of(changed(lead)).contradictions()
    assert reported.startswith(f"sip-udp.ringer.tel A resolves to {address}, which is {standing}")


def test_an_endpoint_whose_name_leads_elsewhere_contradicts_itself() -> None:
    def lead(found: dict[str, Any]) -> None:
        found["dns"]["records"][0]["data"] = [TCP]

    assert list(of(changed(lead)).contradictions()) == [f"endpoint primary: sip.ringer.tel A does not resolve to {UDP}"]


def test_a_target_outside_our_records_is_to_be_looked_up() -> None:
    def lead(found: dict[str, Any]) -> None:
        found["dns"]["records"][3]["data"] = ["10 50 5060 elsewhere.example."]

    assert of(changed(lead)).foreign_targets == ("elsewhere.example",)
    assert of(outputs()).foreign_targets == ()


def test_an_edited_inventory_is_refused() -> None:
    found = outputs()
    found["ipInventory"]["addresses"][0]["address"] = "192.0.2.66"
    with pytest.raises(Refusal, match=r"digest does not match its contents[\s\S]*-> .*pulumi stack output"):
        of(found)


def test_outputs_of_an_older_program_say_what_to_do() -> None:
    found = outputs()
    del found["dns"]["records"]
    with pytest.raises(Refusal, match=r"it was written by an older version\n  -> run `pulumi up`"):
        of(found)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "5", "[]", '"x"', "[" * 100_000, '{"ipInventory": {}}', '{"ipInventory": 5, "dns": 6}'],
)
def test_what_is_no_object_of_outputs_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(Refusal, match=r"^this is not the outputs of a stack: .*\n  -> "):
        read(text)


@pytest.mark.parametrize(
    ("path", "value", "reported"),
    [
        (("dns", "records", 0, "name"), "a b", "records.0.name"),
        (("dns", "records", 0, "name"), "x..y", "records.0.name"),
        (("dns", "records", 0, "name"), "a" * 64, "records.0.name"),
        (("dns", "records", 0, "type"), "TXT", "records.0.type"),
        (("dns", "records", 0, "ttl"), -1, "records.0.ttl"),
        (("dns", "records", 0, "ttl"), True, "records.0.ttl"),
        (("dns", "records", 0, "data"), [], "records.0.data"),
        (("dns", "records", 0, "data"), ["x"], "sip.ringer.tel A: 'x' is not valid data of that type"),
        (("dns", "records", 0, "data"), ["1.2.3.4 5.6.7.8"], "is not valid data of that type"),
        (("dns", "records", 3, "data"), ["10 50 99999 sip."], "_sip._udp.ringer.tel SRV"),
        (("dns", "dsRecords"), ["1 2 3"], "dsRecords"),
        (("dns", "nameServers"), ["a..b"], "nameServers"),
        (("dns", "domain"), "\x1b[31m", "domain"),
        (("ipInventory", "endpoints", 0, "server"), "a\0b", "endpoints.0.server"),
        (("ipInventory", "endpoints", 0, "server"), ".x", "endpoints.0.server"),
        (("ipInventory", "endpoints", 0, "port"), 0, "endpoints.0.port"),
        (("ipInventory", "endpoints", 0, "address"), "1.2.3.4%x", "endpoints.0.address"),
        (("ipInventory", "addresses", 0, "status"), "alive", "addresses.0.status"),
    ],
)
def test_a_field_that_does_not_fit_is_refused_by_name_with_a_remedy_and_no_control_character(
    path: tuple[Any, ...], value: object, reported: str
) -> None:
    def spoil(found: dict[str, Any]) -> None:
        place: Any = found
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    with pytest.raises(Refusal) as refused:
        read(json.dumps(changed(spoil)))
    assert reported in str(refused.value)
    assert "\n  -> " in str(refused.value)
    assert all(line.isprintable() for line in str(refused.value).splitlines())


def test_a_customers_own_address_without_a_name_is_its_own_server() -> None:
    own = {"role": "dedicated", "address": UDP, "port": 5060, "transport": "UDP", "customer": "100001"}

    def lead(found: dict[str, Any], server: str) -> None:
        found["ipInventory"]["endpoints"].append({**own, "server": server})

    assert not list(of(changed(lambda found: lead(found, UDP))).contradictions())
    assert list(of(changed(lambda found: lead(found, "acme.ringer.tel"))).contradictions()) == [
        f"endpoint dedicated: acme.ringer.tel A does not resolve to {UDP}"
    ]
