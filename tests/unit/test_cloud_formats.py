"""Lists in clouds, loaded a second time after the edge has changed."""

from __future__ import annotations

import json

from inventory.formats import FORMATS, merged
from inventory.reading import read
from tests.unit.format_readers import updated_prefix_list
from tests.unit.published import EUROPE, LIVE, NAT, Json, address


def update(inventory: Json) -> str:
    return FORMATS["aws-prefix-list-update"].select(merged(read(json.dumps(inventory))))


def crowd(first: int, last: int) -> Json:
    hosts = [address(f"a{n}", f"198.18.{n // 250}.{n % 250 + 1}") for n in range(first, last)]
    return LIVE | {"addresses": hosts}


def cidrs(inventory: Json) -> set[str]:
    return {f"{each['address']}/32" for each in inventory["addresses"] if each["status"] != "retired"}


def test_a_prefix_list_loses_what_was_retired_and_gets_what_was_announced() -> None:
    before = [f"{ip}/32" for ip in NAT]
    gone, new = before[0], "192.0.2.77/32"
    later = LIVE | {
        "addresses": [
            each | ({"status": "retired"} if f"{each['address']}/32" == gone else {}) for each in LIVE["addresses"]
        ]
        + [address("new", "192.0.2.77", status="announced")]
    }
    after, calls = updated_prefix_list(update(later), before)
    assert (set(after), calls) == ({*before, new} - {gone}, 1)
    assert updated_prefix_list(update(later), after) == (after, 0), "nothing to do the second time"


def test_more_changes_than_a_call_takes_are_several_calls_and_each_names_the_version_before_it() -> None:
    before = sorted(cidrs(crowd(0, 150)))
    after, calls = updated_prefix_list(update(crowd(100, 330)), before)
    assert (set(after), calls) == (cidrs(crowd(100, 330)), 3)


def test_an_empty_prefix_list_is_filled() -> None:
    after, calls = updated_prefix_list(update(EUROPE), [])
    assert (len(after), calls) == (len(set(after)), 1)
