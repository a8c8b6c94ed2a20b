"""What is in the cloud before the first deployment: a new project, or the manually created live edge.

The live edge is that of production on 2025-11-10; customers and vendors rely on its addresses, so they are fixed here
and not allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from local_cloud.cloud import Transaction
from local_cloud.gandi import zones as gandi
from local_cloud.gcp.addresses import ADDRESS, ROUTER_NAT
from local_cloud.gcp.credentials import ACCOUNT
from local_cloud.gcp.dns_zones import RECORD_SET, ZONE
from local_cloud.gcp.routers import ROUTER
from local_cloud.gcp.rules import born, ensure_project, fingerprint, numeric_id
from local_cloud.gcp.sql_instances import DATABASE
from local_cloud.gcp.sql_servers import INSTANCE
from local_cloud.kubernetes import objects
from local_cloud.kubernetes.apply import KUBECTL
from local_cloud.kubernetes.clusters import make_cluster
from local_cloud.kubernetes.services import SERVICE
from local_cloud.kubernetes.workloads import make_workload
from local_cloud.layout import DEFAULT_REGION
from local_cloud.links import self_link
from local_cloud.values import Props
from sandbox.layout import PROJECT

CLUSTER: Final = "warp-cluster"
NAMESPACE_NAME: Final = "warp-core"
RENEWER: Final = "warp-tls-renewer"
"""The Google service account that the renewer of the certificate acts as: without a role, until a stack grants one."""

SECOND_REGION: Final = "us-east1"

LIVE_PROJECT: Final = "warp-prod"
LIVE_REGION: Final = "us-central1"
LIVE_DOMAIN: Final = "ringer.tel"
LIVE_ADDRESSES: Final = {
    "kamailio-sip-udp-ip": "34.44.183.87",
    "kamailio-sip-tcp-ip": "34.55.182.145",
    "warp-nat-ip-1": "34.57.46.26",
    "warp-nat-ip-2": "35.223.15.88",
    "warp-nat-ip-3": "136.111.96.47",
}
LIVE_RECORDS: Final = (
    ("sip", "A", "34.44.183.87"),
    ("sip-udp", "A", "34.44.183.87"),
    ("sip-tcp", "A", "34.55.182.145"),
    ("_sip._udp", "SRV", "10 50 5060 sip-udp.ringer.tel."),
    ("_sip._tcp", "SRV", "10 50 5060 sip-tcp.ringer.tel."),
    ("_sips._tcp", "SRV", "10 50 5061 sip-tcp.ringer.tel."),
    ("www", "A", "198.51.100.80"),  # not managed by this program: must never be changed
)
_LIVE_MADE: Final = "2025-11-10T09:00:00.000-08:00"


def new_project(tx: Transaction, project: str, region: str) -> None:
    """A project with its network, a cluster, and in it the namespace and pods that the edge's Services select."""
    ensure_project(tx, project, region)
    gandi.new_domain(tx, LIVE_DOMAIN)
    gandi.new_domain(tx, "other-owner.example", ours=False)
    email = f"{RENEWER}@{project}.iam.gserviceaccount.com"
    account = f"projects/{project}/serviceAccounts/{email}"
    if tx.get(ACCOUNT, account) is None:
        body = {"accountId": RENEWER, "project": project, "email": email, "member": f"serviceAccount:{email}"}
        tx.create(ACCOUNT, account, {**body, "name": account, "uniqueId": numeric_id(tx)})
    _cluster_with_proxy(tx, project, region)


def second_region(tx: Transaction) -> None:
    """A cluster with the SIP proxy in another region of the sandbox's own project."""
    new_project(tx, PROJECT, DEFAULT_REGION)
    _cluster_with_proxy(tx, PROJECT, SECOND_REGION)


def _cluster_with_proxy(tx: Transaction, project: str, region: str) -> None:
    context = str(make_cluster(tx, project, region, CLUSTER)["context"])
    make_workload(tx, context, NAMESPACE_NAME, "kamailio", image="kamailio:v1.3-redis", replicas=3)


def live_edge(tx: Transaction) -> None:
    """The five addresses, router and NAT, the zone at Gandi, the same zone (not delegated) at Cloud DNS, the database,
    and the three Services created with kubectl."""
    region = f"projects/{LIVE_PROJECT}/regions/{LIVE_REGION}"
    if tx.get(ROUTER, f"{region}/routers/warp-router") is not None:
        return
    new_project(tx, LIVE_PROJECT, LIVE_REGION)
    common = {"project": LIVE_PROJECT, "region": LIVE_REGION}
    for name, address in LIVE_ADDRESSES.items():
        path = f"{region}/addresses/{name}"
        body = {
            **common,
            **born(tx, path),
            "name": name,
            "address": address,
            "addressId": numeric_id(tx),
            "addressType": "EXTERNAL",
            "ipVersion": "IPV4",
            "networkTier": "PREMIUM",
            "creationTimestamp": _LIVE_MADE,
            "effectiveLabels": {},
            "labelFingerprint": fingerprint({}),
        }
        tx.create(ADDRESS, path, body)
    _live_egress(tx, region, common)
    _live_names(tx)
    _live_zone(tx)
    _live_database(tx)
    for service in _live_services():
        cluster = f"gke_{LIVE_PROJECT}_{LIVE_REGION}_{CLUSTER}"
        key = f"{cluster}/{NAMESPACE_NAME}/{service['metadata']['name']}"
        tx.create(SERVICE, key, objects.make(tx, cluster, SERVICE, service, KUBECTL))


def _live_egress(tx: Transaction, region: str, common: Props) -> None:
    router = f"{region}/routers/warp-router"
    network = self_link(f"projects/{LIVE_PROJECT}/global/networks/default")
    made = {**born(tx, router), "creationTimestamp": _LIVE_MADE}
    tx.create(ROUTER, router, {**common, **made, "name": "warp-router", "network": network})
    nat = {
        **common,
        "name": "warp-nat",
        "router": "warp-router",
        "type": "PUBLIC",
        "natIpAllocateOption": "MANUAL_ONLY",
        "natIps": [self_link(f"{region}/addresses/warp-nat-ip-{number}") for number in (1, 2, 3)],
        "drainNatIps": [],
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
        "icmpIdleTimeoutSec": 30,
        "udpIdleTimeoutSec": 30,
        "tcpEstablishedIdleTimeoutSec": 1200,
        "tcpTransitoryIdleTimeoutSec": 30,
        "tcpTimeWaitTimeoutSec": 120,
    }
    tx.create(ROUTER_NAT, f"{router}/warp-nat", nat)


def _live_names(tx: Transaction) -> None:
    """The records at Gandi, to which the domain is delegated."""
    for label, type_, value in LIVE_RECORDS:
        for there in gandi.records(tx, LIVE_DOMAIN):  # replaces Gandi's own www
            if there["rrset_name"] == label:
                tx.drop(gandi.RECORD, gandi.record_id(LIVE_DOMAIN, label, there["rrset_type"]))
        id_ = gandi.record_id(LIVE_DOMAIN, label, type_)
        tx.create(gandi.RECORD, id_, gandi.body_of(label, type_, 300, [value]))


def _live_zone(tx: Transaction) -> None:
    """The zone at Cloud DNS, not delegated to yet: for rehearsing the move."""
    zone = f"projects/{LIVE_PROJECT}/managedZones/ringer-tel"
    servers = [f"ns-cloud-a{number}.googledomains.com." for number in range(1, 5)]
    body = {
        "project": LIVE_PROJECT,
        "name": "ringer-tel",
        "dnsName": "ringer.tel.",
        "description": "",
        "visibility": "public",
        "nameServers": servers,
        "managedZoneId": numeric_id(tx),
        "creationTime": _LIVE_MADE,
        "effectiveLabels": {},
    }
    tx.create(ZONE, zone, body)
    soa = f"{servers[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"
    sets = [("", "NS", 21600, servers), ("", "SOA", 21600, [soa])]
    sets += [(f"{label}.", type_, 300, [rrdata]) for label, type_, rrdata in LIVE_RECORDS]
    for label, type_, ttl, rrdatas in sets:
        name = f"{label}ringer.tel."
        record = {"project": LIVE_PROJECT, "managedZone": "ringer-tel", "name": name, "type": type_}
        tx.create(RECORD_SET, f"{zone}/rrsets/{name}/{type_}", {**record, "ttl": ttl, "rrdatas": rrdatas})


def _live_database(tx: Transaction) -> None:
    """An instance in Google's API only; no PostgreSQL runs for it."""
    path = f"projects/{LIVE_PROJECT}/instances/warp-db"
    network = self_link(f"projects/{LIVE_PROJECT}/global/networks/default")
    body = {
        "project": LIVE_PROJECT,
        "region": LIVE_REGION,
        "name": "warp-db",
        "databaseVersion": "POSTGRES_15",
        "instanceType": "CLOUD_SQL_INSTANCE",
        "connectionName": f"{LIVE_PROJECT}:{LIVE_REGION}:warp-db",
        "firstIpAddress": "34.42.208.57",
        "publicIpAddress": "34.42.208.57",
        "privateIpAddress": "10.126.0.3",
        "ipAddresses": [
            {"ipAddress": "34.42.208.57", "timeToRetire": "", "type": "PRIMARY"},
            {"ipAddress": "10.126.0.3", "timeToRetire": "", "type": "PRIVATE"},
        ],
        "selfLink": f"https://www.googleapis.com/sql/v1beta4/{path}",
        "serviceAccountEmailAddress": "p1-live@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "state": "RUNNABLE",
        "server": False,
        "settings": {
            "tier": "db-f1-micro",
            "edition": "ENTERPRISE",
            "version": 1,
            "activationPolicy": "ALWAYS",
            "availabilityType": "ZONAL",
            "effectiveAvailabilityType": "ZONAL",
            "connectorEnforcement": "NOT_REQUIRED",
            "diskAutoresize": True,
            "diskAutoresizeLimit": 0,
            "diskSize": 10,
            "diskType": "PD_SSD",
            "pricingPlan": "PER_USE",
            "backupConfiguration": {"enabled": False},
            "ipConfiguration": {
                "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
                "ipv4Enabled": True,
                "privateNetwork": network,
                "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
            },
        },
    }
    tx.create(INSTANCE, path, body)
    # The network got private services access when the instance got its private address.
    peering_range = f"projects/{LIVE_PROJECT}/global/addresses/google-managed-services-default"
    reserved = {
        **born(tx, peering_range),
        "project": LIVE_PROJECT,
        "name": "google-managed-services-default",
        "address": "10.126.0.0",
        "prefixLength": 20,
        "addressType": "INTERNAL",
        "purpose": "VPC_PEERING",
        "network": network,
        "effectiveLabels": {},
    }
    tx.create("gcp:compute/globalAddress:GlobalAddress", peering_range, reserved)
    connection = {
        "network": network,
        "service": "servicenetworking.googleapis.com",
        "reservedPeeringRanges": ["google-managed-services-default"],
        "peering": "servicenetworking-googleapis-com",
    }
    key = f"projects/{LIVE_PROJECT}/global/networks/default:servicenetworking.googleapis.com"
    tx.create("gcp:servicenetworking/connection:Connection", key, connection)
    database = {
        "project": LIVE_PROJECT,
        "instance": "warp-db",
        "name": "warp",
        "charset": "UTF8",
        "collation": "en_US.UTF8",
        "selfLink": f"https://www.googleapis.com/sql/v1beta4/{path}/databases/warp",
    }
    tx.create(DATABASE, f"{path}/databases/warp", database)


def _live_services() -> list[Props]:
    affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}
    balanced: Props = {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster", **affinity}
    tcp = (("sip-tcp", 5060), ("sips", 5061), ("ws", 8080), ("wss", 8443))
    udp_spec = {
        **balanced,
        "loadBalancerIP": LIVE_ADDRESSES["kamailio-sip-udp-ip"],
        "ports": [_port("sip-udp", 5060, "UDP")],
    }
    tcp_spec = {
        **balanced,
        "loadBalancerIP": LIVE_ADDRESSES["kamailio-sip-tcp-ip"],
        "ports": [_port(name, number, "TCP") for name, number in tcp],
    }
    internal = {
        "type": "ClusterIP",
        "clusterIP": "10.2.40.70",
        "ports": [_port("metrics", 9090, "TCP"), _port("http", 8000, "TCP")],
    }
    specs = {"kamailio-sip-udp": udp_spec, "kamailio-sip-tcp": tcp_spec, "kamailio-internal": internal}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE_NAME, "labels": {"app": "kamailio"}},
            "spec": {**spec, "selector": {"app": "kamailio"}},
        }
        for name, spec in specs.items()
    ]


def _port(name: str, number: int, protocol: str) -> Props:
    return {"name": name, "port": number, "targetPort": number, "protocol": protocol}


SEEDS: Final[Mapping[str, Callable[[Transaction], None]]] = {
    "live-edge": live_edge,
    "second-region": second_region,
}
