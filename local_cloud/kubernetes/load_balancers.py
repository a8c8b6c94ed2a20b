"""The cloud's service controller: assigns a LoadBalancer Service its address, or reports why it cannot.

Rules of GKE 1.33 (docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters): one protocol
per Service; a reserved address is named by annotation on a backend-service-based load balancer, or by value in the
deprecated `spec.loadBalancerIP`. The annotation names at most one address per family, comma-separated; the
Service's other families get an ephemeral address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from local_cloud import faults
from local_cloud.cloud import Transaction
from local_cloud.gcp.addresses import ADDRESS, CLUSTER, users_of
from local_cloud.links import name_of
from local_cloud.networks import allocate, allocate_ipv6, external_pool
from local_cloud.values import Props

ADDRESS_ANNOTATION: Final = "networking.gke.io/load-balancer-ip-addresses"
BACKEND_SERVICE_ANNOTATION: Final = "cloud.google.com/l4-rbs"
BACKEND_SERVICE_CLASS: Final = "networking.gke.io/l4-regional-external"
INTERNAL_CLASS: Final = "networking.gke.io/l4-regional-internal"
IPV6_RANGE: Final = 96  # prefix length of a forwarding rule's range


class Pending(Exception):
    """Why a load balancer has no address yet; reported as the Service's event."""


def is_load_balancer(service: Props) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer")


def address_of(service: Props) -> str:
    """The ingress address, the first of two; empty while pending."""
    return next(_addresses(service), "")


def _addresses(service: Props) -> Iterator[str]:
    for point in service.get("status", {}).get("loadBalancer", {}).get("ingress") or []:
        if point.get("ip"):
            yield str(point["ip"])


def settle(tx: Transaction, cluster: str, service: Props) -> Props:
    """The Service after the controller's sync: with its address, or pending with an event."""
    if not is_load_balancer(service):
        return {**service, "status": {"loadBalancer": {}}, "events": []}
    try:
        addresses = _ensure(tx, cluster, service)
    except Pending as reason:
        words = f"Error syncing load balancer: failed to ensure load balancer: {reason}"
        event = {"type": "Warning", "reason": "SyncLoadBalancerFailed", "message": words}
        return {**service, "status": {"loadBalancer": {}}, "events": [event]}
    if not addresses:
        event = {"type": "Normal", "reason": "EnsuringLoadBalancer", "message": "Ensuring load balancer"}
        return {**service, "status": {"loadBalancer": {}}, "events": [event]}
    ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
    event = {"type": "Normal", "reason": "EnsuredLoadBalancer", "message": "Ensured load balancer"}
    return {**service, "status": {"loadBalancer": {"ingress": ingress}}, "events": [event]}


def _ensure(tx: Transaction, cluster: str, service: Props) -> list[str]:
    """The address to use per family; none if no controller handles this Service."""
    spec = service["spec"]
    kind = spec.get("loadBalancerClass")
    if kind not in (None, BACKEND_SERVICE_CLASS, INTERNAL_CLASS):
        return []  # of another load balancer class, which has no controller here
    if faults.switched_on(tx, "lb-pending"):
        return []
    protocols = sorted({port.get("protocol", "TCP") for port in spec.get("ports", [])})
    if len(protocols) > 1:
        raise Pending(
            f"mixed protocol is not supported for LoadBalancer: this Service has {' and '.join(protocols)}; "
            "use one Service per protocol"
        )
    body = next(one.body for one in tx.all(CLUSTER) if one.body["context"] == cluster)
    region = f"projects/{body['project']}/regions/{body['location']}"
    families: list[str] = spec.get("ipFamilies") or ["IPv4"]
    pinned = _pinned(tx, region, service, families)
    # An ephemeral address stays as long as the load balancer; a reserved one is released when it is no longer named.
    current = {_family(each): each for each in _addresses(service) if not tx.count(ADDRESS, "address", each)}
    return [pinned.get(family) or current.get(family) or _ephemeral(tx, family) for family in families]


def _family(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}"


def _ephemeral(tx: Transaction, family: str) -> str:
    return allocate_ipv6(tx, IPV6_RANGE) if family == "IPv6" else allocate(tx, external_pool(tx))


def _pinned(tx: Transaction, region: str, service: Props, families: list[str]) -> dict[str, str]:
    """Family -> reserved address that the Service names. Raises `Pending` if it cannot be used."""
    annotations = service["metadata"].get("annotations") or {}
    named, wanted = annotations.get(ADDRESS_ANNOTATION), service["spec"].get("loadBalancerIP")
    found: dict[str, str] = {}
    if named:
        modern = (
            service["spec"].get("loadBalancerClass") == BACKEND_SERVICE_CLASS
            or annotations.get(BACKEND_SERVICE_ANNOTATION) == "enabled"
        )
        if not modern:
            raise Pending(
                f"annotation {ADDRESS_ANNOTATION} needs a backend service-based load balancer: "
                f"set spec.loadBalancerClass {BACKEND_SERVICE_CLASS}, or the annotation "
                f'{BACKEND_SERVICE_ANNOTATION}: "enabled"'
            )
        for name in (each.strip() for each in str(named).split(",")):
            path = f"{region}/addresses/{name_of(name)}"
            address = tx.get(ADDRESS, path)
            if address is None:
                raise Pending(f'address "{name}" was not found in {region}')
            family = _family(str(address["address"]))
            if family in found:
                raise Pending(f"annotation {ADDRESS_ANNOTATION} names more than one {family} address: {named}")
            if family not in families:
                raise Pending(f"address {name} is {family}, and the Service has {' and '.join(families)}")
            if wanted and _family(wanted) == family and wanted != address["address"]:
                raise Pending(
                    f"conflict: annotation {ADDRESS_ANNOTATION} names {name} ({address['address']}), "
                    f"spec.loadBalancerIP is {wanted}"
                )
            _refuse_used(tx, path, address, service)
            found[family] = str(address["address"])
    elif wanted:
        reserved = next(iter(tx.having(ADDRESS, "address", wanted, f"{region}/")), None)
        if reserved is None:
            raise Pending(f'requested ip "{wanted}" is neither static nor assigned to the LB')
        _refuse_used(tx, reserved.id, reserved.body, service)
        found[_family(wanted)] = str(wanted)
    return found


def _refuse_used(tx: Transaction, path: str, address: Props, service: Props) -> None:
    if address["addressType"] != "EXTERNAL":
        raise Pending(f"address {address['name']} is not external")
    mine = f"a{service['metadata']['uid'].replace('-', '')}"
    others = [user for user in users_of(tx, path) if name_of(user) != mine]
    if others:
        raise Pending(
            f"googleapi: Error 400: Invalid value for field 'resource.IPAddress': '{address['address']}'. Specified IP "
            f"address is in-use and would result in a conflict ({name_of(others[0])} uses it)., invalid"
        )
