"""Functions that a program can call: look-ups in the cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from local_cloud.cloud import Cloud
from local_cloud.errors import CloudError, google_error
from local_cloud.gcp.addresses import ADDRESS, CLUSTER, users_of
from local_cloud.gcp.dns_zones import ZONE
from local_cloud.gcp.routers import ROUTER
from local_cloud.gcp.rules import NETWORK, SUBNETWORK
from local_cloud.links import name_of
from local_cloud.resource_type import Settings
from local_cloud.values import Props

Function = Callable[[Cloud, Settings, Props], Props]


def _arguments(token: str, given: Props, allowed: set[str]) -> None:
    if unknown := sorted(set(given) - allowed):
        raise CloudError(f"{token}: an argument named {', '.join(unknown)} is not expected here")


def get_address(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:compute/getAddress:getAddress", given, {"name", "project", "region"})
    project, region = given.get("project") or settings.project, given.get("region") or settings.region
    path = f"projects/{project}/regions/{region}/addresses/{given['name']}"
    with cloud.view() as tx:
        body = tx.get(ADDRESS, path)
        users = users_of(tx, path)
    if body is None:
        raise google_error(404, f"The resource '{path}' was not found", "notFound")
    names = ("address", "addressType", "name", "networkTier", "project", "purpose", "region", "selfLink")
    blank = {"network": body.get("network") or "", "subnetwork": body.get("subnetwork") or ""}
    return {
        **{name: body.get(name) or "" for name in names},
        **blank,
        "prefixLength": body.get("prefixLength") or 0,
        "status": "IN_USE" if users else "RESERVED",
        "users": users,
        "id": path,
    }


def get_router(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:compute/getRouter:getRouter", given, {"name", "network", "project", "region"})
    project, region = given.get("project") or settings.project, given.get("region") or settings.region
    path = f"projects/{project}/regions/{region}/routers/{given['name']}"
    with cloud.view() as tx:
        body = tx.get(ROUTER, path)
    if body is None:
        raise google_error(404, f"The resource '{path}' was not found", "notFound")
    blocks = {"bgps": [body["bgp"]] if body.get("bgp") else [], "md5AuthenticationKeys": [], "params": []}
    names = ("name", "network", "project", "region", "description", "nccGateway", "selfLink", "creationTimestamp")
    texts = {name: body.get(name) or "" for name in names}
    return {**texts, **blocks, "encryptedInterconnectRouter": False, "deletionPolicy": "DELETE", "id": path}


def get_network(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:compute/getNetwork:getNetwork", given, {"name", "networkProfile", "project", "selfLink"})
    project = given.get("project") or settings.project
    path = f"projects/{project}/global/networks/{given.get('name') or name_of(given.get('selfLink', ''))}"
    with cloud.view() as tx:
        body = tx.get(NETWORK, path)
        subnetworks = [one.body for one in tx.all(SUBNETWORK, f"projects/{project}/")]
    if body is None:
        raise google_error(404, f"The resource '{path}' was not found", "notFound")
    names = ("name", "description", "gatewayIpv4", "internalIpv6Range", "networkProfile", "project", "selfLink")
    return {
        **{name: body.get(name) or "" for name in names},
        "networkId": int(body["networkId"]),
        "numericId": str(body["networkId"]),
        "subnetworksSelfLinks": [one["selfLink"] for one in subnetworks if one["network"] == body["selfLink"]],
        "id": path,
    }


def get_managed_zone(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:dns/getManagedZone:getManagedZone", given, {"name", "project"})
    body = _zone(cloud, given.get("project") or settings.project, given["name"])
    names = ("name", "description", "dnsName", "nameServers", "project", "visibility")
    zone = f"projects/{body['project']}/managedZones/{body['name']}"
    return {**{name: body.get(name) for name in names}, "managedZoneId": body["managedZoneId"], "id": zone}


def get_keys(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:dns/getKeys:getKeys", given, {"managedZone", "project"})
    body = _zone(cloud, given.get("project") or settings.project, name_of(given["managedZone"]))
    keys = body.get("keys") or []
    if not keys:
        # Observed: for a zone without keys the real plugin's answer has no list at all.
        return {"managedZone": given["managedZone"]}
    return {
        "keySigningKeys": [key for key in keys if "dsRecord" in key],
        "zoneSigningKeys": [{**key, "digests": []} for key in keys if "dsRecord" not in key],
        "managedZone": body["name"],
        "project": body["project"],
        "id": f"projects/{body['project']}/managedZones/{body['name']}",
    }


def _zone(cloud: Cloud, project: str, name: str) -> Props:
    with cloud.view() as tx:
        body = tx.get(ZONE, f"projects/{project}/managedZones/{name}")
    if body is None:
        raise google_error(404, f"The 'parameters.managedZone' resource named '{name}' does not exist.", "notFound")
    return body


def get_cluster(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:container/getCluster:getCluster", given, {"name", "location", "project"})
    project, location = given.get("project") or settings.project, given.get("location") or settings.region
    path = f"projects/{project}/locations/{location}/clusters/{given['name']}"
    with cloud.view() as tx:
        body = tx.get(CLUSTER, path)
    if body is None:
        raise google_error(404, f"Not found: {path}.", "notFound")
    return {**body, "id": path}


def get_project(cloud: Cloud, settings: Settings, given: Props) -> Props:
    _arguments("gcp:organizations/getProject:getProject", given, {"projectId"})
    project = given.get("projectId") or settings.project
    with cloud.view() as tx:
        network = tx.get(NETWORK, f"projects/{project}/global/networks/default")
    if network is None:
        raise google_error(403, f"Permission denied on project {project} (or it may not exist)", "forbidden")
    number = str(100_000_000_000 + int(network["networkId"]) % 1_000_000)
    return {
        "projectId": project,
        "name": project,
        "number": number,
        "id": f"projects/{project}",
        "labels": {},
        "effectiveLabels": {},
        "pulumiLabels": {},
        "billingAccount": "",
        "folderId": "",
        "orgId": "",
        "autoCreateNetwork": True,
        "deletionPolicy": "PREVENT",
        "tags": {},
    }


# Three of about sixty (docs.cloud.google.com/monitoring/uptime-checks/using-uptime-checks, "List uptime-check server IP
# addresses").
CHECKERS: Final = (
    ("USA_IOWA", "Iowa", "35.186.144.97"),
    ("EUROPE", "Belgium", "35.187.242.246"),
    ("ASIA_PACIFIC", "Singapore", "2600:1900:4080:133::"),
)


def get_uptime_check_ips(_cloud: Cloud, _settings: Settings, given: Props) -> Props:
    _arguments("gcp:monitoring/getUptimeCheckIPs:getUptimeCheckIPs", given, set())
    checkers = [{"region": region, "location": place, "ipAddress": ip} for region, place, ip in CHECKERS]
    return {"uptimeCheckIps": checkers, "id": "uptime_check_ips_id"}


FUNCTIONS: Final[Mapping[str, Function]] = {
    "gcp:compute/getAddress:getAddress": get_address,
    "gcp:compute/getRouter:getRouter": get_router,
    "gcp:compute/getNetwork:getNetwork": get_network,
    "gcp:container/getCluster:getCluster": get_cluster,
    "gcp:dns/getKeys:getKeys": get_keys,
    "gcp:dns/getManagedZone:getManagedZone": get_managed_zone,
    "gcp:monitoring/getUptimeCheckIPs:getUptimeCheckIPs": get_uptime_check_ips,
    "gcp:organizations/getProject:getProject": get_project,
}
