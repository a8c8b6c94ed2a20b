"""Lists in clouds, loaded a second time after the edge has changed."""

from __future__ import annotations

import json

import pytest

from inventory.formats import FORMATS, Audience, merged
from inventory.reading import read
from tests.unit.device_models import Flow
from tests.unit.format_readers import updated_prefix_list
from tests.unit.published import EUROPE, LIVE, NAT, Json, address
from tests.unit.test_devices import FIRST, SECOND, SIDES, THIRD, inventory, promised
from tests.unit.test_formats import render


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


# --- Compute Engine. ---


def gcp_opens(rules: dict[str, Json]) -> set[Flow]:
    return {
        (cidr.partition("/")[0], allowed["IPProtocol"], int(port))
        for rule in rules.values()
        for cidr in rule.get("sourceRanges") or rule["destinationRanges"]
        for allowed in rule["allowed"]
        for port in allowed["ports"]
    }


@pytest.mark.parametrize("to", SIDES)
def test_compute_engine_has_what_the_inventory_has_after_each_update(to: Audience) -> None:
    """As docs/formats.md says: insert what is missing, patch what is there, delete what no file has any more."""
    old = {"sourceRanges": ["198.51.100.2/32"], "allowed": [{"IPProtocol": "udp", "ports": ["5060"]}]}
    project: dict[str, Json] = {f"warp-{to.label}-udp": old, "mine": {"destinationRanges": [], "allowed": []}}
    for document in (FIRST, FIRST, SECOND, SECOND, THIRD):
        files = [json.loads(render("gcp-firewall", document, to=to, ip=family)) for family in (4, 6)]
        found = {rule["name"]: rule for rules in files for rule in rules}
        assert len(found) == sum(map(len, files)), "a name in one of the files only"
        assert ("IPv6 addresses: gcp-firewall-ipv6.json" in files[0][0]["description"]) == (document is not THIRD)
        stale = [name for name in project if name.startswith(f"warp-{to.label}-") and name not in found]
        project = {name: rule for name, rule in (project | found).items() if name not in stale}
        assert gcp_opens(project) == promised(document, to)
        assert "mine" in project


@pytest.mark.parametrize("to", SIDES)
def test_a_rule_of_compute_engine_has_the_same_name_whatever_else_there_is(to: Audience) -> None:
    backwards = inventory(*reversed(FIRST["addresses"]))
    first, second = ({rule["name"]: gcp_opens({"": rule}) for rule in json.loads(render("gcp-firewall", each, to=to))}
                     for each in (FIRST, backwards))  # fmt: skip
    assert first == second
