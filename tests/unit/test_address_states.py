"""A state or a field of an address that somebody adds is told everywhere, with no further line of code."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from itertools import product
from typing import Any

import pytest
from pydantic.alias_generators import to_camel
from rich.console import Console

from inventory.address import STATES, Address, Status
from inventory.reading import read
from inventory.site.render import render
from inventory.table import ip_inventory_table
from review.addresses import Inventories, address_changes
from tests.unit.published import LIVE, address, signed

DAYS = {to_camel(each.name): "2026-01-31" for each in fields(Address) if each.name.endswith("_on")}


def parsed(**more: Any) -> Address:
    document = signed(LIVE | {"addresses": [address("a", "192.0.2.1", **more)]})
    (inventory,) = read(json.dumps(document))
    return inventory.addresses[0]


def test_every_state_is_described_and_names_fields_of_an_address() -> None:
    names = {each.name for each in fields(Address)}
    assert list(STATES) == list(Status)
    assert {field for state in STATES.values() for field, _ in state.dates} <= names


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("status", list(Status))
def test_every_state_is_told_in_the_table_and_on_the_site(status: Status, direction: str) -> None:
    document = signed(LIVE | {"addresses": [address("a", "192.0.2.1", direction, str(status), **DAYS)]})
    out = io.StringIO()
    Console(file=out, width=200).print(ip_inventory_table(document))
    assert f"{status} {STATES[status].dates[0][1]} 2026-01-31" in out.getvalue()
    site = render(read(json.dumps(document)))
    assert "192.0.2.1" in site["index.html"].decode()
    assert f"{STATES[status].headline} (2026-01-31)" in site["feed.xml"].decode()


@pytest.mark.parametrize(("was", "will_be"), list(product([None, *Status], repeat=2)))
@pytest.mark.parametrize("new", [False, True], ids=["known", "new"])
def test_no_change_of_a_state_is_left_out_of_a_report(
    was: Status | None, will_be: Status | None, *, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if new:  # as a state is that nothing was written for yet
        monkeypatch.setattr("review.addresses._WORDS", {})
    before, after = ({"a": parsed(status=str(each))} if each else {} for each in (was, will_be))
    changes = address_changes(Inventories(before, after))
    assert [bool(each.what) for each in changes] == ([True] if was is not will_be else [])


CHANGED = {
    "kind": "LoadBalancer", "protocol": "TCP", "ports": [5061], "region": "us-east1", "replacedBy": ["192.0.2.2"],
    "noticeOverride": {"reason": "agreed"}, "customer": "100001", **DAYS,
}  # fmt: skip


def test_a_change_of_a_single_field_is_in_the_report() -> None:
    own_columns = {"purpose", "name", "address", "direction", "status"}
    assert {to_camel(each.name) for each in fields(Address)} == own_columns | CHANGED.keys()
    words = set()
    for key, value in CHANGED.items():
        (change,) = address_changes(Inventories({"a": parsed()}, {"a": parsed(**{key: value})}))
        (detail,) = change.details
        words.add(detail.field)
    assert {"active from", "why less notice", "customer", "replaced by"} < words
    assert len(words) == len(CHANGED)
