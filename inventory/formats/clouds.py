"""Formats for cloud providers' tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from inventory.formats.flows import flows, services
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
AWS_FILE, AWS_UPDATE_FILE = "aws-prefix-list.json", "aws-prefix-list-update.jq"
GCP_FILE, GCP_GROUP_FILE, AZURE_FILE = "gcp-firewall.json", "gcp-address-group.yaml", "azure-nsg.json"
# An address group cannot be empty, and no packet comes from or goes to a loopback address.
LOOPBACK = {4: "127.0.0.1/32", 6: "::1/128"}
# learn.microsoft.com/rest/api/virtualnetwork/security-rules/create-or-update
AZURE_API, AZURE_DESCRIPTION_AT_MOST = "2024-05-01", 140


def aws_prefix_list(selection: Selection) -> str:
    """The input of `aws ec2 create-managed-prefix-list --cli-input-json file://FILE`, with room for later addresses."""
    entries = _entries(selection)
    if not entries:
        raise NothingToListError(f"no IPv{selection.family} address in use for {selection.audience}")
    if len(entries) > PREFIX_LIST_ENTRIES_AT_MOST:
        raise NothingToListError(f"{len(entries)} addresses, but AWS accepts {PREFIX_LIST_ENTRIES_AT_MOST} in one call")
    return _json(
        {
            "PrefixListName": f"warp-{selection.audience.label}{'-ipv6' if selection.family == 6 else ''}",
            "AddressFamily": f"IPv{selection.family}",
            "MaxEntries": len(entries) + PREFIX_LIST_HEAD_ROOM,
            "Entries": entries,
            **_tagged(selection),
        }
    )


def _tagged(selection: Selection) -> dict[str, Any]:
    """JSON has no comments: a tag of the list names the file with the other family."""
    tags = [{"Key": "warp-other-family", "Value": each} for each in selection.sibling(AWS_FILE)]
    return {"TagSpecifications": [{"ResourceType": "prefix-list", "Tags": tags}]} if tags else {}


def aws_prefix_list_update(selection: Selection) -> str:
    """A jq program: from the entries that a prefix list has, the calls that make it this list, one per line.

    An entry with another description is left as it is: EC2 takes no entry twice, and access is by its CIDR.
    """
    return lines(
        f"# {selection.heading}",
        *(f"# {each}" for each in selection.sibling(AWS_UPDATE_FILE)),
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


def gcp_address_group(selection: Selection) -> str:
    """A file of flags for `gcloud network-security address-groups`, which has the group's addresses as a whole.

    gcloud topic flags-file; a group is of one family (docs.cloud.google.com/firewall/docs/about-address-groups).
    """
    group = f"warp-{selection.audience.label}{'-ipv6' if selection.family == 6 else ''}"
    command, place = "gcloud network-security address-groups", f"{group} --location=global --flags-file=FILE"
    cidrs = {each.cidr: described(each) for each in selection.living}
    head = [
        selection.heading,
        *selection.sibling(GCP_GROUP_FILE),
        "Once, with a capacity that never changes:",
        f"  {command} create {place} --type=IPV{selection.family} --capacity=100",
        "After each update, which replaces the group's addresses as a whole:",
        f"  {command} update {place}",
    ]
    cidrs = cidrs or {LOOPBACK[selection.family or 4]: "all retired; a group cannot be empty"}
    return lines(
        *(f"# {each}" for each in head), "--items:", *(f'- "{cidr}" # {remark}' for cidr, remark in cidrs.items())
    )


def azure_nsg(selection: Selection) -> str:
    """An Azure Resource Manager template: one security rule per service and protocol, each replaced as a whole.

    A rule's addresses are of one family, and its priority is its own (learn.microsoft.com, "Security Rules - Create Or
    Update"), so priorities are parameters. Other rules of the group are not part of a deployment, which is incremental.
    """
    inward, own = selection.audience is Audience.VENDORS, f"warp-{selection.audience.label}"
    suffix = "-ipv6" if selection.family == 6 else ""
    ours, theirs = ("source", "destination") if inward else ("destination", "source")
    opened: dict[tuple[str, ...], list[str]] = {}
    for service in services(selection):
        for protocol in dict.fromkeys(protocol for protocol, _ in service.flows) if service.addresses else ():
            ports = (str(port) for each, port in service.flows if each == protocol)
            opened.setdefault((protocol, *ports), []).extend(each.cidr for each in service.addresses)
    rules = {
        f"{own}-{protocol}-{'-'.join(ports)}{suffix}": {
            "description": selection.heading[:AZURE_DESCRIPTION_AT_MOST],
            "protocol": protocol.title(),
            "sourcePortRange": "*",
            "destinationPortRanges": ports,
            f"{ours}AddressPrefixes": cidrs,
            f"{theirs}AddressPrefix": "*",
            "access": "Allow",
            "direction": "Inbound" if inward else "Outbound",
        }
        for (protocol, *ports), cidrs in opened.items()
    }
    kind, group = "Microsoft.Network/networkSecurityGroups/securityRules", "parameters('nsg')"
    names = list(rules)
    once = [
        "az deployment group create --resource-group GROUP --template-file FILE",
        f"--parameters nsg=NSG priorities='{json.dumps({name: 200 + number for number, name in enumerate(names)})}'",
    ]
    usage = {
        "usage": " ".join(once),
        "updates": "The same command with the next file: keep the priorities, and add one for a rule that is new",
        "ended": f"A rule {own}-... that no file has any more: az network nsg rule delete",
        "otherFamily": ", ".join(selection.sibling(AZURE_FILE)),
    }
    return _json(
        {
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "metadata": {"description": selection.heading} | {key: text for key, text in usage.items() if text},
            "parameters": {"nsg": {"type": "string"}, "priorities": {"type": "object"}},
            "resources": [
                {
                    "type": kind,
                    "apiVersion": AZURE_API,
                    "name": f"[format('{{0}}/{name}', {group})]",
                    # One after the other: a security group takes one change at a time.
                    "dependsOn": [f"[resourceId('{kind}', {group}, '{before}')]" for before in names[:number][-1:]],
                    "properties": rule | {"priority": f"[parameters('priorities')['{name}']]"},
                }
                for number, (name, rule) in enumerate(rules.items())
            ],
        }
    )


def terraform(selection: Selection) -> str:
    """Local values for use in any resource: the ranges, and rules with keys that never move."""
    own = f"warp_{selection.audience.label}"
    ranges = {address.cidr: address for address in selection.living}
    head = [
        f"{selection.heading}, IPv4 and IPv6",
        "Replace this file and apply: what is retired is taken away, what is announced is added, the rest stays.",
        f"Use for_each = local.{own}_rules, or toset(local.{own}_cidrs): then a rule is known by its address.",
        "With count, one retired address would change all rules after it. In a security group of AWS, for instance:",
        *_terraform_example(own, "ingress" if selection.audience is Audience.VENDORS else "egress"),
    ]
    return lines(
        *(f"# {each}" for each in head),
        "locals {",
        f"  {own}_cidrs = [",
        *(f'    "{cidr}", # {described(address)}' for cidr, address in ranges.items()),
        "  ]",
        f"  {own}_rules = {{",
        *_terraform_rules(selection),
        "  }",
        "}",
    )


def _terraform_example(own: str, way: str) -> Iterator[str]:
    yield f'  resource "aws_vpc_security_group_{way}_rule" "warp" {{'
    yield f"    for_each          = local.{own}_rules"
    yield "    security_group_id = aws_security_group.sip.id"
    for argument, value in (
        ("cidr_ipv4  ", "ipv4"),
        ("cidr_ipv6  ", "ipv6"),
        ("ip_protocol", "protocol"),
        ("from_port  ", "port"),
        ("to_port    ", "port"),
    ):
        yield f"    {argument}       = each.value.{value}"
    yield "  }"


def _terraform_rules(selection: Selection) -> Iterator[str]:
    for address, protocol, port in flows(selection):
        four = ip_address(address.address).version == 4
        ipv4, ipv6 = (f'"{address.cidr}"', "null") if four else ("null", f'"{address.cidr}"')
        rule = f'{{ ipv4 = {ipv4}, ipv6 = {ipv6}, protocol = "{protocol}", port = {port} }}'
        yield f'    "{address.cidr} {protocol} {port}" = {rule}'


def _json(body: object) -> str:
    return lines(json.dumps(body, indent=2))


CLOUDS = (
    Format(
        "aws-prefix-list",
        AWS_FILE,
        "input of `aws ec2 create-managed-prefix-list`",
        aws_prefix_list,
        FOR_ANYBODY,
        one_family=True,
    ),
    Format(
        "aws-prefix-list-update",
        AWS_UPDATE_FILE,
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
    Format(
        "gcp-address-group",
        GCP_GROUP_FILE,
        "flags for gcloud network-security address-groups",
        gcp_address_group,
        FOR_ANYBODY,
        one_family=True,
        comment="#",
    ),
    Format(
        "azure-nsg",
        AZURE_FILE,
        "security rules as a template for az deployment group create",
        azure_nsg,
        FOR_ONE_SIDE,
        one_family=True,
    ),
    Format("terraform", "terraform.tf", "local values: the ranges, and rules by address", terraform, FOR_ANYBODY),
)
