"""Customers' way in: two reserved addresses and a LoadBalancer Service on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import pulumi

from components.load_balancer import (
    BACKEND_SERVICE_CLASS,
    KEPT,
    PINNED_BY_NAME,
    SKIP_WAIT,
    TAKE_OVER,
    Protocol,
    ServicePort,
    load_balancer_spec,
    service_ports,
    waits_for_its_address,
)
from components.sdk.google import Address as ReservedAddress
from components.sdk.kubernetes import Service
from components.sdk.resource import Properties
from engine.refusal import RefusedError
from engine.tokens import SIP_INGRESS
from settings.ingress import Ingress, InternalListener, PublicListener, ipv6_name
from settings.retired import RetiredAddress


@dataclass(frozen=True)
class SipIngressArgs:
    """`labels` go on addresses and Services; `protect` locks the addresses and the LoadBalancers.

    `on_failure` is run by the engine when a LoadBalancer does not come up; `explain_pending` is made for it.
    """

    ingress: Ingress
    region: str
    labels: Mapping[str, str]
    protect: bool
    on_failure: pulumi.ErrorHook | None = None


class SipIngress(pulumi.ComponentResource):
    """`warp:edge:SipIngress`: customers' way in.

    Stands up the two reserved addresses (with IPv6 two more), the UDP and the TCP LoadBalancer Service, each pinned to
    its address, the internal ClusterIP Service, and the reserved addresses that are announced: nothing answers there
    until a LoadBalancer moves to them. It deliberately does not manage the namespace, the SIP proxy's
    Deployment, firewall rules (GKE writes them from the Services) and TLS certificates.

    Outputs: `addresses` (IPs by the reserved address's name: UDP, TCP, announced).
    """

    addresses: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SipIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SIP_INGRESS, name, None, opts)
        self._name = name
        self._args = args
        ingress = args.ingress
        reserved: dict[str, pulumi.Output[str]] = {}
        for protocol, listener in ingress.listeners.items():
            found = self._reserve(protocol, listener.address)
            self._load_balancer(protocol, listener, found[: 2 if ingress.has_ipv6(listener) else 1])
            reserved |= self._by_name(listener.address, found)
        for address, coming in ingress.announced.items():
            reserved |= self._by_name(address, self._reserve(coming.protocol, address))
        self.addresses = reserved
        if ingress.internal:
            self._internal(ingress.internal)
        self.register_outputs({"udp": reserved[ingress.udp.address], "tcp": reserved[ingress.tcp.address]})

    def _by_name(self, address: str, reserved: Sequence[ReservedAddress]) -> dict[str, pulumi.Output[str]]:
        return {name: each.address for name, each in zip((address, ipv6_name(address)), reserved, strict=False)}

    def _reserve(self, protocol: Protocol, address: str) -> list[ReservedAddress]:
        """The IPv4 address, and the IPv6 one if there is one. Keyed by name, so that an announced one becomes active as
        it is; older stacks know the active ones by their role alone."""
        role, args = f"{self._name}-{protocol.lower()}-address", self._args

        def options(alias: str) -> pulumi.ResourceOptions:
            serves = address == args.ingress.listeners[protocol].address
            aliases = [pulumi.Alias(name=alias)] if serves else None
            return pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=KEPT, aliases=aliases)

        ipv4 = ReservedAddress(
            f"{role}-{address}",
            {"name": address, "region": args.region, "addressType": "EXTERNAL", "labels": args.labels},
            options(role),
        )
        if not args.ingress.ipv6_subnetwork:
            return [ipv4]
        ipv6 = ReservedAddress(
            f"{role}-{ipv6_name(address)}",
            {
                "name": ipv6_name(address),
                "region": args.region,
                "addressType": "EXTERNAL",
                "ipVersion": "IPV6",
                "ipv6EndpointType": "NETLB",
                "subnetwork": args.ingress.ipv6_subnetwork,
                "labels": args.labels,
            },
            options(f"{role}-ipv6"),
        )
        return [ipv4, ipv6]

    def _load_balancer(self, protocol: Protocol, listener: PublicListener, reserved: Sequence[ReservedAddress]) -> None:
        ingress, hook = self._args.ingress, self._args.on_failure
        ports = [ServicePort(role, port, protocol) for role, port in listener.ports.items()]
        spec = load_balancer_spec(ingress, ports, dual=len(reserved) > 1)
        annotations = waits_for_its_address(ingress)
        if ingress.pinning == "annotation":
            annotations[PINNED_BY_NAME] = pulumi.Output.all(*(each.name for each in reserved)).apply(",".join)
            spec["loadBalancerClass"] = BACKEND_SERVICE_CLASS
        else:
            spec["loadBalancerIP"] = reserved[0].address
        self._service(
            f"{self._name}-{protocol.lower()}",
            listener.service,
            spec,
            annotations,
            pulumi.ResourceOptions(
                parent=self,
                protect=self._args.protect,
                hooks=pulumi.ResourceHookBinding(on_error=[hook]) if hook else None,
            ),
        )

    def _internal(self, listener: InternalListener) -> None:
        spec: Properties = {
            "type": "ClusterIP",
            "selector": self._args.ingress.selector,
            "ports": service_ports([ServicePort(name, port, "TCP") for name, port in listener.ports.items()]),
        }
        # Pods that are not there yet must not hold `up` back, and a ClusterIP has no address to wait for.
        annotations: dict[str, pulumi.Input[str]] = {SKIP_WAIT: "true"}
        name = f"{self._name}-internal"
        self._service(name, listener.service, spec, annotations, pulumi.ResourceOptions(parent=self))

    def _service(
        self,
        name: str,
        service: str,
        spec: Properties,
        annotations: dict[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        ingress = self._args.ingress
        if ingress.take_over_fields:
            annotations[TAKE_OVER] = "true"
        Service(
            name,
            {
                "metadata": {
                    "name": service,
                    "namespace": ingress.namespace,
                    "labels": self._args.labels,
                    "annotations": annotations,
                },
                "spec": spec,
            },
            opts,
        )


def refuse_cut(ingress: Ingress, serving: Set[str], retired: Mapping[str, RetiredAddress]) -> None:
    """Refuse to take an address from customers without a word; `serving`: those that answered until now.

    A LoadBalancer that moves leaves its old address at once, so the old one must be told as retired, with what
    replaced it. To be called before anything is declared: what was declared before a refusal is still carried out.
    """
    set_back = {ipv6_name(each.address): protocol for protocol, each in ingress.listeners.items()}
    for name in sorted(serving - ingress.answering):
        if name in ingress.address_names and name in set_back:
            raise RefusedError(
                f"ingress address {name} is active and cannot be set back to announced: customers send calls to it",
                f"set warp-edge:ingress.{set_back[name].lower()}.ipv6.state: active, or leave it out",
            )
        if name in ingress.address_names:
            raise RefusedError(
                f"ingress address {name} is active and cannot be set back to announced: customers send calls to it",
                "leave it where it was, and announce another under warp-edge:ingress.announced",
            )
        gone = retired.get(name)
        if not (gone and gone.retired_on and gone.replaced_by):
            raise RefusedError(
                f"ingress address {name} is active and cannot just go: customers send calls to it",
                "announce another under warp-edge:ingress.announced; when the LoadBalancer moves to it, put"
                f" {name} under warp-edge:legacy with retiredOn and replacedBy",
            )
