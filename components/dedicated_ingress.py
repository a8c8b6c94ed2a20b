"""Premium tier: reserved addresses and LoadBalancer Services of one customer's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.load_balancer import ServicePort, WayIn
from engine.record import DedicatedUse
from engine.refusal import RefusedError
from engine.tokens import DEDICATED_INGRESS
from inventory.address import Status
from kamailio import Own
from settings.dedicated import DedicatedListener
from settings.retired import RetiredAddress


@dataclass(frozen=True)
class DedicatedIngressArgs:
    """`way`: where the SIP proxy is, which these Services share with everybody's."""

    listeners: Sequence[DedicatedListener]
    way: WayIn


class DedicatedIngress(pulumi.ComponentResource):
    """`warp:edge:DedicatedIngress`: the ways in of the premium tier.

    Stands up a reserved address and a LoadBalancer Service on it for each protocol of each dedicated customer. Each
    Service leads to ports of the SIP proxy's pods that are this customer's alone: they stand for the address that was
    dialled, which kube-proxy takes out of the packet. IPv4 only. It deliberately does not manage what makes the
    address the customer's (rows of the trunk ACL), the sockets of the SIP proxy (`AclEnforcement` publishes them) and
    names (`SipDns`).

    Outputs: `addresses` (IPs by the reserved address's name, found together), `by_name` (the same, each by itself).
    """

    addresses: pulumi.Output[Mapping[str, str]]
    by_name: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: DedicatedIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(DEDICATED_INGRESS, name, None, opts)
        self._args = args
        self.by_name = {each.address: self._stand_up(name, each) for each in args.listeners}
        # Waited for once: with hundreds of customers, what each address has to itself is what costs.
        self.addresses = pulumi.Output.all(**self.by_name)
        self.register_outputs({})

    def _stand_up(self, name: str, listener: DedicatedListener) -> pulumi.Output[str]:
        way, role = self._args.way, f"{name}-{listener.key}-{listener.protocol.lower()}"
        reserved = way.reserve(f"{role}-address", listener.address, pulumi.ResourceOptions(parent=self))
        ports = [
            ServicePort(name, port, listener.protocol, listener.targets[name]) for name, port in listener.ports.items()
        ]
        way.load_balancer(role, listener.service, ports, [reserved], self, new=True)
        return reserved.address

    def rows(self) -> dict[str, dict[str, pulumi.Input[str]]]:
        """What makes each address its customer's, by the address's name: the rows of the trunk ACL. Not of one that
        drains: nothing may lead there any more."""
        return {
            each.address: {"ban": each.ban, "address": self.by_name[each.address], "service": each.service}
            for each in self._args.listeners
            if each.status is Status.ACTIVE
        }

    @property
    def sockets(self) -> pulumi.Output[list[Own]]:
        """What the SIP proxy needs for each address."""
        listeners = self._args.listeners
        return self.addresses.apply(
            lambda found: [
                Own(each.ban, each.protocol, found[each.address], each.ports, each.targets) for each in listeners
            ]
        )


def refuse_dedicated_cut(
    listeners: Sequence[DedicatedListener], before: Mapping[str, DedicatedUse], retired: Mapping[str, RetiredAddress]
) -> None:
    """Refuse to let go of an address while traffic configuration leads to it, or to hand it to another customer.

    `before`: reserved address to its use. To be called before anything is declared.
    """
    living = {each.address: each for each in listeners}
    for name, use in sorted(before.items()):
        leads = [*(f"the name {each}" for each in use.names), *([f"the row of BAN {use.ban}"] if use.ban else [])]
        if name not in living:
            if leads:
                raise RefusedError(
                    f"dedicated address {name} cannot go: {' and '.join(leads)} still"
                    f" {'leads' if len(leads) == 1 else 'lead'} calls to it",
                    "keep the customer under warp-edge:dedicated, with drainedOn and without dnsName, and run `pulumi"
                    " up`; when its calls have ended, retire it in a later update (docs/dedicated.md)",
                )
            gone = retired.get(name)
            if not (gone and gone.customer and gone.drained_on and gone.retired_on):
                raise RefusedError(
                    f"dedicated address {name} cannot go without a word: its customer has it configured",
                    f"put {name} under warp-edge:legacy with customer, drainedOn and a later retiredOn",
                )
        elif use.ban and living[name].ban != use.ban:
            key = living[name].key
            raise RefusedError(
                f"dedicated address {name} is BAN {use.ban}'s and cannot become BAN {living[name].ban}'s: whoever"
                " still calls it would call at the other's expense",
                f"set warp-edge:dedicated.{key}.drainedOn first, or give the other customer an address of its own",
            )
