"""Egress: a pool of reserved addresses on one Cloud NAT gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.sdk.compute import Address as ReservedAddress
from components.sdk.compute import Router, RouterNat
from engine.record import GatewayUse
from engine.refusal import RefusedError
from engine.tokens import NAT_EGRESS_POOL
from inventory.address import Status
from inventory.capacity import EgressCapacity
from settings import Settings
from settings.egress import Egress
from settings.ledger import RetiredAddress


@dataclass(frozen=True)
class NatEgressPoolArgs:
    """`before`: the gateway's addresses after the last update; None: there was no gateway.

    `legacy`: retired addresses by name; drained slots are moved there.
    """

    egress: Egress
    region: str
    labels: Mapping[str, str]
    protect: bool
    before: GatewayUse | None = None
    legacy: Mapping[str, RetiredAddress] = field(default_factory=dict)


class NatEgressPool(pulumi.ComponentResource):
    """`warp:edge:NatEgressPool`: the addresses that vendors whitelist.

    Declares one reserved address per slot, keyed by name and never by position, the Cloud Router (unless another stack
    or team owns it) and the NAT gateway in MANUAL_ONLY mode. A slot's state determines the use of its address:
    announced is reserved only, active is in `nat_ips`, draining is in `drain_nat_ips` (no new connections). It
    deliberately does not manage the VPC network, its subnetworks and whether nodes have external addresses: a node
    with one bypasses the pool.

    Outputs: `addresses` (IPs by slot name), `capacity` (ports and concurrent calls).
    """

    addresses: Mapping[str, pulumi.Output[str]]
    capacity: pulumi.Output[EgressCapacity]

    def __init__(self, name: str, args: NatEgressPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(NAT_EGRESS_POOL, name, None, opts)
        refuse_cut(args.egress, args.before, args.legacy)
        for line in unannounced(args.egress, args.before):
            pulumi.log.warn(line, self)
        egress = args.egress
        reserved = {
            slot: ReservedAddress(
                f"{name}-slot-{slot}",
                {"name": slot, "region": args.region, "addressType": "EXTERNAL", "labels": args.labels},
                # Changing a description that was set manually would replace the address.
                pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=["description"]),
            )
            for slot in egress.slots
        }
        nat = self._gateway(name, args, reserved)
        self.addresses = {slot: address.address for slot, address in reserved.items()}
        # Without the setting an adopted gateway keeps its minimum of ports, so it is read from the gateway.
        self.capacity = nat.min_ports_per_vm.apply(
            lambda minimum: EgressCapacity(
                active_addresses=sum(slot.state is Status.ACTIVE for slot in egress.slots.values()),
                ports_per_call=egress.ports_per_call,
                min_ports_per_vm=int(minimum or egress.default_min_ports_per_vm),
            )
        )
        self.register_outputs({"concurrentCalls": self.capacity.apply(lambda capacity: capacity.concurrent_calls)})

    def _gateway(self, name: str, args: NatEgressPoolArgs, reserved: Mapping[str, ReservedAddress]) -> RouterNat:
        egress, timeouts = args.egress, args.egress.timeouts
        locked = pulumi.ResourceOptions(parent=self, protect=args.protect)
        router: pulumi.Input[str] = egress.router.name
        if egress.router.manage:
            router = Router(
                f"{name}-router",
                {"name": egress.router.name, "region": args.region, "network": egress.router.network},
                locked,
            ).name
        return RouterNat(
            f"{name}-nat",
            {
                "name": egress.nat,
                "router": router,
                "region": args.region,
                "natIpAllocateOption": "MANUAL_ONLY",
                "natIps": _in_state(egress, reserved, Status.ACTIVE),
                # Always said, also when empty: left out, the plugin keeps the old list and its addresses stay in use.
                "drainNatIps": _in_state(egress, reserved, Status.DRAINING),
                "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                "enableDynamicPortAllocation": egress.dynamic_ports,
                "enableEndpointIndependentMapping": egress.endpoint_independent_mapping,
                "minPortsPerVm": egress.min_ports_per_vm,
                "maxPortsPerVm": egress.max_ports_per_vm,
                "udpIdleTimeoutSec": timeouts.udp_idle_seconds,
                "icmpIdleTimeoutSec": timeouts.icmp_idle_seconds,
                "tcpEstablishedIdleTimeoutSec": timeouts.tcp_established_idle_seconds,
                "tcpTransitoryIdleTimeoutSec": timeouts.tcp_transitory_idle_seconds,
                "tcpTimeWaitTimeoutSec": timeouts.tcp_time_wait_seconds,
                "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
            },
            locked,
        )


def refuse_cut(egress: Egress, before: GatewayUse | None, legacy: Mapping[str, RetiredAddress] | None = None) -> None:
    """Refuse changes that would cut calls or cannot work; arguments as in `NatEgressPoolArgs`.

    Removing an address from the gateway cuts its connections at once, and the plugin does not object; and a new gateway
    refuses draining addresses (docs.cloud.google.com/nat/docs/set-up-manage-network-address-translation). That the
    last call has ended can only be seen by people, who record it as `retiredOn`.
    """
    slots, legacy = egress.slots, legacy or {}
    used = before or GatewayUse()
    for name, slot in slots.items():
        if slot.state is Status.DRAINING and name not in used.active | used.draining:
            none = "" if before else ": there is none yet, and a new one refuses draining addresses"
            raise RefusedError(
                f"egress slot {name} cannot drain: the gateway does not use it{none}",
                f"set warp-edge:egress.slots.{name}.state to announced, and to active before it can drain",
            )
    kept = {name for name, slot in slots.items() if slot.state is not Status.ANNOUNCED}
    for name in sorted(used.active - kept):
        gone = "set back to announced" if name in slots else "retired" if name in legacy else "removed"
        raise RefusedError(
            f"egress slot {name} is active and cannot be {gone}: its calls would be cut at once",
            f"set warp-edge:egress.slots.{name}.state to draining, run `pulumi up`, let its calls end, and remove it in"
            " a later update",
        )
    for name in sorted(used.draining - kept):
        _refuse_unfinished_drain(name, legacy.get(name), announced=name in slots)


def _refuse_unfinished_drain(name: str, retired: RetiredAddress | None, *, announced: bool) -> None:
    """Refuse to take a draining address out of the gateway when nobody says that its calls have ended."""
    if announced:
        raise RefusedError(
            f"egress slot {name} drains and cannot be set back to announced: its last calls would be cut",
            f"set warp-edge:egress.slots.{name}.state to active to call it back, or retire it when its calls have ended"
            " (docs/addresses.md)",
        )
    if retired and retired.drained_on and retired.retired_on:
        return
    raise RefusedError(
        f"egress slot {name} is still draining and cannot be {'retired' if retired else 'removed'}: it is not"
        " recorded that its calls have ended",
        f"when `gcloud compute routers get-nat-mapping-info` no longer shows it, put {name} under warp-edge:legacy with"
        " drainedOn (when it began to drain), retiredOn (a later day) and replacedBy; until then keep the slot",
    )


def unannounced(egress: Egress, before: GatewayUse | None) -> list[str]:
    """Warnings about slots without announcement dates, one line each: their notice period cannot be checked."""
    used = before.active | before.draining if before else set(egress.slots)
    lines = []
    for name, slot in egress.slots.items():
        if slot.announced_on:
            continue
        key = f"warp-edge:egress.slots.{name}.announcedOn"
        if slot.state is Status.ANNOUNCED:
            lines.append(f"egress slot {name} is announced and does not say since when: add {key}")
        elif name not in used:
            lines.append(f"egress slot {name} becomes active without a date of its announcement: add {key}")
    return lines


def _in_state(egress: Egress, reserved: Mapping[str, ReservedAddress], state: Status) -> list[pulumi.Output[str]]:
    """Self-links: raw addresses answer 404."""
    return [reserved[name].self_link for name, slot in egress.slots.items() if slot.state is state]


def import_ids(name: str, settings: Settings) -> dict[str, str]:
    """Logical name -> the id under which the plugin imports it (docs/adopt.md)."""
    region = f"projects/{settings.project}/regions/{settings.region}"
    router = f"{region}/routers/{settings.egress.router.name}"
    ids = {f"{name}-slot-{slot}": f"{region}/addresses/{slot}" for slot in settings.egress.slots}
    return ids | {f"{name}-router": router, f"{name}-nat": f"{router}/{settings.egress.nat}"}
