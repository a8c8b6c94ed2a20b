"""The DNS names of the ingress."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from engine.dns_hosts import HOSTS
from settings.base import Domain, HostLabel, Name, Section
from settings.problems import LONGEST_NAME, refuse
from settings.rules import rule

# RFC 3986, section 3: scheme and authority only, without user information or path.
PLACE = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?")


class Zone(Section):
    """The zone at Cloud DNS."""

    name: Name = Field(description="name of the managed zone")
    manage: bool = Field(
        True, description="false: the zone exists and another stack or team owns it; only record sets are declared"
    )
    dnssec: bool | None = Field(
        None, description="sign the zone; the DS records are in the output `dns`; absent: leave it as it is"
    )

    @rule
    def _only_the_owner_signs(cls, dnssec: bool | None, manage: bool) -> None:
        if dnssec and not manage:
            raise refuse("a zone that is not managed here cannot be signed here", "ask its owner, or set manage: true")


class SrvWeights(Section):
    """RFC 2782: lowest priority first, weight shares among equals."""

    priority: int = Field(10, ge=0, le=65535, description="lowest first")
    weight: int = Field(50, ge=0, le=65535, description="share among equals")


class DnsNames(Section):
    """Labels below the domain."""

    primary: HostLabel = Field(
        "sip", description="the SIP server that customers configure; its A record is the UDP address"
    )
    udp: HostLabel = Field("sip-udp", description="target of _sip._udp")
    tcp: HostLabel = Field("sip-tcp", description="target of _sip._tcp and _sips._tcp")

    @field_validator("udp", "tcp")
    @classmethod
    def _names_differ(cls, label: str, info: Info) -> str:
        if label in info.data.values():
            raise refuse("names are not unique", "use three different labels in dns.names")
        return label


class Gandi(Section):
    """Gandi LiveDNS. Its token is a setting of its own (`engine/dns_hosts.py`, docs/dns.md)."""

    api: str = Field(
        "https://api.gandi.net", max_length=200, description="base URL of its API; http:// on this machine only"
    )
    adopt: bool = Field(
        False, description="overwrite other data that Gandi has under our names; otherwise that is an error"
    )
    deadline_seconds: int = Field(
        60, ge=1, le=3600, description="how long a request is retried while the API is busy or does not answer"
    )

    @rule
    def _token_stays_secret(cls, api: str) -> None:
        """The token is sent in a header: only over TLS or to this machine."""
        place = PLACE.fullmatch(api)
        if place is None or not 0 < int(place["port"] or 443) <= 65535:
            raise refuse("not the base URL of an API", "write it as https://api.gandi.net, without a path")
        if place["scheme"] == "http" and not _is_this_machine(place["host"].strip("[]")):
            raise refuse("the token would be sent in clear text", "use https://")


def refuse_unowned_zone(zone: Zone | None) -> None:
    """Exactly one of several stacks in a zone declares it: the second one would fail half way through its update."""
    if zone and "manage" not in zone.model_fields_set:
        raise refuse(
            "several stacks share this zone, and exactly one of them has to own it",
            "set dns.zone.manage: true in the stack that came first, and false in all others",
        )


def _is_this_machine(host: str) -> bool:
    """Only a loopback address: a name could resolve to any address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


if TYPE_CHECKING:
    Backend = str
else:
    Backend = Literal[(*HOSTS, "both")]
# The hosts that `both` means, while a zone is moved between them; a third host is never included.
BOTH = ("cloud-dns", "gandi")
Scope = Literal["domain", "region"]


class Dns(Section):
    """The DNS names of the ingress."""

    backend: Backend = Field("cloud-dns", description="who hosts the zone; `both`: while it moves (docs/dns.md)")
    domain: Domain = Field(description="the zone's domain, without final dot")
    zone: Zone | None = Field(None, description="the zone at Cloud DNS; needed there")
    gandi: Gandi = Field(Gandi(), description="access to Gandi LiveDNS")
    scope: Scope = Field(
        "domain",
        description="where a region's names are: right below the domain, which only one region can have; or below"
        " `<region>.<domain>`, where a stack of role `global` has the shared ones (docs/regions.md)",
    )
    names: DnsNames = Field(DnsNames(), description="labels")
    ttl_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        300,
        description="TTL of every record. Gandi accepts 300 or more; Cloud DNS also less, which shortens failover"
        " (`routing`)",
    )
    srv: SrvWeights = Field(SrvWeights(), description="priority and weight of the SRV records")
    naptr: bool = Field(False, description="publish NAPTR (RFC 3263 section 4.1)")

    @property
    def hosts(self) -> Sequence[str]:
        """The backends that host the zone; first the one that the parent zone should delegate to."""
        return _hosts(self.backend)

    @rule
    def _cloud_dns_has_a_zone(cls, zone: Zone | None, backend: str) -> None:
        at_cloud_dns = "cloud-dns" in _hosts(backend)
        if zone is None and at_cloud_dns:
            raise refuse(f"backend `{backend}` needs the zone's name", "add dns.zone.name")
        if zone and not at_cloud_dns:
            raise refuse(
                f"a zone at Cloud DNS, but the backend is `{backend}`", "remove dns.zone, or use backend: both"
            )

    @rule
    def _names_fit_below_the_domain(cls, names: DnsNames, domain: str = "") -> None:
        longest = max((names.primary, names.udp, names.tcp, "_sips._tcp"), key=len)
        if len(f"{longest}.{domain}") > LONGEST_NAME:
            raise refuse(
                f"{longest} and the domain form a name of more than {LONGEST_NAME} characters", "make it shorter"
            )

    @rule
    def _a_zone_has_one_owner(cls, scope: Scope, zone: Zone | None = None) -> None:
        if scope != "domain":
            refuse_unowned_zone(zone)

    @rule
    def _every_host_accepts_it(cls, ttl_seconds: int, backend: str) -> None:
        for host in (HOSTS[each] for each in _hosts(backend)):
            if ttl_seconds < host.least_ttl:
                raise refuse(
                    f"below {host.least_ttl} s, the least that {host.title} accepts",
                    f"use {host.least_ttl} or more; with dns.backend: cloud-dns less is possible",
                )


def _hosts(backend: str) -> Sequence[str]:
    """Of a backend; none of one that is not known."""
    return BOTH if backend == "both" else tuple(filter(HOSTS.get, (backend,)))
