"""What a DNS host is for the program: a zone, and record sets in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import pulumi

from inventory.endpoint import Record
from settings.dns import Dns
from settings.dns_routing import Probe
from settings.tls import Tls


@dataclass(frozen=True)
class Probed:
    """How addresses are probed, and at which port: all of them at the same."""

    probe: Probe
    port: int


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
    """A DNS backend: `Host` of `components/<name>/host.py`, for each name in `engine.dns_hosts.HOSTS`."""

    def zone(self) -> HostedZone:
        """Declare the zone, or look it up when it belongs to somebody else."""

    def record_set(self, name: str, record: Record, owner: pulumi.Resource) -> None:
        """Declare one whole record set under the logical name `name`, as a child of `owner`."""


def host(backend: str) -> Callable[[pulumi.Resource, str, SipDnsArgs], ZoneHost]:
    """The class of a host; its component, the prefix of logical names and the arguments make one. Imported when a zone
    is there: the other hosts' clients are not loaded."""
    module = import_module(f"components.{backend.replace('-', '_')}.host")
    return cast("Callable[[pulumi.Resource, str, SipDnsArgs], ZoneHost]", module.Host)


def look_before_caa(dns: Dns, tls: Tls) -> None:
    """To be called before anything is declared, in stacks with CAA records alone: it asks a resolver. Raises
    `RefusedError` for a zone whose DNSSEC chain is broken."""
    from components.dns_chain import look  # noqa: PLC0415 - a DNS library, which other stacks do without

    if advice := look(dns.domain, tls.resolvers):
        pulumi.log.warn(advice)
    if locked_out := _locked_out(dns.domain, tls):
        pulumi.log.warn(locked_out)


def _locked_out(domain: str, tls: Tls) -> str:
    """CAA records are for all names below the domain, also those of other teams: a web site's CA, for example."""
    assert tls.caa
    missing = [key for key in ("others", "wildcards") if not getattr(tls.caa, key)]
    if not missing:
        return ""
    kinds = {"others": "certificates", "wildcards": "wildcard certificates"}
    allowed = {"others": f"no CA but {tls.caa_issuer}", "wildcards": "no CA"}
    said = ", and ".join(f"{allowed[key]} can issue {kinds[key]}" for key in missing)
    keys = " and ".join(f"tls.caa.{key}" for key in missing)
    return f"CAA: {said} for any name of {domain}, the web site's too; list other CAs in {keys} (docs/certificates.md)"
