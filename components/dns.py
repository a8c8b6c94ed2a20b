"""The DNS names of the ingress, at the hosts of the zone."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.dns_host import SipDnsArgs, host
from engine.tokens import SIP_DNS
from plan.import_ids import record_set_name


class SipDns(pulumi.ComponentResource):
    """`warp:edge:SipDns`: the names that customers configure.

    Declares the zone at Cloud DNS (unless another stack or team owns it) and the given record sets, at one host or,
    while the zone is moved, at both: the addresses of `sip`, `sip-udp` and `sip-tcp`, the SRV records of RFC 3263,
    NAPTR if configured, and dedicated customers' names. At Cloud DNS records with routing get its policy and health
    check, elsewhere plain data. It deliberately does not manage other records of the zone, a zone at Gandi, the
    delegation at the parent, and DS records there.

    Outputs: `name_servers` and `ds_records` (lists of text in presentation format; DS empty while unsigned),
    of Cloud DNS; empty if the zone is at Gandi only, where its delegation exists already.
    """

    name_servers: pulumi.Output[Sequence[str]]
    ds_records: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: SipDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SIP_DNS, name, None, opts)
        zones = []
        for backend in args.dns.hosts:
            # Cloud DNS was first: its resources have these names in states.
            prefix = name if backend == "cloud-dns" else f"{name}-{backend}"
            at = host(backend)(self, prefix, args)
            zones.append(at.zone())
            for record in args.records:
                owner = args.dedicated if record.customer and args.dedicated else self
                at.record_set(record_set_name(prefix, args.dns.domain, record), record, owner)
        self.name_servers = zones[0].name_servers
        self.ds_records = zones[0].ds_records
        self.register_outputs({"nameServers": self.name_servers, "dsRecords": self.ds_records})
