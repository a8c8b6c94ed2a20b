"""Formats for cloud providers' tools."""

from __future__ import annotations

import json

from inventory.address import Address
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

PREFIX_LIST_ENTRIES_AT_MOST = 100  # in one call (EC2 API reference, CreateManagedPrefixList)


def aws_prefix_list(selection: Selection) -> str:
    """The input of `aws ec2 create-managed-prefix-list --cli-input-json file://FILE`."""
    found = {address.cidr: address for address in selection.living}
    if len(found) > PREFIX_LIST_ENTRIES_AT_MOST:
        raise NothingToListError(f"{len(found)} addresses, but AWS accepts {PREFIX_LIST_ENTRIES_AT_MOST} in one call")
    return _json(
        {
            "PrefixListName": f"warp-{selection.audience.label}",
            "AddressFamily": f"IPv{selection.family}",
            "MaxEntries": len(found),
            "Entries": [{"Cidr": cidr, "Description": described(address)} for cidr, address in found.items()],
        }
    )


def gcp_firewall(selection: Selection) -> str:
    """Bodies for the method `firewalls.insert` of Compute Engine, one per protocol and set of ports.

    A rule's ranges are of one family (docs.cloud.google.com/firewall/docs/firewalls).
    """
    groups: dict[tuple[str, tuple[int, ...]], list[Address]] = {}
    for address in selection.living:
        for each in address.protocols:
            groups.setdefault((each.lower(), tuple(sorted(address.ports))), []).append(address)
    inward = selection.audience is Audience.VENDORS
    names: dict[str, int] = {}
    rules = []
    for (protocol, ports), found in groups.items():
        name = f"warp-{selection.audience.label}-{protocol}" + ("-ipv6" if selection.family == 6 else "")
        names[name] = names.get(name, 0) + 1
        rules.append(
            {
                "name": name if names[name] == 1 else f"{name}-{names[name]}",
                "description": selection.heading,
                "direction": "INGRESS" if inward else "EGRESS",
                "sourceRanges" if inward else "destinationRanges": list(dict.fromkeys(a.cidr for a in found)),
                "allowed": [{"IPProtocol": protocol, "ports": [str(port) for port in ports]}],
            }
        )
    return _json(rules)


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
        "gcp-firewall",
        "gcp-firewall.json",
        "bodies for Compute Engine's firewalls.insert",
        gcp_firewall,
        FOR_ONE_SIDE,
        one_family=True,
    ),
    Format("terraform", "terraform.tf", "a local value with the ranges", terraform, FOR_ANYBODY),
)
