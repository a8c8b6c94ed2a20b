"""The names that lead to the ingress."""

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

# RFC 3986, section 3: scheme and authority, nobody's name before and nothing behind them.
PLACE = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?")


class Zone(Section):
    """The zone at Cloud DNS."""

    name: Name = Field(description="name of the managed zone")
    manage: bool = Field(True, description="false: it exists and belongs to somebody else, only our records are ours")
    dnssec: bool | None = Field(
        None, description="sign the zone; the DS records are in the output `dns`; absent: leave it as it is"
    )

    @field_validator("dnssec")
    @classmethod
    def _only_the_owner_signs(cls, dnssec: bool | None, info: Info) -> bool | None:
        if dnssec and info.data.get("manage") is False:
            raise refuse("a zone that is not managed here cannot be signed here", "ask its owner, or set manage: true")
        return dnssec


class SrvWeights(Section):
    """RFC 2782: lowest priority first, weight shares among equals."""

    priority: Annotated[int, Field(ge=0, le=65535)] = Field(10, description="lowest first")
    weight: Annotated[int, Field(ge=0, le=65535)] = Field(50, description="share among equals")


class DnsNames(Section):
    """Labels below the domain."""

    primary: HostLabel = Field("sip", description="what customers type; its A record is the UDP address")
    udp: HostLabel = Field("sip-udp", description="target of _sip._udp")
    tcp: HostLabel = Field("sip-tcp", description="target of _sip._tcp and _sips._tcp")

    @field_validator("udp", "tcp")
    @classmethod
    def _names_differ(cls, label: str, info: Info) -> str:
        if label in info.data.values():
            raise refuse("two names of the edge are the same", "dns.names are three different labels")
        return label


class Gandi(Section):
    """Gandi LiveDNS. Its token is a setting of its own (`engine/dns_hosts.py`, docs/dns.md)."""

    api: str = Field(
        "https://api.gandi.net", max_length=200, description="where its API answers; http:// on this machine only"
    )
    adopt: bool = Field(False, description="put ours where Gandi has other data under our name; else that is an error")
    deadline_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, description="how long an API that is busy or does not answer is asked again"
    )

    @field_validator("api")
    @classmethod
    def _token_stays_secret(cls, api: str) -> str:
        """The token travels in a header: over TLS, or not further than this machine."""
        place = PLACE.fullmatch(api)
        if place is None or not 0 < int(place["port"] or 443) <= 65535:
            raise refuse("not the place of an API", "write it as https://api.gandi.net, with nothing behind it")
        if place["scheme"] == "http" and not _is_this_machine(place["host"].strip("[]")):
            raise refuse("the token would travel in clear", "use https://")
        return api


def refuse_zone_of_nobody(zone: Zone | None) -> None:
    """Of several stacks with names in one zone one declares it: the cloud would tell the second one half way."""
    if zone and "manage" not in zone.model_fields_set:
        raise refuse(
            "several stacks have names in this zone, and one of them owns it",
            "say dns.zone.manage: true in the stack that came first, and false in every other",
        )


def _is_this_machine(host: str) -> bool:
    """An address, not a name: a name can lead anywhere."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


if TYPE_CHECKING:
    Backend = str
else:
    Backend = Literal[(*HOSTS, "both")]
# Between which a zone moves; no other host is ever meant by `both`.
BOTH = ("cloud-dns", "gandi")
Scope = Literal["domain", "region"]


class Dns(Section):
    """The names that lead to the ingress."""

    backend: Backend = Field("cloud-dns", description="who hosts the zone; `both`: while it moves (docs/dns.md)")
    domain: Domain = Field(description="the zone's domain, without final dot")
    zone: Zone | None = Field(None, description="the zone at Cloud DNS; needed there")
    gandi: Gandi = Field(Gandi(), description="how Gandi LiveDNS is reached")
    scope: Scope = Field(
        "domain",
        description="where a region's names stand: right below the domain, which one region can have; below"
        " `<region>.<domain>`, where a stack of role `global` has the shared ones (docs/regions.md)",
    )
    names: DnsNames = Field(DnsNames(), description="labels")
    ttl_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        300,
        description="of every record. Gandi takes 300 or more; Cloud DNS takes less, and where it fails over"
        " (`routing`), less is how soon callers notice",
    )
    srv: SrvWeights = Field(SrvWeights(), description="priority and weight of the SRV records")
    naptr: bool = Field(False, description="publish NAPTR (RFC 3263 section 4.1)")

    @property
    def hosts(self) -> Sequence[str]:
        """The backends that host the zone; the one that the parent zone shall lead to comes first."""
        return _hosts(self.backend)

    @field_validator("zone")
    @classmethod
    def _cloud_dns_has_a_zone(cls, zone: Zone | None, info: Info) -> Zone | None:
        backend: str = info.data.get("backend", "")
        at_cloud_dns = "cloud-dns" in _hosts(backend)
        if zone is None and at_cloud_dns:
            raise refuse(f"backend `{backend}` needs the zone's name", "add dns.zone.name")
        if zone and backend and not at_cloud_dns:
            raise refuse(
                f"a zone at Cloud DNS, but the backend is `{backend}`", "remove dns.zone, or use backend: both"
            )
        return zone

    @field_validator("names")
    @classmethod
    def _names_fit_below_the_domain(cls, names: DnsNames, info: Info) -> DnsNames:
        domain = info.data.get("domain", "")
        longest = max((names.primary, names.udp, names.tcp, "_sips._tcp"), key=len)
        if len(f"{longest}.{domain}") > LONGEST_NAME:
            raise refuse(
                f"{longest} makes a name of more than {LONGEST_NAME} letters with the domain", "make it shorter"
            )
        return names

    @field_validator("scope")
    @classmethod
    def _a_zone_has_one_owner(cls, scope: Scope, info: Info) -> Scope:
        if scope != "domain":
            refuse_zone_of_nobody(info.data.get("zone"))
        return scope

    @field_validator("ttl_seconds")
    @classmethod
    def _every_host_accepts_it(cls, ttl: int, info: Info) -> int:
        for host in (HOSTS[each] for each in _hosts(info.data.get("backend", ""))):
            if ttl < host.least_ttl:
                raise refuse(
                    f"below {host.least_ttl} s, the least that {host.title} accepts",
                    f"use {host.least_ttl} or more; with dns.backend: cloud-dns less is possible",
                )
        return ttl


def _hosts(backend: str) -> Sequence[str]:
    """Of a backend; none of one that is not known."""
    return BOTH if backend == "both" else tuple(filter(HOSTS.get, (backend,)))
