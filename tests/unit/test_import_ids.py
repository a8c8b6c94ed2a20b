"""The ids under which the live edge is adopted: for every resource that can be, in the form that the plugins take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from plan.import_ids import import_ids
from settings import Settings
from tests.stacks import Config, as_engine_gives_it, changed, stack_config
from tests.unit.recording import Edge, declare

# What no cloud has: the engine's own provider, and a generated password.
NOT_TO_BE_ADOPTED = {"cluster", "database-password"}
# What the first update takes over by itself, where Gandi has the same.
AT_GANDI = {
    f"dns-gandi-{name}"
    for name in ("sip-a", "sip-udp-a", "sip-tcp-a", "_sip._udp-srv", "_sip._tcp-srv", "_sips._tcp-srv")
}

ADDRESSES = "projects/warp-prod/regions/us-central1/addresses"
ROUTERS = "projects/warp-prod/regions/us-central1/routers"
RRSETS = "projects/warp-prod/managedZones/ringer-tel/rrsets"
LIVE_EDGE = {
    "ingress-udp-address-kamailio-sip-udp-ip": f"{ADDRESSES}/kamailio-sip-udp-ip",
    "ingress-tcp-address-kamailio-sip-tcp-ip": f"{ADDRESSES}/kamailio-sip-tcp-ip",
    "ingress-udp": "warp-core/kamailio-sip-udp",
    "ingress-tcp": "warp-core/kamailio-sip-tcp",
    "ingress-internal": "warp-core/kamailio-internal",
    "egress-slot-warp-nat-ip-1": f"{ADDRESSES}/warp-nat-ip-1",
    "egress-slot-warp-nat-ip-2": f"{ADDRESSES}/warp-nat-ip-2",
    "egress-slot-warp-nat-ip-3": f"{ADDRESSES}/warp-nat-ip-3",
    "egress-router": f"{ROUTERS}/warp-router",
    "egress-nat": f"{ROUTERS}/warp-router/warp-nat",
    "database-instance": "projects/warp-prod/instances/warp-db",
    "database-database": "projects/warp-prod/instances/warp-db/databases/warp",
    "database-user": "warp-prod/warp-db/warp_edge",
}
AT_CLOUD_DNS = {
    "dns-zone": "projects/warp-prod/managedZones/ringer-tel",
    "dns-sip-a": f"{RRSETS}/sip.ringer.tel./A",
    "dns-sip-udp-a": f"{RRSETS}/sip-udp.ringer.tel./A",
    "dns-sip-tcp-a": f"{RRSETS}/sip-tcp.ringer.tel./A",
    "dns-_sip._udp-srv": f"{RRSETS}/_sip._udp.ringer.tel./SRV",
    "dns-_sip._tcp-srv": f"{RRSETS}/_sip._tcp.ringer.tel./SRV",
    "dns-_sips._tcp-srv": f"{RRSETS}/_sips._tcp.ringer.tel./SRV",
}


def ids_of(config: Config) -> dict[str, str]:
    return import_ids(Settings.parse(as_engine_gives_it(config)))


def declared(edge: Edge) -> set[str]:
    return {each.name for each in edge.resources if each.custom}


def of_declared(config: Config) -> Mapping[str, str]:
    here = declared(declare(config))
    return {name: import_id for name, import_id in ids_of(config).items() if name in here}


def test_every_resource_of_the_live_edge_has_the_id_that_the_plugin_takes() -> None:
    assert of_declared(stack_config("prod")) == LIVE_EDGE


def test_nothing_that_can_be_adopted_is_forgotten() -> None:
    assert declared(declare(stack_config("prod"))) - set(LIVE_EDGE) == NOT_TO_BE_ADOPTED | AT_GANDI


def with_cloud_dns(backend: str) -> Config:
    config = changed(stack_config("prod"), ("warp-edge:dns", "backend"), backend)
    return changed(config, ("warp-edge:dns", "zone"), {"name": "ringer-tel"})


@pytest.mark.parametrize("backend", ["cloud-dns", "both"])
def test_what_is_at_cloud_dns_has_the_ids_that_the_plugin_takes(backend: str) -> None:
    assert of_declared(with_cloud_dns(backend)) == LIVE_EDGE | AT_CLOUD_DNS


@pytest.mark.parametrize(
    ("path", "value", "name", "import_id"),
    [
        (
            ("warp-edge:dns",),
            {"domain": "ringer.tel", "zone": {"name": "ringer-tel"}, "naptr": True},
            "dns-@-naptr",
            f"{RRSETS}/ringer.tel./NAPTR",
        ),
        (
            ("warp-edge:database", "network"),
            {"privateNetwork": "projects/warp-prod/global/networks/voice", "peeringRange": "peering"},
            "database-peering-range",
            "projects/warp-prod/global/addresses/peering",
        ),
        (
            ("warp-edge:database", "network"),
            {"privateNetwork": "projects/warp-prod/global/networks/voice", "peeringRange": "peering"},
            "database-peering",
            "projects/warp-prod/global/networks/voice:servicenetworking.googleapis.com",
        ),
        (
            ("warp-edge:database",),
            {
                "instance": "warp-db",
                "iamAuthentication": True,
                "iamUsers": ["proxy@warp-prod.iam.gserviceaccount.com"],
            },
            "database-proxy@warp-prod.iam.gserviceaccount.com",
            "warp-prod/warp-db/proxy@warp-prod.iam",
        ),
    ],
)
def test_what_is_optional_can_be_adopted_as_well(path: tuple[str, ...], value: Any, name: str, import_id: str) -> None:
    assert of_declared(changed(stack_config("prod"), path, value))[name] == import_id


def test_ipv6_addresses_and_records_can_be_adopted_as_well() -> None:
    config = changed(with_cloud_dns("cloud-dns"), ("warp-edge:ingress", "pinning"), "annotation")
    found = of_declared(changed(config, ("warp-edge:ingress", "ipv6Subnetwork"), "dual"))
    assert found["ingress-udp-address-kamailio-sip-udp-ip-ipv6"] == f"{ADDRESSES}/kamailio-sip-udp-ip-ipv6"
    assert found["ingress-tcp-address-kamailio-sip-tcp-ip-ipv6"] == f"{ADDRESSES}/kamailio-sip-tcp-ip-ipv6"
    assert found["dns-sip-aaaa"] == f"{RRSETS}/sip.ringer.tel./AAAA"
    assert len(found) == len(LIVE_EDGE | AT_CLOUD_DNS) + 5


def test_an_instance_with_a_name_of_its_own_is_new_and_has_nothing_to_adopt() -> None:
    found = of_declared(changed(stack_config("prod"), ("warp-edge:database", "uniqueName"), True))
    assert set(LIVE_EDGE) - set(found) == {"database-instance", "database-database", "database-user"}


def test_the_ids_follow_project_region_and_names() -> None:
    config = stack_config("prod") | {"gcp:project": "other-project", "gcp:region": "europe-west4"}
    config = changed(config, ("warp-edge:region",), "europe-west4")
    config = changed(config, ("warp-edge:egress", "router"), {"name": "r2", "network": "default"})
    found = of_declared(changed(config, ("warp-edge:ingress", "namespace"), "voice"))
    assert found["egress-nat"] == "projects/other-project/regions/europe-west4/routers/r2/warp-nat"
    assert found["ingress-udp"] == "voice/kamailio-sip-udp"
    assert found["database-instance"] == "projects/other-project/instances/warp-db"
