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
from components.sdk.compute import Address as ReservedAddress
from components.sdk.kubernetes import Service, ServiceSpec
from engine.refusal import RefusedError
from engine.tokens import SIP_INGRESS
from inventory.address import Address, Direction, Kind, Status
from inventory.endpoint import Listener
from settings import Settings
from settings.ingress import AnnouncedIngress, Ingress, InternalListener, Ipv6, PublicListener, ipv6_name
from settings.ledger import RetiredAddress
from settings.lifecycle import reason_of


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

    Outputs: `addresses` (inventory addresses, in the order UDP, TCP, announced), `udp` and `tcp` (listeners, for DNS).
    """

    addresses: list[pulumi.Output[Address]]
    udp: Listener[pulumi.Output[str]]
    tcp: Listener[pulumi.Output[str]]

    def __init__(self, name: str, args: SipIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(SIP_INGRESS, name, None, opts)
        self._name = name
        self._args = args
        self.addresses = []
        self.udp = self._listener("UDP", args.ingress.udp)
        self.tcp = self._listener("TCP", args.ingress.tcp)
        for address, coming in args.ingress.announced.items():
            self._announce(address, coming)
        if args.ingress.internal:
            self._internal(args.ingress.internal)
        self.register_outputs({"udp": self.udp.ipv4, "tcp": self.tcp.ipv4})

    def _listener(self, protocol: Protocol, listener: PublicListener) -> Listener[pulumi.Output[str]]:
        ingress, purpose = self._args.ingress, f"Customer ingress ({protocol})"
        ipv4, ipv6 = self._reserve(protocol, listener.address)
        answering = ipv6 if ingress.has_ipv6(listener) else None
        self._load_balancer(protocol, listener, [ipv4, *([answering] if answering else [])])
        successors = [name for name, coming in ingress.announced.items() if coming.protocol == protocol]
        self._publish(protocol, ipv4, listener, purpose=purpose, status=Status.ACTIVE, replaced_by=successors)
        if ipv6:
            following = [ipv6_name(name) for name in successors] if answering else []
            status = listener.ipv6.state
            self._publish(protocol, ipv6, listener.ipv6, purpose=purpose, status=status, replaced_by=following)
        return Listener(listener.ports, ipv4.address, answering.address if answering else None)

    def _announce(self, address: str, coming: AnnouncedIngress) -> None:
        """Reserve an address that a LoadBalancer will move to, and publish it."""
        purpose = coming.purpose or f"Customer ingress ({coming.protocol})"
        ipv4, ipv6 = self._reserve(coming.protocol, address)
        self._publish(coming.protocol, ipv4, coming, purpose=purpose, status=Status.ANNOUNCED)
        if ipv6:
            self._publish(coming.protocol, ipv6, coming.ipv6, purpose=purpose, status=Status.ANNOUNCED)

    def _reserve(self, protocol: Protocol, address: str) -> tuple[ReservedAddress, ReservedAddress | None]:
        """The IPv4 address, and the IPv6 one beside it. Keyed by name, so that an announced one becomes active as it
        is; stacks of before know the active ones by their role alone."""
        role, args = f"{self._name}-{protocol.lower()}-address", self._args

        def options(alias: str) -> pulumi.ResourceOptions:
            serves = address == self._listener_of(protocol).address
            aliases = [pulumi.Alias(name=alias)] if serves else None
            return pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=KEPT, aliases=aliases)

        ipv4 = ReservedAddress(
            f"{role}-{address}",
            {"name": address, "region": args.region, "addressType": "EXTERNAL", "labels": args.labels},
            options(role),
        )
        if not args.ingress.ipv6_subnetwork:
            return ipv4, None
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
        return ipv4, ipv6

    def _listener_of(self, protocol: Protocol) -> PublicListener:
        return self._args.ingress.listeners[protocol]

    def _publish(
        self,
        protocol: Protocol,
        reserved: ReservedAddress,
        life: PublicListener | AnnouncedIngress | Ipv6,
        *,
        purpose: str,
        status: Status,
        replaced_by: Sequence[str] = (),
    ) -> None:
        described = pulumi.Output.all(reserved.name, reserved.address).apply(
            lambda found: Address(
                purpose=purpose,
                name=found[0],
                address=found[1],
                kind=Kind.LOAD_BALANCER,
                direction=Direction.INBOUND,
                protocols=(protocol,),
                ports=tuple(self._listener_of(protocol).ports.values()),
                region=self._args.region,
                status=status,
                replaced_by=tuple(replaced_by),
                announced_on=life.announced_on,
                active_on=life.active_on,
                notice_reason=reason_of(life.notice_override),
            )
        )
        self.addresses.append(described)

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
        spec: ServiceSpec = {
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
        spec: ServiceSpec,
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


def refuse_cut(ingress: Ingress, serving: Set[str], legacy: Mapping[str, RetiredAddress]) -> None:
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
        retired = legacy.get(name)
        if not (retired and retired.retired_on and retired.replaced_by):
            raise RefusedError(
                f"ingress address {name} is active and cannot just go: customers send calls to it",
                "announce another under warp-edge:ingress.announced; when the LoadBalancer moves to it, put"
                f" {name} under warp-edge:legacy with retiredOn and replacedBy",
            )


def import_ids(name: str, settings: Settings) -> dict[str, str]:
    """Logical name -> the id under which the plugin imports it (docs/adopt.md)."""
    ingress = settings.ingress
    addresses = f"projects/{settings.project}/regions/{settings.region}/addresses"
    ids = {}
    for role, listener in (("udp", ingress.udp), ("tcp", ingress.tcp)):
        coming = [each for each, announced in ingress.announced.items() if announced.protocol == role.upper()]
        for ipv4 in (listener.address, *coming):
            for address in (ipv4, ipv6_name(ipv4)):
                ids[f"{name}-{role}-address-{address}"] = f"{addresses}/{address}"
        ids[f"{name}-{role}"] = f"{ingress.namespace}/{listener.service}"
    if ingress.internal:
        ids[f"{name}-internal"] = f"{ingress.namespace}/{ingress.internal.service}"
    return ids
