"""Formats for cloud providers' tools."""

from __future__ import annotations

import json

from inventory.formats.flows import services
from inventory.formats.selection import (
    FOR_ANYBODY,
    FOR_ONE_SIDE,
    Audience,
    Format,
    NothingToListError,
    Selection,
    described,
    lines,
)

# Of each kind in one call (EC2 API reference, CreateManagedPrefixList and ModifyManagedPrefixList).
PREFIX_LIST_ENTRIES_AT_MOST = 100
# A list's MaxEntries cannot change in a call that changes entries, and all of it counts against the rules of every
# security group that uses the list (docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html).
PREFIX_LIST_HEAD_ROOM = 10
GCP_FILE = "gcp-firewall.json"


def aws_prefix_list(selection: Selection) -> str:
    """The input of `aws ec2 create-managed-prefix-list --cli-input-json file://FILE`, with room for later addresses."""
    entries = _entries(selection)
    if len(entries) > PREFIX_LIST_ENTRIES_AT_MOST:
        raise NothingToListError(f"{len(entries)} addresses, but AWS accepts {PREFIX_LIST_ENTRIES_AT_MOST} in one call")
    return _json(
        {
            "PrefixListName": f"warp-{selection.audience.label}",
            "AddressFamily": f"IPv{selection.family}",
            "MaxEntries": len(entries) + PREFIX_LIST_HEAD_ROOM,
            "Entries": entries,
        }
    )


def aws_prefix_list_update(selection: Selection) -> str:
    """A jq program: from the entries that a prefix list has, the calls that make it this list, one per line.

    An entry with another description is left as it is: EC2 takes no entry twice, and access is by its CIDR.
    """
    return lines(
        f"# {selection.heading}",
        f"# The calls that make a prefix list of IPv{selection.family} equal to this one; other entries are removed.",
        "# aws ec2 get-managed-prefix-list-entries --prefix-list-id ID > entries.json",
        "# jq -c --arg id ID --argjson version VERSION -f FILE entries.json > calls.jsonl",
        "# then each line, one after the other, each when the list's state is modify-complete again:",
        '# aws ec2 modify-managed-prefix-list --cli-input-json "$line"',
        "# VERSION: the list's version, of `aws ec2 describe-managed-prefix-lists`; if another change comes first, AWS",
        "# refuses the call. More entries than MaxEntries: raise that first, in a call of its own.",
        f"{json.dumps(_entries(selection), indent=2)} as $wanted",
        "| [.Entries[].Cidr] as $there",
        "| [($wanted[] | select(.Cidr | IN($there[]) | not) | {AddEntries: .}),",
        "   ($there[] | select(IN($wanted[].Cidr) | not) | {RemoveEntries: {Cidr: .}})]",
        f"| range(0; length; {PREFIX_LIST_ENTRIES_AT_MOST}) as $from | .[$from:$from + {PREFIX_LIST_ENTRIES_AT_MOST}]",
        f"| {{PrefixListId: $id, CurrentVersion: ($version + $from / {PREFIX_LIST_ENTRIES_AT_MOST})}}",
        "  + ([.[].AddEntries | values] | if . == [] then {} else {AddEntries: .} end)",
        "  + ([.[].RemoveEntries | values] | if . == [] then {} else {RemoveEntries: .} end)",
    )


def _entries(selection: Selection) -> list[dict[str, str]]:
    found = {address.cidr: address for address in selection.living}
    return [{"Cidr": cidr, "Description": described(address)} for cidr, address in found.items()]


def gcp_firewall(selection: Selection) -> str:
    """Bodies for the methods `firewalls.insert` and `firewalls.patch` of Compute Engine, one rule per service.

    A rule's ranges are of one family (docs.cloud.google.com/firewall/docs/firewalls). Names are made of what is opened,
    so a rule with a name is always the same rule; one that is no longer in the file has to be deleted.
    """
    inward = selection.audience is Audience.VENDORS
    own, suffix = f"warp-{selection.audience.label}-", "-ipv6" if selection.family == 6 else ""
    description = ". ".join(
        (
            selection.heading,
            *selection.sibling(GCP_FILE),
            "First firewalls.insert, then firewalls.patch (gcloud compute firewall-rules update) by name",
            f"A rule {own}... that no file has any more: gcloud compute firewall-rules delete",
        )
    )
    return _json(
        [
            {
                "name": f"{own}{service.name}{suffix}",
                "description": description,
                "direction": "INGRESS" if inward else "EGRESS",
                "sourceRanges" if inward else "destinationRanges": [each.cidr for each in service.addresses],
                "allowed": [
                    {"IPProtocol": protocol, "ports": [str(port) for each, port in service.flows if each == protocol]}
                    for protocol in dict.fromkeys(protocol for protocol, _ in service.flows)
                ],
            }
            for service in services(selection)
            if service.addresses
        ]
    )


def terraform(selection: Selection) -> str:
    """A local value with the ranges, for use in any resource."""
    name = f"warp_{selection.audience.label}_cidrs"
    ranges = {address.cidr: address for address in selection.living}
    rows = (f'    "{cidr}", # {described(address)}' for cidr, address in ranges.items())
    return lines(f"# {selection.heading}", "locals {", f"  {name} = [", *rows, "  ]", "}")


def _json(body: object) -> str:
    return lines(json.dumps(body, indent=2))


CLOUDS = (
    Format(
        "aws-prefix-list",
        "aws-prefix-list.json",
        "input of `aws ec2 create-managed-prefix-list`",
        aws_prefix_list,
        FOR_ANYBODY,
        one_family=True,
    ),
    Format(
        "aws-prefix-list-update",
        "aws-prefix-list-update.jq",
        "what brings an AWS prefix list up to date, for jq",
        aws_prefix_list_update,
        FOR_ANYBODY,
        one_family=True,
        comment="#",
    ),
    Format(
        "gcp-firewall",
        GCP_FILE,
        "rules for Compute Engine's firewalls.insert and firewalls.patch",
        gcp_firewall,
        FOR_ONE_SIDE,
        one_family=True,
    ),
    Format("terraform", "terraform.tf", "a local value with the ranges", terraform, FOR_ANYBODY),
)
