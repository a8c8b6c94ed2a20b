"""The cloud's service controller: gives a LoadBalancer Service its address, or says why not.

Rules of GKE 1.33 (docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters): one protocol
per Service; a reserved address is named by annotation on a backend-service-based load balancer, or by value in the
deprecated `spec.loadBalancerIP`.
"""

from __future__ import annotations

from typing import Final

from sandbox import faults
from sandbox.cloud import Transaction
from sandbox.gcp.addresses import ADDRESS, CLUSTER, users_of
from sandbox.links import name_of
from sandbox.networks import allocate, external_pool
from sandbox.values import Props

ADDRESS_ANNOTATION: Final = "networking.gke.io/load-balancer-ip-addresses"
BACKEND_SERVICE_ANNOTATION: Final = "cloud.google.com/l4-rbs"
BACKEND_SERVICE_CLASS: Final = "networking.gke.io/l4-regional-external"
INTERNAL_CLASS: Final = "networking.gke.io/l4-regional-internal"


class Pending(Exception):
    """Why a load balancer has no address yet; becomes the Service's event."""


def is_load_balancer(service: Props) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer")


def address_of(service: Props) -> str:
    """The ingress address; empty while pending."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip") or "")


def settle(tx: Transaction, cluster: str, service: Props) -> Props:
    """The Service as the controller leaves it now: with its address, or pending with an event."""
    if not is_load_balancer(service):
        return {**service, "status": {"loadBalancer": {}}, "events": []}
    try:
        address = _ensure(tx, cluster, service)
    except Pending as reason:
        words = f"Error syncing load balancer: failed to ensure load balancer: {reason}"
        event = {"type": "Warning", "reason": "SyncLoadBalancerFailed", "message": words}
        return {**service, "status": {"loadBalancer": {}}, "events": [event]}
    if not address:
        event = {"type": "Normal", "reason": "EnsuringLoadBalancer", "message": "Ensuring load balancer"}
        return {**service, "status": {"loadBalancer": {}}, "events": [event]}
    ingress = [{"ip": address, "ipMode": "VIP"}]
    event = {"type": "Normal", "reason": "EnsuredLoadBalancer", "message": "Ensured load balancer"}
    return {**service, "status": {"loadBalancer": {"ingress": ingress}}, "events": [event]}


def _ensure(tx: Transaction, cluster: str, service: Props) -> str:
    """The address to use; empty when nothing looks after this Service."""
    spec = service["spec"]
    kind = spec.get("loadBalancerClass")
    if kind not in (None, BACKEND_SERVICE_CLASS, INTERNAL_CLASS):
        return ""  # another controller's, and there is none
    if faults.switched_on(tx, "lb-pending"):
        return ""
    protocols = sorted({port.get("protocol", "TCP") for port in spec.get("ports", [])})
    if len(protocols) > 1:
        raise Pending(
            f"mixed protocol is not supported for LoadBalancer: this Service has {' and '.join(protocols)}; "
            "use one Service per protocol"
        )
    body = next(one.body for one in tx.all(CLUSTER) if one.body["context"] == cluster)
    region = f"projects/{body['project']}/regions/{body['location']}"
    pinned = _pinned(tx, region, service)
    if pinned:
        return pinned
    current = address_of(service)
    # An ephemeral address stays as long as the load balancer; a reserved one is given up when it is no longer named.
    if current and not tx.count(ADDRESS, "address", current):
        return current
    return allocate(tx, external_pool(tx))


def _pinned(tx: Transaction, region: str, service: Props) -> str:
    """The reserved address that the Service names, if it names one and may have it."""
    annotations = service["metadata"].get("annotations") or {}
    name, wanted = annotations.get(ADDRESS_ANNOTATION), service["spec"].get("loadBalancerIP")
    if name:
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
        path = f"{region}/addresses/{name_of(name)}"
        address = tx.get(ADDRESS, path)
        if address is None:
            raise Pending(f'address "{name}" was not found in {region}')
        if wanted and wanted != address["address"]:
            raise Pending(
                f"conflict: annotation {ADDRESS_ANNOTATION} names {name} ({address['address']}), "
                f"spec.loadBalancerIP is {wanted}"
            )
    elif wanted:
        found = next(iter(tx.having(ADDRESS, "address", wanted, f"{region}/")), None)
        if found is None:
            raise Pending(f'requested ip "{wanted}" is neither static nor assigned to the LB')
        path, address = found.id, found.body
    else:
        return ""
    _refuse_used(tx, path, address, service)
    return str(address["address"])


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
