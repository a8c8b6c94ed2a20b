"""Under which id the plugins import each resource that may exist already (docs/adopt.md), by logical name.

A resource that a component declares anew needs its entry here: tests/unit/test_import_ids.py compares them.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.endpoint import Record
from plan import plan
from settings import Settings
from settings.database import PEERING_SERVICE
from settings.ingress import ipv6_name
from settings.principal import database_user

Id = tuple[str, str]  # logical name, import id
OF_RENEWER = ("account", "role", "binding", "configuration", "renewer")  # all with its name


def import_ids(settings: Settings, suffix: str = "") -> dict[str, str]:
    """Logical name -> import id. Generated passwords, files of the site and grants have none: they are written again.

    `suffix`: what was drawn for the database instance's name. With a unique name there is something to adopt only once
    it is drawn: after an update that was cut off.
    """
    return dict(
        (
            *_ingress(settings),
            *_dedicated(settings),
            *_egress(settings),
            *_dns(settings),
            *_database(settings, suffix),
            *_enforcement(settings),
            *_certificate(settings),
            *_site(settings),
            *_protection(settings),
        )
    )


def record_set_name(component: str, domain: str, record: Record) -> str:
    """The logical name of a record set: `dns-sip-a`, `dns-_sip._udp-srv`; the zone's apex is `@`."""
    label = record.name.removesuffix(f"{domain}.").removesuffix(".") or "@"
    return f"{component}-{label}-{record.type.lower()}"


def _address(settings: Settings, name: str) -> str:
    return f"projects/{settings.project}/regions/{settings.region}/addresses/{name}"


def _ingress(settings: Settings) -> Iterator[Id]:
    ingress = settings.ingress
    for protocol, listener in ingress.listeners.items():
        role = f"ingress-{protocol.lower()}"
        coming = [name for name, announced in ingress.announced.items() if announced.protocol == protocol]
        for ipv4 in (listener.address, *coming):
            for name in (ipv4, ipv6_name(ipv4)):
                yield f"{role}-address-{name}", _address(settings, name)
        yield role, f"{ingress.namespace}/{listener.service}"
    if ingress.internal:
        yield "ingress-internal", f"{ingress.namespace}/{ingress.internal.service}"


def _dedicated(settings: Settings) -> Iterator[Id]:
    for each in settings.dedicated_listeners:
        role = f"dedicated-{each.key}-{each.protocol.lower()}"
        yield f"{role}-address", _address(settings, each.address)
        yield role, f"{settings.ingress.namespace}/{each.service}"


def _egress(settings: Settings) -> Iterator[Id]:
    egress = settings.egress
    yield from ((f"egress-slot-{slot}", _address(settings, slot)) for slot in egress.slots)
    router = f"projects/{settings.project}/regions/{settings.region}/routers/{egress.router.name}"
    yield "egress-router", router
    yield "egress-nat", f"{router}/{egress.nat}"


def _dns(settings: Settings) -> Iterator[Id]:
    """At Cloud DNS. What is at Gandi is not imported: the first update takes over what is the same."""
    dns = settings.dns
    if dns.zone:
        zone = f"projects/{settings.project}/managedZones/{dns.zone.name}"
        yield "dns-zone", zone
        for record in plan(settings).records:
            yield record_set_name("dns", dns.domain, record), f"{zone}/rrsets/{record.name}/{record.type}"


def _database(settings: Settings, suffix: str) -> Iterator[Id]:
    """A user is taken over without its password, which cannot be read: the next update sets it anew."""
    database, network = settings.database, settings.database.network
    if database.unique_name and not suffix:
        return
    name = f"{database.instance}-{suffix}" if database.unique_name else database.instance
    instance = f"projects/{settings.project}/instances/{name}"
    yield "database-instance", instance
    if not database.replica_of:
        yield "database-database", f"{instance}/databases/{database.name}"
        # The plugin's form for PostgreSQL: PROJECT/INSTANCE/NAME (registry.terraform.io, google_sql_user, "Import").
        yield "database-user", f"{settings.project}/{name}/{database.user}"
        for each in database.iam_users:
            yield f"database-{each}", f"{settings.project}/{name}/{database_user(each)}"
    if network.peering_range:
        yield "database-peering-range", f"projects/{settings.project}/global/addresses/{network.peering_range}"
        yield "database-peering", f"{network.private_network}:{PEERING_SERVICE}"


def _enforcement(settings: Settings) -> Iterator[Id]:
    if enforcement := settings.enforcement:
        namespace, reloader = settings.ingress.namespace, enforcement.reloader
        yield "acl-enforcement-fragments", f"{namespace}/{enforcement.config_map}"
        yield "acl-enforcement-credentials", f"{namespace}/{enforcement.secret}"
        if reloader:
            yield "acl-enforcement-proxies", f"{namespace}/{reloader.service}"
            yield "acl-enforcement-reloader", f"{namespace}/{reloader.name}"
            yield "acl-enforcement-snapshot", f"{namespace}/{reloader.name}"
            if reloader.replicas > 1:
                yield "acl-enforcement-disruptions", f"{namespace}/{reloader.name}"
            if reloader.network_policies:
                yield "acl-enforcement-proxies-network", f"{namespace}/{reloader.service}"
                yield "acl-enforcement-reloader-network", f"{namespace}/{reloader.name}"
            if reloader.pod_monitoring:
                yield "acl-enforcement-monitoring", f"{namespace}/{reloader.name}"


def _certificate(settings: Settings) -> Iterator[Id]:
    if (tls := settings.tls) and tls.issuer:
        namespace, enforcement = settings.ingress.namespace, settings.enforcement
        yield "tls-certificate", f"{namespace}/{tls.secret}"
        yield "tls-credentials", f"{namespace}/{tls.name}-credentials"
        yield from ((f"tls-{part}", f"{namespace}/{tls.name}") for part in OF_RENEWER)
        reloader = enforcement.reloader if enforcement else None
        if reloader and reloader.network_policies:
            yield "tls-network", f"{namespace}/{tls.name}"
        if reloader and reloader.pod_monitoring:
            yield "tls-monitoring", f"{namespace}/{tls.name}"


def _site(settings: Settings) -> Iterator[Id]:
    if bucket := settings.inventory_site.bucket:
        yield "inventory-site-bucket", f"{settings.project}/{bucket}"


def _protection(settings: Settings) -> Iterator[Id]:
    if settings.protection.declared:
        region = f"projects/{settings.project}/regions/{settings.region}"
        yield "edge-protection-policy", f"{region}/securityPolicies/{settings.protection.policy}"
        yield "edge-protection-service", f"{region}/networkEdgeSecurityServices/{settings.protection.service}"
