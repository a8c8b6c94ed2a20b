"""A LoadBalancer Service for SIP on a reserved address: its spec, wait condition and error message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.sdk import kubernetes
from engine.refusal import RefusedError
from settings.ingress import Ingress

Protocol = Literal["UDP", "TCP"]

# docs.cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters
PINNED_BY_NAME = "networking.gke.io/load-balancer-ip-addresses"
BACKEND_SERVICE_CLASS = "networking.gke.io/l4-regional-external"  # required by that annotation

# Manually created addresses may have a description, and changing it replaces the address.
KEPT = ["description"]

# The kubernetes plugin waits only for the address: missing pods must not block `pulumi up`.
WAIT_FOR = "pulumi.com/waitFor"
WAIT_SECONDS = "pulumi.com/timeoutSeconds"
HAS_ADDRESS = "jsonpath={.status.loadBalancer.ingress[0].ip}"
SKIP_WAIT = "pulumi.com/skipAwait"
TAKE_OVER = "pulumi.com/patchForce"


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service. `target`: the pod's port, if different."""

    name: str
    port: int
    protocol: Protocol
    target: int | None = None


def waits_for_its_address(ingress: Ingress) -> dict[str, pulumi.Input[str]]:
    """Annotations: `pulumi up` waits for the address only, with a timeout."""
    return {WAIT_FOR: HAS_ADDRESS, WAIT_SECONDS: str(ingress.address_timeout_seconds)}


def load_balancer_spec(ingress: Ingress, ports: Sequence[ServicePort], *, dual: bool = False) -> kubernetes.ServiceSpec:
    """The spec of a LoadBalancer Service that carries SIP, without its address.

    Raises `RefusedError` for a Service that mixes protocols: on GKE before 1.36 it stays `<pending>` forever
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
        # Delivers on the node and keeps the caller's source address, by which customers are authenticated.
        "externalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": ingress.affinity_seconds}},
        "selector": ingress.selector,
        "ports": service_ports(ports),
        "loadBalancerSourceRanges": list(ingress.source_ranges) or None,
        "ipFamilyPolicy": "RequireDualStack" if dual else None,
        "ipFamilies": ["IPv4", "IPv6"] if dual else None,
    }


def service_ports(ports: Sequence[ServicePort]) -> list[kubernetes.ServicePort]:
    """The ports of a Service's spec."""
    return [
        {"name": port.name, "port": port.port, "targetPort": port.target or port.port, "protocol": port.protocol}
        for port in ports
    ]


def explain_pending(failed: pulumi.ErrorHookArgs) -> bool:
    """Explain where to look if a LoadBalancer did not come up; False: no automatic retry."""
    metadata = (failed.new_inputs or failed.old_inputs or {}).get("metadata", {})
    service, namespace = metadata.get("name", failed.name), metadata.get("namespace", "default")
    pulumi.log.error(
        f"LoadBalancer Service {namespace}/{service}: {failed.failed_operation} failed. If it has no address yet, check"
        f" its events (`kubectl --namespace {namespace} describe service {service}`), the quota of forwarding"
        " rules in the region, and whether its reserved address is in this region and unused"
        " (`gcloud compute addresses list`). Then run `pulumi up` again."
    )
    return False
