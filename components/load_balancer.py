"""A LoadBalancer Service that carries SIP on a reserved address: its spec, what it waits for, and what may be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.sdk.google import Address
from components.sdk.kubernetes import Service
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


@dataclass(frozen=True)
class WayIn:
    """What addresses and Services of customers' ways in have in common. `labels` go on both; `protect` locks the
    addresses and the LoadBalancers.

    `on_failure` is run by the engine when a LoadBalancer does not come up; `explain_pending` is made for it.
    """

    ingress: Ingress
    region: str
    labels: Mapping[str, str]
    protect: bool
    on_failure: pulumi.ErrorHook | None = None

    def reserve(self, name: str, address: str, opts: pulumi.ResourceOptions, **more: str) -> Address:
        """A reserved address of the region; `more` are properties that IPv6 has."""
        inputs = {"name": address, "region": self.region, "addressType": "EXTERNAL", "labels": self.labels, **more}
        own = pulumi.ResourceOptions(protect=self.protect, ignore_changes=KEPT)
        return Address(name, inputs, pulumi.ResourceOptions.merge(own, opts))

    def service(
        self,
        name: str,
        known_as: str,
        spec: Properties,
        annotations: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """A Service beside the SIP proxy."""
        metadata = {"name": known_as, "namespace": self.ingress.namespace, "labels": self.labels}
        Service(name, {"metadata": {**metadata, "annotations": annotations}, "spec": spec}, opts)

    def load_balancer(
        self,
        name: str,
        known_as: str,
        ports: Sequence[ServicePort],
        reserved: Sequence[Address],
        parent: pulumi.Resource,
        *,
        new: bool = False,
    ) -> None:
        """A LoadBalancer on its reserved addresses, IPv4 first. `up` waits for the address, with a bound, and for
        nothing else. `new`: no such Service was ever made by hand, so nothing is taken over, and no rule moves."""
        ingress, hook = self.ingress, self.on_failure
        spec = load_balancer_spec(ingress, ports, dual=len(reserved) > 1)
        annotations: dict[str, pulumi.Input[str]] = {
            WAIT_FOR: HAS_ADDRESS,
            WAIT_SECONDS: str(ingress.address_timeout_seconds),
        }
        if new or ingress.pinning == "annotation":
            names = [each.name for each in reserved]
            annotations[PINNED_BY_NAME] = pulumi.Output.all(*names).apply(",".join) if names[1:] else names[0]
            spec["loadBalancerClass"] = BACKEND_SERVICE_CLASS
        else:
            spec["loadBalancerIP"] = reserved[0].address
        if ingress.take_over_fields and not new:
            annotations[TAKE_OVER] = "true"
        hooks = pulumi.ResourceHookBinding(on_error=[hook]) if hook else None
        opts = pulumi.ResourceOptions(parent=parent, protect=self.protect, hooks=hooks)
        self.service(name, known_as, spec, annotations, opts)


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
