"""A LoadBalancer Service for SIP on a reserved address: its spec, wait condition and error message."""

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
from trunk_text import Network

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


@dataclass(frozen=True)
class Admission:
    """`ranges`: sorted, IPv4 first, none inside another; empty: those of the settings, or every source. `opens`: the
    firewall has to change before the trunk ACL, otherwise after it. `closes`: a Service will admit less than now.
    `left`: ranges that stay admitted until the next update, because this one opens; `open`: Services that admit every
    source until then, by logical name."""

    ranges: tuple[Network, ...] = ()
    opens: bool = False
    closes: bool = False
    left: int = 0
    open: frozenset[str] = frozenset()

    def of(self, service: str, *, dual: bool) -> list[str]:
        """For this Service, of IPv4 or of both families. An IPv4 Service gets no IPv6 ranges: GKE's older load balancer
        puts all into one firewall rule, which holds one family. Empty only for one of `open`: GKE takes that for every
        source."""
        return [] if service in self.open else [str(each) for each in self.ranges if dual or each.version == 4]


@dataclass(frozen=True)
class WayIn:
    """What addresses and Services of customers' ways in have in common. `labels` go on both; `protect` locks the
    addresses and the LoadBalancers.

    `on_failure`: run by the engine if a LoadBalancer does not come up, for example `explain_pending`. `admission`: the
    only sources of its LoadBalancers; None, or one without ranges: those of the settings, or all. `after`: what has to
    be there first.
    """

    ingress: Ingress
    region: str
    labels: Mapping[str, str]
    protect: bool
    on_failure: pulumi.ErrorHook | None = None
    admission: Admission | None = None
    after: Sequence[pulumi.Resource] = ()

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
        dual = len(reserved) > 1
        sources = self.admission.of(name, dual=dual) if self.admission and self.admission.ranges else None
        spec = load_balancer_spec(ingress, ports, dual=dual, sources=sources)
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
        opts = pulumi.ResourceOptions(
            parent=parent, protect=self.protect, hooks=hooks, depends_on=list(self.after) or None
        )
        self.service(name, known_as, spec, annotations, opts)


def load_balancer_spec(
    ingress: Ingress, ports: Sequence[ServicePort], *, dual: bool = False, sources: Sequence[str] | None = None
) -> Properties:
    """The spec of a LoadBalancer Service that carries SIP, without its address. `sources`: the ranges it admits, empty
    for every source; None: those of the settings.

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
        "loadBalancerSourceRanges": list(ingress.source_ranges if sources is None else sources) or None,
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
