"""The inventory: lifecycle, capacity, the shapes that are published, and a digest that changes with every change."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from inventory import Address, Direction, Inventory, Kind, Status
from inventory.address import NoticeOverride
from inventory.capacity import EgressCapacity
from inventory.outputs import digest, egress_capacity
from plan.names import Listener, Listeners, SipNames, endpoints, records
from settings.dns import SrvWeights

BOTH = Listeners(
    SipNames("ringer.tel", "sip", "sip-udp", "sip-tcp"),
    Listener({"sip": 5060}, "udp"),
    Listener({"sip": 5060, "sips": 5061}, "tcp"),
)


def egress(name: str, address: str, status: Status = Status.ACTIVE, *, replaced_by: tuple[str, ...] = ()) -> Address:
    nat, out = Kind.NAT, Direction.OUTBOUND
    return Address(
        "Vendor egress", name, address, nat, out, "UDP/TCP", (5060,), "us-central1", status, replaced_by=replaced_by
    )


def ingress(name: str, address: str, protocol: str, *ports: int) -> Address:
    lb, inward, active = Kind.LOAD_BALANCER, Direction.INBOUND, Status.ACTIVE
    return Address(f"Customer ingress ({protocol})", name, address, lb, inward, protocol, ports, "us-central1", active)


def inventory(*addresses: Address, listeners: Listeners = BOTH, **changes: Any) -> Inventory:
    """A plan, filled in: endpoints, records and successors have names until then."""
    living = (ingress("udp", "192.0.2.1", "UDP", 5060), ingress("tcp", "192.0.2.2", "TCP", 5060, 5061))
    whole = Inventory(
        region="us-central1",
        addresses=(*living, *addresses),
        domain="ringer.tel",
        notice_days=30,
        endpoints=tuple(endpoints(listeners.names, listeners)),
        records=tuple(records(listeners, SrvWeights(), naptr=False)),
    )
    return replace(whole, **changes).filled({})


EVERY_STATE = (
    egress("new", "198.51.100.1", Status.ANNOUNCED),
    egress("one", "198.51.100.2", Status.ACTIVE),
    egress("old", "198.51.100.3", Status.DRAINING),
    egress("gone", "198.51.100.4", Status.RETIRED, replaced_by=("one", "new")),
)


def test_vendors_must_accept_announced_active_and_draining_but_not_retired() -> None:
    whitelist = inventory(*EVERY_STATE).vendor_whitelist()
    assert whitelist["addresses"] == ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    assert whitelist["cidrs"] == ["198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32"]
    assert "198.51.100.4" not in whitelist["text"]


def test_the_vendors_text_says_which_address_is_coming_and_which_is_leaving() -> None:
    lines = inventory(*EVERY_STATE).vendor_whitelist()["text"].splitlines()
    assert "  198.51.100.1 (announced: will be used soon, accept it now)" in lines
    assert "  198.51.100.2" in lines
    assert "  198.51.100.3 (draining: accept it until it is retired)" in lines
    assert [line for line in lines if "allow from" in line] == [
        "  allow from 198.51.100.1/32",
        "  allow from 198.51.100.2/32",
        "  allow from 198.51.100.3/32",
    ]


def test_customers_firewalls_let_in_what_vendors_accept() -> None:
    firewall = inventory(*EVERY_STATE).customer_endpoints()["firewall"]
    assert [rule["from"] for rule in firewall["inbound"]] == ["198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32"]


def test_a_retired_address_is_listed_with_the_addresses_that_replaced_it() -> None:
    listed = inventory(*EVERY_STATE).ip_inventory()["addresses"]
    assert listed[-1] == {
        "purpose": "Vendor egress",
        "name": "gone",
        "address": "198.51.100.4",
        "kind": "NAT",
        "direction": "outbound",
        "protocol": "UDP/TCP",
        "ports": [5060],
        "region": "us-central1",
        "status": "retired",
        "replacedBy": ["198.51.100.2", "198.51.100.1"],
    }
    assert "replacedBy" not in listed[0]


@pytest.mark.parametrize(
    ("address", "cidr"),
    [
        ("34.57.46.26", "34.57.46.26/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:0DB8:0000::0001", "2001:db8::1/128"),
    ],
)
def test_an_address_as_a_range_holds_exactly_itself(address: str, cidr: str) -> None:
    assert egress("a", address).cidr == cidr


@pytest.mark.parametrize(
    ("active", "per_call", "per_vm", "ports", "calls", "vms"),
    [
        (3, 2, 64, 193_536, 96_768, 3_024),
        (1, 2, 64, 64_512, 32_256, 1_008),
        (4, 2, 32, 258_048, 129_024, 8_064),
        # Whole calls only: 64,512 / 5 = 12,902.4.
        (1, 5, 1_024, 64_512, 12_902, 63),
        (2, 5, 1_024, 129_024, 25_804, 126),
        # The cloud rounds up to a power of two: 128, 1,024, and no more than one VM may have of an address.
        (1, 2, 100, 64_512, 32_256, 504),
        (1, 2, 1_000, 64_512, 32_256, 63),
        (1, 2, 40_000, 64_512, 32_256, 1),
        (1, 2, 57_344, 64_512, 32_256, 1),
    ],
)
def test_capacity_counts_whole_calls_and_whole_vms(
    active: int, per_call: int, per_vm: int, ports: int, calls: int, vms: int
) -> None:
    assert egress_capacity(EgressCapacity(active, per_call, per_vm)) == {
        "schema": 1,
        "portsPerAddress": 64_512,
        "activeAddresses": active,
        "ports": ports,
        "portsPerCall": per_call,
        "concurrentCalls": calls,
        "minPortsPerVm": per_vm,
        "vms": vms,
    }


def test_a_way_in_exists_for_every_port_and_no_other() -> None:
    without_tls = inventory(listeners=replace(BOTH, tcp=Listener({"sip": 5080}, "tcp"))).customer_endpoints()
    assert [(way["role"], way["address"], way["port"]) for way in without_tls["endpoints"]] == [
        ("primary", "192.0.2.1", 5060),
        ("secondary", "192.0.2.2", 5080),
    ]
    assert "TLS" not in without_tls["text"]
    assert [record["name"] for record in without_tls["srv"]] == ["_sip._udp.ringer.tel", "_sip._tcp.ringer.tel"]


def test_the_digest_is_the_sha_256_of_canonical_json() -> None:
    """Of `{}`, `{"a":1,"b":[]}` and `{"é":1}` in UTF-8, by sha256sum."""
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({"b": [], "a": 1}) == "sha256:f87e4099e9be5e75094e0a4f46d3dc18a9c37429314a5a2490fb78d31e7e170c"
    assert digest({"é": 1}) == "sha256:ddcfcf4765da163969972bb20660092ca2787782d9352d1d8a38e93f70acf3bf"


def test_the_digest_is_of_everything_but_itself() -> None:
    published = inventory(*EVERY_STATE).ip_inventory()
    stated = published.pop("digest")
    assert stated == digest(published)


addresses = some.builds(
    Address,
    purpose=some.text(min_size=1, max_size=20),
    name=some.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True),
    address=some.ip_addresses().map(str),
    kind=some.sampled_from(Kind),
    direction=some.sampled_from(Direction),
    protocol=some.sampled_from(["UDP", "TCP", "UDP/TCP"]),
    ports=some.lists(some.integers(1, 65535), min_size=1, max_size=3).map(tuple),
    region=some.sampled_from(["us-central1", "europe-west4"]),
    status=some.sampled_from(Status),
    announced_on=some.none() | some.dates(),
    active_on=some.none() | some.dates(),
    drained_on=some.none() | some.dates(),
    retired_on=some.none() | some.dates(),
    notice_override=some.none() | some.builds(NoticeOverride, some.text(min_size=1, max_size=9)),
)


@given(some.lists(addresses, max_size=5))
def test_the_same_addresses_give_the_same_bytes(found: list[Address]) -> None:
    first, second = (json.dumps(inventory(*found).ip_inventory()) for _ in range(2))
    assert first == second
    assert json.loads(first)["schema"] == 1


@given(addresses, addresses, some.data())
def test_the_digest_changes_with_any_field_of_any_address(one: Address, other: Address, data: some.DataObject) -> None:
    field = data.draw(some.sampled_from([name for name in Address.__dataclass_fields__ if name != "replaced_by"]))
    altered = replace(one, **{field: getattr(other, field)})
    before, after = (inventory(each, other).ip_inventory()["digest"] for each in (one, altered))
    assert (before == after) == (one == altered)


def test_the_digest_changes_with_the_region_the_order_and_a_replacement() -> None:
    one, two = egress("one", "198.51.100.1"), egress("two", "198.51.100.2")
    published = [
        inventory(one, two),
        inventory(two, one),
        inventory(one),
        inventory(one, two, region="europe-west4"),
        inventory(one, replace(two, replaced_by=("one",))),
    ]
    assert len({each.ip_inventory()["digest"] for each in published}) == len(published)


@given(some.lists(addresses, max_size=4))
def test_everything_published_is_json(found: list[Address]) -> None:
    whole = inventory(*found)
    for shape in (whole.ip_inventory(), whole.vendor_whitelist(), whole.customer_endpoints()):
        assert json.loads(json.dumps(shape)) == shape
        assert shape["schema"] == 1
