"""The DNS names of the ingress, at the hosts of the zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi

from components.dns_routing import Probed, health_check, routing_policy
from components.gandi.record_set import GandiRecordSet, GandiRecordSetArgs
from components.look_up import Sought, look_up
from components.sdk import dns as cloud_dns
from engine.refusal import RefusedError
from engine.tokens import SIP_DNS
from inventory.endpoint import Record
from plan import plan
from settings import Settings
from settings.dns import Dns, Zone


@dataclass(frozen=True)
class SipDnsArgs:
    """`records` are the plan's (`plan/`): no address is ever typed into one. `addresses`: IP by the names that stand in
    them, empty where the plan knows the IPs.

    `probed`: what the routing of records asks, where it asks anything; `dedicated`: the component that has customers'
    own addresses. In the state their names are its own, and so they stay there when the shared names pass to another
    stack (docs/regions.md). `name_servers`: those of somebody else's zone, where they were looked up already
    (`look_up_zone`).
    """

    dns: Dns
    records: Sequence[Record]
    addresses: Mapping[str, pulumi.Output[str]]
    labels: Mapping[str, str]
    protect: bool
    probed: Probed | None = None
    dedicated: pulumi.Resource | None = None
    name_servers: Sequence[str] | None = None


@dataclass(frozen=True)
class HostedZone:
    """What a backend tells of the zone: its name servers, and the DS records for the parent zone when it is signed."""

    name_servers: pulumi.Output[Sequence[str]]
    ds_records: pulumi.Output[Sequence[str]]


class ZoneHost(Protocol):
    """A DNS backend. Another one joins by implementing this and standing in `HOSTS`."""

    def zone(self) -> HostedZone:
        """Declare the zone, or look it up when it belongs to somebody else."""

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        """Declare one whole record set under the logical name `name`, as a child of `owner`."""


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
            host = HOSTS[backend](self, prefix, args)
            zones.append(host.zone())
            for record in args.records:
                owner = args.dedicated if record.customer and args.dedicated else self
                host.record_set(logical_name(prefix, args.dns.domain, record), record, owner)
        self.name_servers = zones[0].name_servers
        self.ds_records = zones[0].ds_records
        self.register_outputs({"nameServers": self.name_servers, "dsRecords": self.ds_records})


class CloudDns:
    """Google Cloud DNS."""

    def __init__(self, component: SipDns, name: str, args: SipDnsArgs) -> None:
        self._component = component
        self._name = name
        self._args = args
        self._zone = _of_cloud_dns(args.dns)
        self._zone_name: pulumi.Input[str] = self._zone.name
        options = pulumi.ResourceOptions(parent=component)  # not protected: the cloud keeps what a policy uses
        self._check = health_check(f"{name}-probe", args.probed, options) if args.probed else None

    def zone(self) -> HostedZone:
        """See `ZoneHost`. Key signing keys are looked up once the zone is signed."""
        settings = self._zone
        unsigned: pulumi.Output[Sequence[str]] = pulumi.Output.from_input([])
        if not settings.manage:
            servers = self._args.name_servers
            if servers is None:
                servers = look_up_zone(self._args.dns) or []
            return HostedZone(pulumi.Output.from_input(servers), unsigned)
        zone = cloud_dns.ManagedZone(
            f"{self._name}-zone",
            {
                "name": settings.name,
                "dnsName": f"{self._args.dns.domain}.",
                "description": "WARP SIP edge",
                "visibility": "public",
                "dnssecConfig": _dnssec(settings.dnssec),
                "labels": self._args.labels,
            },
            self._options(),
        )
        self._zone_name = zone.name
        return HostedZone(zone.name_servers, self._ds_records(zone) if settings.dnssec else unsigned)

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        """See `ZoneHost`."""
        routing = record.routing
        cloud_dns.RecordSet(
            name,
            {
                "name": record.name,
                "managedZone": self._zone_name,
                "type": record.type,
                "ttl": self._args.dns.ttl_seconds,
                "rrdatas": None if routing else record.values(self._args.addresses),
                "routingPolicy": routing_policy(routing, self._check) if routing else None,
            },
            # Of a name and type there is one set at a time, and left alone the plugin makes the new one first: the API
            # answers 409. (A health check that a policy gets is such a replacement.)
            pulumi.ResourceOptions(parent=owner, protect=self._args.protect, delete_before_replace=True),
        )

    def _ds_records(self, zone: cloud_dns.ManagedZone) -> pulumi.Output[Sequence[str]]:
        """None of a zone that has no keys yet: a plugin answers with no list at all then."""
        sought = _sought(self._zone)

        def ask(zone_id: str) -> Sequence[str]:
            found = look_up(sought, lambda: cloud_dns.get_keys(zone_id=zone_id))
            return [key["dsRecord"] for key in found.get("keySigningKeys") or () if key.get("dsRecord")]

        return zone.id.apply(ask)

    def _options(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self._component, protect=self._args.protect)


def look_up_zone(dns: Dns) -> Sequence[str] | None:
    """Name servers of somebody else's zone at Cloud DNS; None where the zone is ours or at another host.

    To be called before anything is declared. Raises `RefusedError` when the zone is not there, or does not hold the
    domain: it is the domain's own or that of one above it, where nothing is delegated in between.
    """
    zone = _of_cloud_dns(dns) if "cloud-dns" in dns.hosts else None
    if zone is None or zone.manage:
        return None
    found = look_up(_sought(zone), lambda: cloud_dns.get_managed_zone(name=zone.name))
    held = found.get("dnsName")
    if held and not f".{dns.domain}.".endswith(f".{held}"):
        raise RefusedError(
            f"zone {zone.name} at Cloud DNS is for {held}, and the names are below {dns.domain}.",
            f"correct warp-edge:dns.zone.name or warp-edge:dns.domain (`{_sought(zone).listed_by}` shows all)",
        )
    return found.get("nameServers") or []


def _sought(zone: Zone) -> Sought:
    return Sought(
        what=f"zone {zone.name} at Cloud DNS",
        keys="warp-edge:dns.zone.name" + ("" if zone.manage else ", or set warp-edge:dns.zone.manage: true to make it"),
        listed_by="gcloud dns managed-zones list",
        role="roles/dns.reader",
        api="dns.googleapis.com",
    )


def _of_cloud_dns(dns: Dns) -> Zone:
    """The settings refuse Cloud DNS without a zone."""
    if dns.zone is None:
        raise AssertionError("the settings let Cloud DNS through without a zone")
    return dns.zone


def _dnssec(signed: bool | None) -> cloud_dns.DnssecConfig | None:
    """None keeps what the zone has: that is how an adopted zone stays untouched."""
    if signed is None:
        return None
    return {"state": "on" if signed else "off"}


class GandiDns:
    """Gandi LiveDNS. The zone is there as long as the domain's name servers are Gandi's; only record sets are ours."""

    def __init__(self, _component: SipDns, _name: str, args: SipDnsArgs) -> None:
        self._args = args

    def zone(self) -> HostedZone:
        """See `ZoneHost`. The zone is there already, and so is its delegation: nobody has to be told of it."""
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


HOSTS: dict[str, Callable[[SipDns, str, SipDnsArgs], ZoneHost]] = {"cloud-dns": CloudDns, "gandi": GandiDns}


def logical_name(component: str, domain: str, record: Record) -> str:
    """`dns-sip-a`, `dns-_sip._udp-srv`; the zone's apex is `@`."""
    label = record.name.removesuffix(f"{domain}.").removesuffix(".") or "@"
    return f"{component}-{label}-{record.type.lower()}"


def import_ids(name: str, settings: Settings) -> dict[str, str]:
    """Logical name -> the id under which the plugin imports it (docs/adopt.md). Record sets at Gandi are not imported:
    the first update adopts equal ones."""
    dns = settings.dns
    if dns.zone is None:
        return {}
    zone = f"projects/{settings.project}/managedZones/{dns.zone.name}"
    return {f"{name}-zone": zone} | {
        logical_name(name, dns.domain, record): f"{zone}/rrsets/{record.name}/{record.type}"
        for record in plan(settings).records
    }
