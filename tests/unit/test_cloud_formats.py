"""Lists in clouds, loaded a second time after the edge has changed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import hcl2
import pytest
from azure.mgmt.network import models as azure

from inventory.formats import FORMATS, Audience, Family, merged
from inventory.reading import read
from tests.unit.device_models import Flow
from tests.unit.format_readers import (
    azure_rules,
    azure_usage,
    read_address_group,
    terraform_locals,
    updated_prefix_list,
)
from tests.unit.published import EUROPE, LIVE, NAT, Json, address
from tests.unit.test_devices import ANYBODY, FIRST, SECOND, SIDES, THIRD, accepted, inventory, promised
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


@pytest.mark.parametrize("to", ANYBODY)
def test_a_prefix_list_that_was_created_is_brought_up_to_date(to: Audience) -> None:
    """`aws-prefix-list` once, then `aws-prefix-list-update` each time, as their heads say; both families."""
    family: Family
    for family, suffix in ((4, ""), (6, "-ipv6")):
        created = json.loads(render("aws-prefix-list", FIRST, to=to, ip=family))
        assert created["PrefixListName"] == f"warp-{to.label}{suffix}"
        entries = [each["Cidr"] for each in created["Entries"]]
        for document in (FIRST, FIRST, SECOND, SECOND, THIRD):
            wanted = {ip for ip, _, _ in promised(document, to, family)}
            entries, calls = updated_prefix_list(render("aws-prefix-list-update", document, to=to, ip=family), entries)
            assert {each.partition("/")[0] for each in entries} == wanted
            assert calls <= 1


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


@pytest.mark.parametrize("to", ANYBODY)
def test_an_address_group_is_replaced_as_a_whole(to: Audience) -> None:
    """`update --items` (the flag in the file) sets the field; a group is never empty, and keeps its name."""
    for document in (FIRST, FIRST, SECOND, SECOND, THIRD):
        files = [render("gcp-address-group", document, to=to, ip=family) for family in (4, 6)]
        found = [cidr for text in files for cidr in read_address_group(text)]
        assert {each.partition("/")[0] for each in found} == accepted(to, document)
        for text, suffix, kind in zip(files, ("", "-ipv6"), ("IPV4", "IPV6"), strict=True):
            command = f"gcloud network-security address-groups {{}} warp-{to.label}{suffix} --location=global"
            assert f"#   {command.format('update')} --flags-file=FILE" in text.splitlines()
            assert f"{command.format('create')} --flags-file=FILE --type={kind} --capacity=100" in text
        assert ("# IPv6 addresses: gcp-address-group-ipv6.yaml" in files[0].splitlines()) == (document is not THIRD)


# --- Azure. ---


@pytest.mark.parametrize("to", SIDES)
def test_a_security_group_of_azure_has_what_the_inventory_has_after_each_deployment(to: Audience) -> None:
    """An incremental deployment puts its rules, each as a whole, and leaves all others."""
    group: dict[str, Any] = {"mine": azure.SecurityRulePropertiesFormat({"priority": 300, "protocol": "*"})}
    mine, priorities = dict(group["mine"]), {"mine": 300}
    for document in (FIRST, FIRST, SECOND, SECOND, THIRD):
        files = [render("azure-nsg", document, to=to, ip=family) for family in (4, 6)]
        for text in files:
            # A reader keeps the priorities, and adds one for a rule that is new.
            for name in azure_usage(text):
                priorities.setdefault(name, 400 + len(priorities))
        found = [azure_rules(text, priorities) for text in files]
        ours = found[0] | found[1]
        assert len(ours) == sum(map(len, found)), "a name in one of the files only"
        ended = [name for name in group if name.startswith(f"warp-{to.label}-") and name not in ours]
        group = {name: rule for name, rule in (group | ours).items() if name not in ended}
        assert azure_opens(group) == promised(document, to)
        assert (dict(group["mine"]), len({rule.priority for rule in group.values()})) == (mine, len(group))
        other = "IPv6 addresses: azure-nsg-ipv6.json"
        assert (json.loads(files[0])["metadata"].get("otherFamily") == other) == (document is not THIRD)


def azure_opens(rules: dict[str, Any]) -> set[Flow]:
    return {
        (cidr.partition("/")[0], rule.protocol.lower(), int(port))
        for name, rule in rules.items()
        for cidr in (rule.source_address_prefixes if rule.direction == "Inbound" else rule.destination_address_prefixes)
        or ()
        for port in rule.destination_port_ranges
        if name != "mine"
    }


# --- Terraform: a second apply. ---


@pytest.mark.parametrize("to", ANYBODY)
def test_a_second_apply_replaces_no_rule_of_an_address_that_stays(to: Audience) -> None:
    """An instance of for_each is known by its key; one with the same values is left as it is."""
    applied = [terraform_locals(render("terraform", each, to=to)) for each in (FIRST, FIRST, SECOND, SECOND, THIRD)]
    for document, (cidrs, rules) in zip((FIRST, FIRST, SECOND, SECOND, THIRD), applied, strict=True):
        assert {(key.partition("/")[0], rule["protocol"], rule["port"]) for key, rule in rules.items()} == promised(
            document, to
        )
        assert len(cidrs) == len(set(cidrs)), "toset"
    for (_, before), (_, after) in pairwise(applied):
        assert all(before[key] == after[key] for key in before.keys() & after.keys())


@pytest.mark.parametrize("to", ANYBODY)
def test_the_example_for_terraform_takes_its_values_from_the_rules(to: Audience) -> None:
    text = render("terraform", FIRST, to=to)
    example = "\n".join(line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   "))
    ((kind, named),) = hcl2.loads(example)["resource"][0].items()
    (body,) = [value for key, value in named.items() if not key.startswith("__")]
    way = "ingress" if to is Audience.VENDORS else "egress"
    assert kind.strip('"') == f"aws_vpc_security_group_{way}_rule"
    assert body["for_each"] == f"${{local.warp_{to.label}_rules}}"
    _, rules = terraform_locals(text)
    used = {value[len("${each.value.") : -1] for value in body.values() if "each.value" in str(value)}
    assert all(used == set(rule) for rule in rules.values())


@pytest.mark.parametrize(("name", "file"), [("aws-prefix-list", "aws-prefix-list-ipv6.json"),
                                            ("aws-prefix-list-update", "aws-prefix-list-update-ipv6.jq")])  # fmt: skip
def test_the_files_for_aws_name_the_one_with_the_other_family(name: str, file: str) -> None:
    assert f"IPv6 addresses: {file}" in render(name, FIRST)
    assert f"IPv4 addresses: {file.replace('-ipv6', '')}" in render(name, FIRST, ip=6)
    assert "IPv6 addresses" not in render(name, THIRD)
