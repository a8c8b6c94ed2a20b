"""Ingress: two reserved addresses and a LoadBalancer Service on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import pulumi

from components.load_balancer import SKIP_WAIT, TAKE_OVER, Protocol, ServicePort, WayIn, service_ports
from components.sdk.google import Address as ReservedAddress
from components.sdk.resource import Properties
from engine.refusal import RefusedError
from engine.tokens import SIP_INGRESS
from settings.ingress import Ingress, InternalListener, ipv6_name
from settings.retired import RetiredAddress


class SipIngress(pulumi.ComponentResource):
    """`warp:edge:SipIngress`: the public ingress.

    Declares the two reserved addresses (with IPv6 two more), the UDP and the TCP LoadBalancer Service, each pinned to
    its address, the internal ClusterIP Service, and announced reserved addresses, which do not answer until a
    LoadBalancer moves to them. It deliberately does not manage the namespace, the SIP proxy's Deployment, firewall
    rules (GKE creates them for the Services) and TLS certificates.

    Outputs: `addresses` (IPs by the reserved address's name: UDP, TCP, announced).
    """

    addresses: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: WayIn, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SIP_INGRESS, name, None, opts)
        self._name = name
        self._args = args
        ingress = args.ingress
        reserved: dict[str, pulumi.Output[str]] = {}
        for protocol, listener in ingress.listeners.items():
            found = self._reserve(protocol, listener.address)
            ports = [ServicePort(role, port, protocol) for role, port in listener.ports.items()]
            answering = found[: 2 if ingress.has_ipv6(listener) else 1]
            args.load_balancer(f"{name}-{protocol.lower()}", listener.service, ports, answering, self)
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
        """The IPv4 address, and the IPv6 one if configured. Keyed by name, so that an announced one becomes active
        without a change of the reservation; in older stacks active ones are keyed by role."""
        role, way = f"{self._name}-{protocol.lower()}-address", self._args

        def options(alias: str) -> pulumi.ResourceOptions:
            serves = address == way.ingress.listeners[protocol].address
            return pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(name=alias)] if serves else None)

        found = [way.reserve(f"{role}-{address}", address, options(role))]
        if subnetwork := way.ingress.ipv6_subnetwork:
            beside = {"ipVersion": "IPV6", "ipv6EndpointType": "NETLB", "subnetwork": subnetwork}
            name = ipv6_name(address)
            found.append(way.reserve(f"{role}-{name}", name, options(f"{role}-ipv6"), **beside))
        return found

    def _internal(self, listener: InternalListener) -> None:
        spec: Properties = {
            "type": "ClusterIP",
            "selector": self._args.ingress.selector,
            "ports": service_ports([ServicePort(name, port, "TCP") for name, port in listener.ports.items()]),
        }
        # Missing pods must not block `pulumi up`, and a ClusterIP has no address to wait for.
        annotations = {SKIP_WAIT: "true"}
        if self._args.ingress.take_over_fields:
            annotations[TAKE_OVER] = "true"
        opts = pulumi.ResourceOptions(parent=self)
        self._args.service(f"{self._name}-internal", listener.service, spec, annotations, opts)


def refuse_cut(ingress: Ingress, serving: Set[str], retired: Mapping[str, RetiredAddress]) -> None:
    """Refuse to remove a serving address that is not retired; `serving`: addresses that answered until now.

    A LoadBalancer that moves leaves its old address at once, so the old one has to be listed as retired, with its
    replacement. Call it before anything is declared: resources declared before a refusal would still be created.
    """
    set_back = {ipv6_name(each.address): protocol for protocol, each in ingress.listeners.items()}
    for name in sorted(serving - ingress.answering):
        if name in ingress.address_names:
            remedy = "leave it where it was, and announce another under warp-edge:ingress.announced"
            if name in set_back:
                key = f"warp-edge:ingress.{set_back[name].lower()}.ipv6.state"
                remedy = f"set {key}: active, or leave it out"
            raise RefusedError(
                f"ingress address {name} is active and cannot be set back to announced: customers send calls to it",
                remedy,
            )
        gone = retired.get(name)
        if not (gone and gone.retired_on and gone.replaced_by):
            raise RefusedError(
                f"ingress address {name} is active and cannot be removed: customers send calls to it",
                "announce another under warp-edge:ingress.announced; when the LoadBalancer moves to it, put"
                f" {name} under warp-edge:legacy with retiredOn and replacedBy",
            )
