"""Dedicated ingress: reserved addresses and LoadBalancer Services of single customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.load_balancer import ServicePort, WayIn
from engine.record import DedicatedUse
from engine.refusal import RefusedError
from engine.tokens import DEDICATED_INGRESS
from inventory.address import Status
from kamailio import Own
from settings.dedicated import DedicatedListener
from settings.retired import RetiredAddress


class DedicatedIngress(pulumi.ComponentResource):
    """`warp:edge:DedicatedIngress`: dedicated ingress addresses.

    Declares a reserved address and a LoadBalancer Service on it for each protocol of each dedicated customer. Each
    Service targets ports of the SIP proxy's pods that only this customer has: they identify the dialled address, which
    kube-proxy removes from the packet. IPv4 only. It deliberately does not manage the rows of the trunk ACL that
    assign the address to the customer, the sockets of the SIP proxy (`AclEnforcement` publishes them) and names
    (`SipDns`). `way`: the SIP proxy, which these Services share with the public ones.

    Outputs: `addresses` (IPs by the reserved address's name, as one Output), `by_name` (the same, one Output each).
    """

    addresses: pulumi.Output[Mapping[str, str]]
    by_name: Mapping[str, pulumi.Output[str]]
    listeners: Sequence[DedicatedListener]

    def __init__(
        self,
        name: str,
        listeners: Sequence[DedicatedListener],
        way: WayIn,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(DEDICATED_INGRESS, name, None, opts)
        self.listeners, self._way = listeners, way
        self.by_name = {each.address: self._stand_up(name, each) for each in listeners}
        # One Output for all: with hundreds of customers, separate ones are expensive.
        self.addresses = pulumi.Output.all(**self.by_name)
        self.register_outputs({})

    def _stand_up(self, name: str, listener: DedicatedListener) -> pulumi.Output[str]:
        way, role = self._way, f"{name}-{listener.key}-{listener.protocol.lower()}"
        reserved = way.reserve(f"{role}-address", listener.address, pulumi.ResourceOptions(parent=self))
        ports = [
            ServicePort(name, port, listener.protocol, listener.targets[name]) for name, port in listener.ports.items()
        ]
        way.load_balancer(role, listener.service, ports, [reserved], self, new=True)
        return reserved.address

    def rows(self) -> dict[str, dict[str, pulumi.Input[str]]]:
        """Rows of the trunk ACL that assign each address to its customer, by the address's name; not for a draining
        address."""
        return {
            each.address: {
                "ban": each.ban,
                "address": self.by_name[each.address],
                "service": each.service,
                **({"trunk": each.settings.trunk} if each.settings.trunk else {}),
            }
            for each in self.listeners
            if each.status is Status.ACTIVE
        }

    @property
    def sockets(self) -> pulumi.Output[list[Own]]:
        """The SIP proxy's socket for each address."""
        listeners = self.listeners
        return self.addresses.apply(
            lambda found: [
                Own(each.ban, each.protocol, found[each.address], each.ports, each.targets) for each in listeners
            ]
        )


def refuse_dedicated_cut(
    listeners: Sequence[DedicatedListener], before: Mapping[str, DedicatedUse], retired: Mapping[str, RetiredAddress]
) -> None:
    """Refuse to release an address while a row or name refers to it, or to assign it to another customer.

    `before`: reserved address to its use. Call it before anything is declared.
    """
    living = {each.address: each for each in listeners}
    for name, use in sorted(before.items()):
        leads = [*(f"the name {each}" for each in use.names), *([f"the row of BAN {use.ban}"] if use.ban else [])]
        if name not in living:
            if leads:
                raise RefusedError(
                    f"dedicated address {name} cannot be removed: {' and '.join(leads)} still"
                    f" {'refers' if len(leads) == 1 else 'refer'} to it",
                    "keep the customer under warp-edge:dedicated, with drainedOn and without dnsName, and run `pulumi"
                    " up`; when its calls have ended, retire it in a later update (docs/dedicated.md)",
                )
            gone = retired.get(name)
            if not (gone and gone.customer and gone.drained_on and gone.retired_on):
                raise RefusedError(
                    f"dedicated address {name} cannot be removed without an entry in legacy: its customer has it"
                    " configured",
                    f"put {name} under warp-edge:legacy with customer, drainedOn and a later retiredOn",
                )
        elif use.ban and living[name].ban != use.ban:
            key = living[name].key
            raise RefusedError(
                f"dedicated address {name} belongs to BAN {use.ban} and cannot be assigned to BAN {living[name].ban}:"
                " remaining calls to it would be billed to the other customer",
                f"set warp-edge:dedicated.{key}.drainedOn first, or configure another address for the other customer",
            )
