"""A LoadBalancer Service that carries SIP on a reserved address: its spec, what it waits for, and what may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.sdk.resource import Properties
from engine.refusal import RefusedError
from settings.ingress import Ingress

Protocol = Literal["UDP", "TCP"]

# docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters
PINNED_BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
BACKEND_SERVICE_CLASS = "networking.gke.io/l4-regional-external"  # what that annotation needs

# An address made by hand may have a description, and the cloud replaces an address to change it.
KEPT = ["description"]

# The kubernetes plugin waits for exactly the address: pods that are not there yet must not hold `up` back.
WAIT_FOR = "pulumi.com/waitFor"
WAIT_SECONDS = "pulumi.com/timeoutSeconds"
HAS_ADDRESS = "jsonpath={.status.loadBalancer.ingress[0].ip}"
SKIP_WAIT = "pulumi.com/skipAwait"
TAKE_OVER = "pulumi.com/patchForce"


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service. `target`: the pod's port, when it is another."""

    name: str
    port: int
    protocol: Protocol
    target: int | None = None


def waits_for_its_address(ingress: Ingress) -> dict[str, pulumi.Input[str]]:
    """Annotations: `up` waits for the address, with a bound, and for nothing else."""
    return {WAIT_FOR: HAS_ADDRESS, WAIT_SECONDS: str(ingress.address_timeout_seconds)}


def load_balancer_spec(ingress: Ingress, ports: Sequence[ServicePort], *, dual: bool = False) -> Properties:
    """The spec of a LoadBalancer Service that carries SIP, without its address.

    Raises `RefusedError` for a Service that mixes protocols: on GKE before 1.36 it stays `<pending>` for ever
    (docs.cloud.google.com/kubernetes-engine/docs/how-to/mixed-protocol-lb).
    """
    protocols = sorted({port.protocol for port in ports})
    if len(protocols) != 1:
        raise RefusedError(
            f"a LoadBalancer Service with the protocols {' and '.join(protocols) or 'none'} cannot be declared",
            "declare one Service per protocol",
        )
    return {
        "type": "LoadBalancer",
        # Delivers on the node and keeps the caller's source address, which is what customers authenticate with.
        "externalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": ingress.affinity_seconds}},
        "selector": ingress.selector,
        "ports": service_ports(ports),
        "loadBalancerSourceRanges": list(ingress.source_ranges) or None,
        "ipFamilyPolicy": "RequireDualStack" if dual else None,
        "ipFamilies": ["IPv4", "IPv6"] if dual else None,
    }


def service_ports(ports: Sequence[ServicePort]) -> list[Properties]:
    """The ports of a Service's spec."""
    return [
        {"name": port.name, "port": port.port, "targetPort": port.target or port.port, "protocol": port.protocol}
        for port in ports
    ]


def explain_pending(failed: pulumi.ErrorHookArgs) -> bool:
    """Says where to look when a LoadBalancer did not come up; False: do not try again by itself."""
    metadata = (failed.new_inputs or failed.old_inputs or {}).get("metadata", {})
    service, namespace = metadata.get("name", failed.name), metadata.get("namespace", "default")
    pulumi.log.error(
        f"LoadBalancer Service {namespace}/{service}: {failed.failed_operation} failed. If it has no address yet, look"
        f" at its events (`kubectl --namespace {namespace} describe service {service}`), at the quota of forwarding"
        " rules in the region, and whether its reserved address is of this region and free"
        " (`gcloud compute addresses list`). Then run `pulumi up` again."
    )
    return False
