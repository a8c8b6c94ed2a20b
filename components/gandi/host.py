"""Gandi LiveDNS as the host of the zone."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.dns_host import HostedZone, SipDnsArgs
from components.gandi.record_set import GandiRecordSet, GandiRecordSetArgs
from inventory.endpoint import Record


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
            GandiRecordSetArgs(
                dns.domain,
                record.name,
                record.type,
                dns.ttl_seconds,
                record.values(self._args.addresses),
                dns.gandi,
            ),
            pulumi.ResourceOptions(parent=owner, protect=self._args.protect),
        )
