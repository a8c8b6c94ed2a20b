"""Gandi LiveDNS as the host of the zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.dns_host import HostedZone, SipDnsArgs
from components.gandi.provider import GandiRecordSetProvider
from inventory.endpoint import Record


class GandiRecordSet(Resource, module="warp", name="GandiRecordSet"):
    """`pulumi-python:dynamic/warp:GandiRecordSet`, a whole record set. The names are part of the state; properties as
    Cloud DNS's."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(GandiRecordSetProvider(), name, dict(props), opts)


class Host:
    """The zone is there as long as the domain's name servers are Gandi's; only record sets are ours."""

    def __init__(self, _component: pulumi.Resource, _name: str, args: SipDnsArgs) -> None:
        self._args = args

    def zone(self) -> HostedZone:
        """See `ZoneHost`. The zone exists already, and so does its delegation."""
        nothing: pulumi.Output[Sequence[str]] = pulumi.Output.from_input([])
        return HostedZone(nothing, nothing)

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        """See `ZoneHost`."""
        dns = self._args.dns
        GandiRecordSet(
            name,
            {
                "domain": dns.domain,
                "name": record.name,
                "type": record.type,
                "ttl": dns.ttl_seconds,
                "rrdatas": record.values(self._args.addresses),
                "api": dns.gandi.api,
                "adopt": dns.gandi.adopt,
                "deadlineSeconds": dns.gandi.deadline_seconds,
            },
            pulumi.ResourceOptions(parent=owner, protect=self._args.protect),
        )
