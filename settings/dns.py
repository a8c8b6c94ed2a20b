"""The names that lead to the ingress."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic import ValidationInfo as Info

from settings.base import Domain, HostLabel, Name, Section
from settings.problems import refuse


class Zone(Section):
    """The DNS zone at the backend."""

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


class Dns(Section):
    """The names that lead to the ingress."""

    backend: Literal["cloud-dns"] = Field("cloud-dns", description="who hosts the zone")
    domain: Domain = Field(description="the zone's domain, without final dot")
    zone: Zone = Field(description="the zone")
    names: DnsNames = Field(DnsNames(), description="labels")
    ttl_seconds: int = Field(300, le=86_400, description="of every record; 300 is the least that DNS hosts accept")
    srv: SrvWeights = Field(SrvWeights(), description="priority and weight of the SRV records")
    naptr: bool = Field(False, description="publish NAPTR (RFC 3263 section 4.1)")

    @field_validator("ttl_seconds")
    @classmethod
    def _hosts_accept_it(cls, ttl: int) -> int:
        if ttl < 300:
            raise refuse("below 300 s, the least that the zone's host accepts", "use 300 or more")
        return ttl
