"""Dedicated ingress addresses of single customers, keyed by a short name of the customer.

Names of Services and reserved addresses default to ones derived from the key; ports are those of the shared
LoadBalancers. The target port has no default: behind kube-proxy it is all that identifies the dialled address
(kamailio/README.md, "Dedicated addresses").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from inventory.address import Status
from inventory.endpoint import TRANSPORT_OF_ROLE
from settings.base import TRUNK, Ban, Day, HostLabel, Name, Section, like
from settings.ingress import Ingress
from settings.lifecycle import after_its_announcement, in_order
from settings.problems import refuse
from settings.rules import rule

# `sip-<key>-udp-ip` is a name at the cloud as well.
Key = Annotated[
    str,
    like(
        r"^[a-z]([-a-z0-9]{0,46}[a-z0-9])?$",
        "use lower-case letters, digits and hyphens, a letter first, no hyphen last, 48 at most",
    ),
]
TrunkName = Annotated[
    str,
    like(TRUNK, "as in its trunk file: lower-case letters, digits, points, hyphens and underscores, 63 at most"),
]
# Each customer has a block of the pods' ports, one for each role in this order.
ROLES = tuple(TRANSPORT_OF_ROLE)
TargetPort = Annotated[int, Field(ge=1024, le=65_536 - len(ROLES))]


class OwnListener(Section):
    """One dedicated LoadBalancer Service on a reserved address."""

    service: Name | None = Field(None, description="name of the Service; absent: `sip-<key>-udp` or `sip-<key>-tcp`")
    address: Name | None = Field(None, description="name of the reserved address; absent: the Service's with `-ip`")


class DedicatedCustomer(Section):
    """One customer's dedicated addresses."""

    ban: Ban = Field(description="the customer's billing account number; calls to the address are this customer's")
    trunk: TrunkName | None = Field(
        None,
        description="the customer's trunk that calls to the addresses count for; absent: the one that has the caller as"
        " an entry, or else `dedicated`",
    )
    target_port: TargetPort = Field(
        description="first of four ports of the SIP proxy's pods (sip, sips, ws, wss) that identify this customer alone"
    )
    udp: OwnListener | None = Field(OwnListener(), description="the UDP LoadBalancer; null: none")
    tcp: OwnListener | None = Field(
        None, description="the TCP LoadBalancer, with the ports of ingress.tcp; absent: none"
    )
    announced_on: Day | None = Field(None, description="when the addresses were announced to the customer")
    active_on: Day | None = Field(None, description="when it began to answer")
    drained_on: Day | None = Field(
        None,
        description="drain began: no DNS name and no trunk ACL row refers to it any more; it stays reserved until it"
        " is retired",
    )
    dns_name: HostLabel | None = Field(None, description="label below dns.domain that resolves to it; absent: none")

    @rule
    def _something_answers(cls, tcp: OwnListener | None, udp: OwnListener | None) -> None:
        if tcp is None and udp is None:
            raise refuse("neither UDP nor TCP", "leave udp out for a UDP LoadBalancer, or write tcp: {}")

    _active_after_its_announcement = field_validator("active_on")(after_its_announcement)
    _drains_after_it_was_active = field_validator("drained_on")(in_order)

    @rule
    def _no_name_leads_to_what_drains(cls, dns_name: str | None, drained_on: date | None) -> None:
        if dns_name and drained_on:
            raise refuse("it drains, but this name still resolves to it", "remove dnsName, or remove drainedOn")


@dataclass(frozen=True)
class DedicatedListener:
    """One LoadBalancer of one customer, with every name and port filled in. `targets`: port role to the pods' port."""

    key: str
    settings: DedicatedCustomer
    protocol: Literal["UDP", "TCP"]
    service: str
    address: str
    ports: Mapping[str, int]
    targets: Mapping[str, int]

    @property
    def ban(self) -> str:
        """Whose it is."""
        return self.settings.ban

    @property
    def status(self) -> Status:
        """Draining: still reserved and published to its customer, but no name or row refers to it."""
        return Status.DRAINING if self.settings.drained_on else Status.ACTIVE


def listeners(dedicated: Mapping[str, DedicatedCustomer], ingress: Ingress) -> Iterator[DedicatedListener]:
    """Every LoadBalancer of every dedicated customer, UDP before TCP."""
    for key, customer in dedicated.items():
        for (protocol, shared), own in zip(ingress.listeners.items(), (customer.udp, customer.tcp), strict=True):
            if own:
                service = own.service or f"sip-{key}-{protocol.lower()}"
                yield DedicatedListener(
                    key=key,
                    settings=customer,
                    protocol=protocol,
                    service=service,
                    address=own.address or f"{service}-ip",
                    ports=shared.ports,
                    targets={role: customer.target_port + ROLES.index(role) for role in shared.ports},
                )


def refuse_clashes(
    dedicated: Mapping[str, DedicatedCustomer],
    ingress: Ingress,
    taken: Mapping[str, Mapping[str, str]],
    pod_ports: Mapping[int, str],
) -> None:
    """Refuse names and ports that two customers, or a customer and the rest of the stack, both claim.

    `taken`: kind of name to the names already in use, with their owners; `pod_ports`: ports of the pods that are in
    use.
    """
    seen = {kind: dict(others) for kind, others in taken.items()}

    def claim(kind: str, name: str, key: str) -> None:
        if other := seen.setdefault(kind, {}).get(name):
            raise refuse(f"{kind} {name} of {key} is {other}'s", f"give {key} another, in warp-edge:dedicated.{key}")
        seen[kind][name] = key

    for each in listeners(dedicated, ingress):
        # A configured name that is too long was refused by its type; a derived one is checked here.
        if len(each.address) > 63:
            raise refuse(f"the reserved address {each.address} has a name of more than 63 letters", "name it shorter")
        claim("Service", each.service, each.key)
        claim("reserved address", each.address, each.key)
    blocks: dict[int, str] = dict(pod_ports)
    for key, customer in dedicated.items():
        for label in _labels(customer).values():
            if len(label) > 63:
                raise refuse(f"the DNS name {label} has more than 63 letters", f"make {key}'s dnsName shorter")
            claim("DNS name", label, key)
        for port in range(customer.target_port, customer.target_port + len(ROLES)):
            if other := blocks.get(port):
                raise refuse(
                    f"targetPort {customer.target_port} of {key} takes the pods' ports up to"
                    f" {customer.target_port + len(ROLES) - 1}, and {port} is {other}'s",
                    f"give {key} four ports of its own, in warp-edge:dedicated.{key}.targetPort",
                )
            blocks[port] = key


def own_names(domain: str, customer: DedicatedCustomer) -> dict[str, str]:
    """Protocol to the host name of its address; empty without a DNS name."""
    return {protocol: f"{label}.{domain}" for protocol, label in _labels(customer).items()}


def _labels(customer: DedicatedCustomer) -> dict[str, str]:
    """The plain name is the UDP address's; with both protocols, the TCP address has a name beside it."""
    name = customer.dns_name
    if not name:
        return {}
    if customer.udp and customer.tcp:
        return {"UDP": name, "TCP": f"{name}-tcp"}
    return {"UDP" if customer.udp else "TCP": name}
